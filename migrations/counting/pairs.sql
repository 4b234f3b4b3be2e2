-- All pairs of items that share a counted basket, each once, in key order, so that the pairs of an item
-- are adjacent.
CREATE TABLE new_item_pairs AS
SELECT (SELECT b.build_id FROM builds AS b WHERE b.status = 'running') AS build_id, p.item_a, p.item_b,
       sum_bigint(p.orders_together) AS orders_together,
       sum_bigint(p.weight_units) / weight_units()::float8 AS weight,
       sum_bigint(p.weight_units) AS weight_units
FROM (
    SELECT u.item_a, u.item_b, u.basket AS orders_together, u.weight AS weight_units
    FROM (
        SELECT l.item_a, unnest(l.items) AS item_b, l.basket, l.weight
        FROM (
            SELECT unnest(o.items) AS item_a, o.items, o.basket, o.weight
            FROM counted_orders AS o
            WHERE o.basket IS NOT NULL
        ) AS l
    ) AS u
    WHERE u.item_a < u.item_b
    UNION ALL
    SELECT k.item_a, k.item_b, k.orders_together, k.weight_units
    FROM item_pairs AS k
    WHERE k.build_id = (SELECT b.base_build FROM builds AS b WHERE b.status = 'running')
) AS p
GROUP BY p.item_a, p.item_b
HAVING sum_bigint(p.orders_together) > 0
ORDER BY p.item_a, p.item_b;
