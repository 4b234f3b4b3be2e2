-- What every item counts for. squares and same_basket are for chance.sql: the sums over its counted baskets
-- of the square of what age leaves of the basket, and of that times weight.
CREATE UNLOGGED TABLE new_item_counts AS
SELECT l.item_id, count(*) AS orders, count(l.weight) AS baskets,
       sum_bigint(l.mass) FILTER (WHERE l.weight IS NOT NULL) / weight_units()::float8 AS mass,
       sum(l.share * l.share) FILTER (WHERE l.weight IS NOT NULL) AS squares,
       sum(l.share * l.weight / weight_units()) AS same_basket
FROM (
    SELECT unnest(o.items) AS item_id, o.weight, o.mass,
           coalesce(o.mass, weight_units()) / weight_units()::float8 AS share
    FROM counted_orders AS o
) AS l
GROUP BY l.item_id;

CREATE TABLE new_item_stats AS
SELECT b.build_id, c.item_id, c.orders, c.baskets,
       row_number() OVER (ORDER BY c.orders DESC, i.name) AS popularity_rank,
       row_number() OVER (ORDER BY c.baskets DESC, i.name) AS baskets_rank,
       CASE WHEN b.half_life_days IS NULL THEN c.baskets ELSE c.mass END AS mass
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

UPDATE builds AS b
SET newest_ordered_at = c.newest_ordered_at,
    orders            = c.orders,
    order_lines       = c.order_lines,
    baskets           = c.baskets,
    large_orders      = c.large_orders
FROM (
    SELECT max(o.ordered_at) AS newest_ordered_at, count(*) AS orders,
           coalesce(sum(o.size), 0) AS order_lines, count(o.weight) AS baskets,
           count(*) FILTER (WHERE o.size > 1 AND o.weight IS NULL) AS large_orders
    FROM counted_orders AS o
) AS c
WHERE b.status = 'running';
