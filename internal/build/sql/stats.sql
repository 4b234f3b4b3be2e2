-- The order lines as this build counts them, and what every item counts for. Not a temporary table: those keep plans from being parallel.
UPDATE builds AS b
SET newest_ordered_at = (SELECT max(o.ordered_at) FROM orders AS o WHERE NOT :held_out)
WHERE b.build_id = :build;

CREATE UNLOGGED TABLE counted_lines AS
SELECT l.order_id, l.item_id, l.day, l.line = 1 AS first_of_order, l.size BETWEEN 2 AND b.max_basket AS counted, l.size > b.max_basket AS large,
       -- 1/(size - 1) in units of 2^-38: sums of integers are exact in any order, so that equal orders make equal bytes. One unit is
       -- 4e-12; a pair can be in 33 million baskets of two before its sum overflows.
       CASE WHEN l.size BETWEEN 2 AND b.max_basket THEN l.units / (l.size - 1) END AS weight,
       CASE WHEN b.half_life_days IS NOT NULL THEN l.units END AS mass
FROM (
    SELECT o.order_id, n.item_id, (o.ordered_at AT TIME ZONE 'UTC')::date AS day,
           -- What its age leaves of an order. After 28 half-lives it ages no more: 1024 units are left, so that no pair's weight is nothing, for
           -- weights are divided by. (After 1100 PostgreSQL would refuse to halve.)
           CASE WHEN s.half_life_days IS NULL THEN weight_units()
                ELSE (weight_units() * power(
                    0.5, least(28, extract(epoch FROM s.newest_ordered_at - o.ordered_at) / 86400 / s.half_life_days)
                ))::bigint
           END AS units,
           count(*) OVER basket AS size, row_number() OVER basket AS line
    FROM order_lines AS n
    JOIN orders AS o ON o.order_id = n.order_id
    CROSS JOIN builds AS s
    WHERE s.build_id = :build AND NOT :held_out
      -- An order without a time has no age. A day is one of 24 hours, whatever the clocks do where the server stands.
      AND (s.window_days IS NULL OR o.ordered_at > s.newest_ordered_at - s.window_days * interval '24 hours')
      AND (s.half_life_days IS NULL OR o.ordered_at IS NOT NULL)
    WINDOW basket AS (PARTITION BY o.order_id)
) AS l
CROSS JOIN builds AS b
WHERE b.build_id = :build;

ANALYZE counted_lines;

CREATE TABLE item_stats_:build AS
WITH counts AS (
    SELECT l.item_id, count(*) AS orders, count(*) FILTER (WHERE l.counted) AS baskets,
           sum_bigint(l.mass) FILTER (WHERE l.counted) / weight_units()::float8 AS mass
    FROM counted_lines AS l
    GROUP BY l.item_id
)
SELECT :build::bigint AS build_id, c.item_id, c.orders, c.baskets,
       row_number() OVER (ORDER BY c.orders DESC, i.name) AS popularity_rank,
       row_number() OVER (ORDER BY c.baskets DESC, i.name) AS baskets_rank,
       CASE WHEN b.half_life_days IS NULL THEN c.baskets ELSE c.mass END AS mass
FROM counts AS c
JOIN items AS i ON i.item_id = c.item_id
CROSS JOIN builds AS b
WHERE b.build_id = :build
ORDER BY popularity_rank;

UPDATE builds AS b
SET orders       = c.orders,
    order_lines  = c.order_lines,
    baskets      = c.baskets,
    large_orders = c.large_orders
FROM (
    SELECT count(*) FILTER (WHERE l.first_of_order) AS orders, count(*) AS order_lines,
           count(*) FILTER (WHERE l.first_of_order AND l.counted) AS baskets,
           count(*) FILTER (WHERE l.first_of_order AND l.large) AS large_orders
    FROM counted_lines AS l
) AS c
WHERE b.build_id = :build;

-- The last year by days.
CREATE TABLE item_days_:build AS
SELECT :build::bigint AS build_id, l.day, l.item_id, count(*) AS orders
FROM counted_lines AS l
CROSS JOIN builds AS b
WHERE b.build_id = :build AND l.day > (b.newest_ordered_at AT TIME ZONE 'UTC')::date - 365
GROUP BY l.day, l.item_id;

INSERT INTO order_days (build_id, day, orders)
SELECT :build, l.day, count(*)
FROM counted_lines AS l
CROSS JOIN builds AS b
WHERE b.build_id = :build AND l.first_of_order AND l.day > (b.newest_ordered_at AT TIME ZONE 'UTC')::date - 365
GROUP BY l.day;
