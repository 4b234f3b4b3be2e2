-- Every two items that share a counted basket, once.
CREATE TABLE item_pairs_:build AS
SELECT :build::bigint AS build_id, a.item_id AS item_a, b.item_id AS item_b,
       count(*) AS orders_together, sum_bigint(a.weight) / weight_units()::float8 AS weight
FROM counted_lines AS a
JOIN counted_lines AS b ON b.order_id = a.order_id AND b.item_id > a.item_id
WHERE a.counted AND b.counted
GROUP BY a.item_id, b.item_id
-- so that the pairs of an item lie together
ORDER BY a.item_id, b.item_id;

-- What follows joins them: without, the planner expects a billion rows of the sample's 267 thousand.
ANALYZE item_stats_:build, item_pairs_:build;
