-- The statistics of each item. squares and same_basket are for chance.sql: the sums of mass * mass and
-- mass * weight over its counted baskets.
CREATE UNLOGGED TABLE new_item_counts AS
SELECT l.item_id, sum_bigint(l.orders) AS orders, sum_bigint(l.baskets) AS baskets,
       sum_bigint(l.mass) / weight_units()::float8 AS mass,
       coalesce(sum(l.mass::float8 * l.mass) / weight_units()::float8 / weight_units(),
                sum_bigint(l.baskets)) AS squares,
       coalesce(sum(l.mass::float8 * l.weight) / weight_units()::float8 / weight_units(),
                sum_bigint(l.weight) / weight_units()::float8) AS same_basket,
       sum_bigint(l.weight) AS weight_units
FROM (
    SELECT unnest(o.items) AS item_id, o.sign AS orders, o.basket AS baskets,
           CASE WHEN o.basket IS NOT NULL THEN o.mass END AS mass, o.weight
    FROM counted_orders AS o
    UNION ALL
    SELECT s.item_id, s.orders, s.baskets, NULL, s.weight_units
    FROM item_stats AS s
    WHERE s.build_id = (SELECT b.base_build FROM builds AS b WHERE b.status = 'running')
) AS l
GROUP BY l.item_id
HAVING sum_bigint(l.orders) > 0;

CREATE TABLE new_item_stats AS
SELECT b.build_id, c.item_id, c.orders, c.baskets,
       row_number() OVER (ORDER BY c.orders DESC, i.name) AS popularity_rank,
       row_number() OVER (ORDER BY c.baskets DESC, i.name) AS baskets_rank,
       CASE WHEN b.half_life_days IS NULL THEN c.baskets ELSE c.mass END AS mass,
       c.weight_units
FROM new_item_counts AS c
JOIN items AS i ON i.item_id = c.item_id
CROSS JOIN builds AS b
WHERE b.status = 'running'
ORDER BY popularity_rank;

ALTER TABLE new_item_stats
    ALTER build_id SET NOT NULL, ALTER item_id SET NOT NULL, ALTER orders SET NOT NULL,
    ALTER baskets SET NOT NULL, ALTER popularity_rank SET NOT NULL, ALTER baskets_rank SET NOT NULL,
    ALTER mass SET NOT NULL,
    ADD CONSTRAINT new_item_stats_pkey PRIMARY KEY (item_id, build_id),
    ADD CONSTRAINT new_item_stats_popularity_rank_key UNIQUE (popularity_rank, build_id);
ANALYZE new_item_stats;

UPDATE builds AS t
SET newest_ordered_at = (SELECT n.ordered_at FROM newest_order AS n),
    orders            = coalesce(b.orders, 0) + c.orders,
    order_lines       = coalesce(b.order_lines, 0) + c.order_lines,
    baskets           = coalesce(b.baskets, 0) + c.baskets,
    large_orders      = coalesce(b.large_orders, 0) + c.large_orders,
    changed_orders    = CASE WHEN r.base_build IS NOT NULL
                             THEN (SELECT count(DISTINCT o.order_id) FROM signed_orders AS o) END,
    last_order_id     = coalesce((SELECT max(o.order_id) FROM orders AS o), 0),
    last_change_id    = coalesce((SELECT max(o.change_id) FROM order_changes AS o), 0)
FROM builds AS r
LEFT JOIN builds AS b ON b.build_id = r.base_build
CROSS JOIN (
    SELECT sum_bigint(o.sign) AS orders, sum_bigint(o.sign * o.size) AS order_lines,
           sum_bigint(o.basket) AS baskets,
           sum_bigint(o.sign) FILTER (WHERE o.size > 1 AND o.basket IS NULL) AS large_orders
    FROM counted_orders AS o
) AS c
WHERE t.build_id = r.build_id AND r.status = 'running';
