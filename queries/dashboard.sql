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
    SELECT x.orders FROM item_days AS x
    WHERE x.build_id = @build_id AND x.day = o.day AND x.item_id = @item_id
    LIMIT 1
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

-- name: BasketSizeList :many
-- How many orders have so many different items: 1 to 10, then ranges.
SELECT min(z.size)::bigint AS least, sum(z.orders)::bigint AS orders,
       (CASE WHEN z.size <= 10 THEN z.size::text
             WHEN z.size <= 20 THEN '11–20'
             WHEN z.size <= 50 THEN '21–50'
             WHEN z.size <= 100 THEN '51–100' ELSE 'over 100' END)::text AS items
FROM (
    SELECT cardinality(o.items) AS size, count(*) AS orders FROM orders AS o WHERE o.items <> '{}' GROUP BY 1
) AS z
GROUP BY 3
ORDER BY 1
LIMIT 20;

-- name: NearNameList :many
-- Groups of names that look alike, those in the most orders first; groups is how many there are.
WITH near AS MATERIALIZED (
    SELECT array_agg(i.name ORDER BY coalesce(s.orders, 0) DESC, i.name) AS names,
           coalesce(sum(s.orders), 0)::bigint AS orders, min(i.name) AS first_name
    FROM items AS i
    LEFT JOIN item_stats AS s ON s.item_id = i.item_id AND s.build_id = @build_id
    GROUP BY look(i.name)
    HAVING count(*) > 1
)
SELECT n.names::text[] AS names, n.orders, (count(*) OVER ())::bigint AS groups
FROM near AS n
ORDER BY n.orders DESC, n.first_name
LIMIT @lim;

-- name: PlaceholderItemList :many
-- Items that are called like a placeholder, or are in nine of ten orders; items is how many there are.
SELECT i.name, s.orders, (count(*) OVER ())::bigint AS items
FROM item_stats AS s
JOIN builds AS b ON b.build_id = s.build_id
JOIN items AS i ON i.item_id = s.item_id
WHERE s.build_id = @build_id
  AND (lower(i.name) = ANY (@placeholders::text[]) OR (b.orders >= 20 AND s.orders * 10 >= b.orders * 9))
ORDER BY s.popularity_rank
LIMIT @lim;

-- name: PlaceholderOrderList :many
-- Orders whose ID is a placeholder, or with more items than a build counts, and their number.
SELECT o.external_id, cardinality(o.items)::bigint AS items, (count(*) OVER ())::bigint AS orders
FROM orders AS o
WHERE o.items <> '{}'
  AND (cardinality(o.items) > @max_basket::integer OR lower(o.external_id) = ANY (@placeholders::text[]))
ORDER BY cardinality(o.items) DESC, o.external_id
LIMIT @lim;

-- name: LonelyItemList :many
-- Items that no counted basket holds, the most popular first; items is how many there are.
SELECT i.name, s.orders, (count(*) OVER ())::bigint AS items
FROM item_stats AS s
JOIN items AS i ON i.item_id = s.item_id
WHERE s.build_id = @build_id AND s.baskets = 0
ORDER BY s.popularity_rank
LIMIT @lim;

-- name: ItemListWithoutAttributes :many
-- Items of the build that the catalogue does not know, the most popular first; items is how many there are.
SELECT i.name, s.orders, (count(*) OVER ())::bigint AS items
FROM item_stats AS s
JOIN items AS i ON i.item_id = s.item_id
WHERE s.build_id = @build_id AND NOT EXISTS (SELECT FROM item_attributes AS a WHERE a.item_id = s.item_id)
ORDER BY s.popularity_rank
LIMIT @lim;

-- name: ItemListWithoutOrders :many
-- Items of the catalogue that no order of the build holds, by name; items is how many there are.
SELECT i.name, coalesce(a.category, '')::text AS category, a.active, (count(*) OVER ())::bigint AS items
FROM item_attributes AS a
JOIN items AS i ON i.item_id = a.item_id
WHERE NOT EXISTS (SELECT FROM item_stats AS s WHERE s.item_id = a.item_id AND s.build_id = @build_id)
ORDER BY i.name
LIMIT @lim;

-- name: ItemAttributesCount :one
SELECT count(*) AS items FROM item_attributes;

-- name: ServerGet :one
-- What runs behind the pool, as far as its role may know.
SELECT current_setting('server_version')::text AS server_version,
       pg_database_size(current_database())::bigint AS bytes,
       extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8 AS up_seconds,
       (has_table_privilege('api_keys', 'INSERT') AND has_table_privilege('api_keys', 'UPDATE'))::boolean
           AS may_make_keys;

-- name: ReplicaList :many
-- The standbys that stream from this server. Their state and lag are for roles that may see them.
SELECT coalesce(r.application_name, '')::text AS name, coalesce(r.state, '')::text AS state,
       coalesce(extract(epoch FROM r.replay_lag), -1)::float8 AS lag_seconds
FROM pg_catalog.pg_stat_replication AS r
ORDER BY r.application_name, r.pid
LIMIT 100;

-- name: LoadListBefore :many
-- Loads before one, newest first: those of orders over HTTP stand together by day, as in LoadListByDay.
SELECT max(l.load_id)::bigint AS load_id, count(*) AS loads, max(l.started_at)::timestamptz AS started_at,
       l.source, l.status, l.loaded_by,
       sum(l.rows_read)::bigint AS rows_read, sum(l.rows_loaded)::bigint AS rows_loaded,
       sum(l.rows_duplicate)::bigint AS rows_duplicate, sum(l.rows_not_bought)::bigint AS rows_not_bought,
       sum(l.rows_rejected)::bigint AS rows_rejected
FROM loads AS l
WHERE (@status::text = '' OR l.status = @status::text)
GROUP BY l.source, l.status, l.loaded_by,
         CASE
             WHEN l.source LIKE 'POST /%' THEN extract(epoch FROM date_trunc('day', l.started_at, 'UTC'))
             ELSE -l.load_id
         END
HAVING max(l.load_id) < @before::bigint
ORDER BY load_id DESC
LIMIT @lim;
