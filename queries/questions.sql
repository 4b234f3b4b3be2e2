-- name: ItemListKnown :many
-- Which of the names the build knows.
SELECT i.item_id, i.name
FROM items AS i
JOIN item_stats AS s ON s.item_id = i.item_id AND s.build_id = @build_id
WHERE i.name = ANY (@names::text[])
ORDER BY i.item_id;

-- name: OrderGet :one
SELECT o.* FROM orders AS o WHERE o.external_id = @external_id;

-- name: OrderItemList :many
-- All items of one order; an order has as many as it has, so there is no limit.
SELECT i.name
FROM order_lines AS l
JOIN items AS i ON i.item_id = l.item_id
WHERE l.order_id = @order_id
ORDER BY i.name;

-- name: Recommend :many
SELECT r.item_name::text AS item_name, r.score::float8 AS score, r.source::text AS source,
       r.popularity_rank::bigint AS popularity_rank, r.orders::bigint AS orders,
       r.orders_together::bigint AS orders_together, r.confidence::float8 AS confidence, r.lift::float8 AS lift,
       coalesce(r.with_item, '')::text AS with_item, coalesce(r.with_orders, 0)::bigint AS with_orders
FROM recommend(
    @build_id, @asked::bigint[], @boosted, @measure, @min_support, @min_confidence, @excluded::bigint[], @fill, @lim
) AS r(place, item_id, item_name, score, source, popularity_rank, orders, orders_together, confidence, lift, with_item, with_orders)
ORDER BY r.place
LIMIT 1000;

-- name: PairExplain :one
-- Everything that one build knows of two items, every measure as recommend() would take it.
SELECT i.orders AS item_orders, o.orders AS other_orders, i.baskets AS item_baskets, o.baskets AS other_baskets, b.baskets AS baskets,
       coalesce(p.orders_together, 0)::bigint AS orders_together, coalesce(p.weight, 0)::float8 AS weight,
       coalesce(n.neighbour_rank, 0)::bigint AS neighbour_rank,
       coalesce(pair_value('confidence', p.orders_together, p.weight, i.baskets, o.baskets, b.baskets, b.shrinkage, b.popularity_exponent), 0)::float8 AS confidence,
       coalesce(pair_value('confidence', p.orders_together, p.weight, o.baskets, i.baskets, b.baskets, b.shrinkage, b.popularity_exponent), 0)::float8 AS reverse_confidence,
       coalesce(pair_value('lift', p.orders_together, p.weight, i.baskets, o.baskets, b.baskets, b.shrinkage, b.popularity_exponent), 0)::float8 AS lift,
       coalesce(pair_value('cosine', p.orders_together, p.weight, i.baskets, o.baskets, b.baskets, b.shrinkage, b.popularity_exponent), 0)::float8 AS cosine,
       coalesce(pair_value('jaccard', p.orders_together, p.weight, i.baskets, o.baskets, b.baskets, b.shrinkage, b.popularity_exponent), 0)::float8 AS jaccard,
       coalesce(pair_value('affinity', p.orders_together, p.weight, i.baskets, o.baskets, b.baskets, b.shrinkage, b.popularity_exponent), 0)::float8 AS affinity
FROM builds AS b
JOIN item_stats AS i ON i.build_id = b.build_id AND i.item_id = @item_id
JOIN item_stats AS o ON o.build_id = b.build_id AND o.item_id = @other_id
LEFT JOIN item_pairs AS p ON p.build_id = b.build_id AND p.item_a = least(i.item_id, o.item_id) AND p.item_b = greatest(i.item_id, o.item_id)
LEFT JOIN item_neighbours AS n ON n.build_id = b.build_id AND n.item_id = i.item_id AND n.other_id = o.item_id
WHERE b.build_id = @build_id;
