-- What only the dashboard asks.

-- name: OrderDayList :many
-- The orders of a build by day, the newest days first.
SELECT (d.day::timestamp AT TIME ZONE 'UTC')::timestamptz AS day, d.orders
FROM order_days AS d
WHERE d.build_id = @build_id
ORDER BY d.day DESC
LIMIT @lim;

-- name: BuildCoverage :one
-- Of the first @places similar items of every item of a build: how many are pairs, and how many different
-- items they are.
SELECT count(*)::bigint AS pairs, count(DISTINCT n.other_id)::bigint AS items
FROM item_neighbours AS n
WHERE n.build_id = @build_id AND n.similar_rank <= @places;

-- name: ItemSpreadList :many
-- One item in every step of a build, from the most to the least popular.
SELECT i.name
FROM item_stats AS s
JOIN items AS i ON i.item_id = s.item_id
WHERE s.build_id = @build_id AND (s.popularity_rank - 1) % @step::bigint = 0
ORDER BY s.popularity_rank
LIMIT @lim;
