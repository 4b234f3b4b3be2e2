-- The order lines as this build counts them, and what every item counts for. Not a temporary table: those keep plans from being parallel.
CREATE UNLOGGED TABLE counted_lines AS
SELECT l.order_id, l.item_id, l.line = 1 AS first_of_order, l.size BETWEEN 2 AND b.max_basket AS counted,
       -- 1/(size - 1) in units of 2^-38: sums of integers are exact in any order, so that equal orders make equal bytes. One unit is
       -- 4e-12; a pair can be in 33 million baskets of two before its sum overflows.
       CASE WHEN l.size BETWEEN 2 AND b.max_basket THEN 274877906944 / (l.size - 1) END AS weight
FROM (
    SELECT o.order_id, o.item_id, count(*) OVER basket AS size, row_number() OVER basket AS line
    FROM order_lines AS o
    WINDOW basket AS (PARTITION BY o.order_id)
) AS l
CROSS JOIN builds AS b
WHERE b.build_id = :build;

ANALYZE counted_lines;

CREATE TABLE item_stats_:build AS
WITH counts AS (
    SELECT l.item_id, count(*) AS orders, count(*) FILTER (WHERE l.counted) AS baskets
    FROM counted_lines AS l
    GROUP BY l.item_id
)
SELECT :build::bigint AS build_id, c.item_id, c.orders, c.baskets,
       row_number() OVER (ORDER BY c.orders DESC, i.name) AS popularity_rank,
       row_number() OVER (ORDER BY c.baskets DESC, i.name) AS baskets_rank
FROM counts AS c
JOIN items AS i ON i.item_id = c.item_id
ORDER BY popularity_rank;

UPDATE builds AS b
SET orders      = c.orders,
    order_lines = c.order_lines,
    baskets     = c.baskets
FROM (
    SELECT count(*) FILTER (WHERE l.first_of_order) AS orders, count(*) AS order_lines,
           count(*) FILTER (WHERE l.first_of_order AND l.counted) AS baskets
    FROM counted_lines AS l
) AS c
WHERE b.build_id = :build;
