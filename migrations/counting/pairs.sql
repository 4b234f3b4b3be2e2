-- Every two items that share a counted basket, once. In the order of the key, so that the pairs of an item
-- lie together.
CREATE TABLE new_item_pairs AS
SELECT (SELECT b.build_id FROM builds AS b WHERE b.status = 'running') AS build_id, p.item_a, p.item_b,
       count(*) AS orders_together, sum_bigint(p.weight) / weight_units()::float8 AS weight
FROM (
    SELECT l.item_a, unnest(l.items) AS item_b, l.weight
    FROM (
        SELECT unnest(o.items) AS item_a, o.items, o.weight
        FROM counted_orders AS o
        WHERE o.weight IS NOT NULL
    ) AS l
) AS p
WHERE p.item_a < p.item_b
GROUP BY p.item_a, p.item_b
ORDER BY p.item_a, p.item_b;
