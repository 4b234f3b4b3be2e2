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

-- name: SearchVersionGet :one
-- What the items that can be searched for depend on.
SELECT coalesce((SELECT b.build_id FROM builds AS b WHERE b.active), 0)::bigint AS build_id,
       coalesce((SELECT max(i.item_id) FROM items AS i), 0)::bigint AS last_item,
       coalesce((SELECT r.changes FROM revisions AS r WHERE r.subject = 'catalogue'), 0)::bigint AS catalogue;

-- name: SearchItemList :many
-- The items of a build behind a popularity rank, the most popular first.
SELECT s.popularity_rank AS place, s.item_id, i.name, coalesce(a.label, '')::text AS label
FROM item_stats AS s
JOIN items AS i ON i.item_id = s.item_id
LEFT JOIN item_attributes AS a ON a.item_id = s.item_id
WHERE s.build_id = @build_id AND s.popularity_rank > @after
ORDER BY s.popularity_rank
LIMIT @lim;

-- name: SearchItemListUncounted :many
-- The items behind an id that the build does not know.
SELECT i.item_id, i.name, coalesce(a.label, '')::text AS label
FROM items AS i
LEFT JOIN item_attributes AS a ON a.item_id = i.item_id
WHERE i.item_id > @after
  AND NOT EXISTS (SELECT FROM item_stats AS s WHERE s.item_id = i.item_id AND s.build_id = @build_id)
ORDER BY i.item_id
LIMIT @lim;

-- name: ItemCardList :many
-- Items as a list shows them, in the order of the ids. Those that the build does not know are in 0 orders.
SELECT i.item_id, i.name, coalesce(a.label, '')::text AS label, coalesce(a.category, '')::text AS category,
       coalesce(a.image_url, '')::text AS image_url, coalesce(a.url, '')::text AS url,
       coalesce(a.price, -1)::float8 AS price, coalesce(a.active, true)::boolean AS active,
       coalesce(s.orders, 0)::bigint AS orders, coalesce(s.baskets, 0)::bigint AS baskets,
       coalesce(s.popularity_rank, 0)::bigint AS popularity_rank
FROM unnest(@item_ids::bigint[]) WITH ORDINALITY AS x(item_id, place)
JOIN items AS i ON i.item_id = x.item_id
LEFT JOIN item_attributes AS a ON a.item_id = i.item_id
LEFT JOIN item_stats AS s ON s.item_id = i.item_id AND s.build_id = @build_id
ORDER BY x.place
LIMIT 1000;

-- name: ItemIDGet :one
SELECT i.item_id FROM items AS i WHERE i.name = @name;

-- name: ItemIDListPopular :many
SELECT s.item_id
FROM item_stats AS s
WHERE s.build_id = @build_id
ORDER BY s.popularity_rank
LIMIT @lim;

-- name: ItemDayList :many
-- The days of a build on which an item was ordered, the newest first.
SELECT (o.day::timestamp AT TIME ZONE 'UTC')::timestamptz AS day, d.orders
FROM order_days AS o
CROSS JOIN LATERAL (
    SELECT x.orders FROM item_days AS x WHERE x.build_id = @build_id AND x.day = o.day AND x.item_id = @item_id LIMIT 1
) AS d(orders)
WHERE o.build_id = @build_id
ORDER BY o.day DESC
LIMIT 400;

-- name: RuleListOfItem :many
-- Rules in force or to come that name an item, or are for questions about it.
SELECT r.*
FROM rules AS r
WHERE (r.item = @item::text OR @item::text = ANY (r.items)) AND coalesce(r.valid_until, 'infinity') > now()
ORDER BY r.rule_id DESC
LIMIT 50;
