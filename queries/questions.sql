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
-- All items of one order; an order has as many as it has, so there is no limit. LIMIT 1 makes it look up each of them: before order lines have
-- statistics the planner expects hundreds, and would read all items to join them.
SELECT i.name
FROM order_lines AS l
CROSS JOIN LATERAL (SELECT x.name FROM items AS x WHERE x.item_id = l.item_id LIMIT 1) AS i
WHERE l.order_id = @order_id
ORDER BY i.name;

-- name: Recommend :many
-- The answers, and behind them, at place 0, how many items rules and the catalogue left out.
SELECT coalesce(r.place, 0)::bigint AS place, coalesce(r.item_name, '')::text AS item_name, coalesce(r.score, 0)::float8 AS score,
       coalesce(r.reason, '')::text AS reason, coalesce(r.source, '')::text AS source,
       coalesce(r.popularity_rank, 0)::bigint AS popularity_rank, coalesce(r.orders_together, 0)::bigint AS orders_together,
       coalesce(r.confidence, 0)::float8 AS confidence, coalesce(r.lift, 0)::float8 AS lift, coalesce(r.rules, '{}')::bigint[] AS rules,
       r.left_out::bigint AS left_out,
       coalesce(r.attributes, '{}')::jsonb AS attributes
FROM recommend(
    @build_id, @asked::bigint[], @boosted, @measure, @min_support, @min_confidence, @excluded::bigint[], @categories::text[], @days::integer,
    @fill, @lim
) AS r(place, item_id, item_name, score, reason, source, popularity_rank, orders_together, confidence, lift, rules, left_out,
       attributes)
ORDER BY r.place, r.rules
LIMIT 1000000;

-- name: RecommendPerItem :many
-- The answers to many questions about one item each, by position, from the active build or that of an id: all that there is to ask, at once. One
-- row of zeros for a question that has no answer; no row at all where there is no such build.
SELECT b.build_id, b.built_at, b.window_days, a.position::bigint AS position, (i.item_id IS NOT NULL)::boolean AS known, coalesce(r.place, 0)::bigint AS place,
       coalesce(r.item_name, '')::text AS item_name, coalesce(r.score, 0)::float8 AS score, coalesce(r.reason, '')::text AS reason,
       coalesce(r.source, '')::text AS source, coalesce(r.popularity_rank, 0)::bigint AS popularity_rank,
       coalesce(r.orders_together, 0)::bigint AS orders_together, coalesce(r.confidence, 0)::float8 AS confidence,
       coalesce(r.lift, 0)::float8 AS lift, coalesce(r.rules, '{}')::bigint[] AS rules,
       coalesce(r.left_out, 0)::bigint AS left_out, coalesce(r.attributes, '{}')::jsonb AS attributes
FROM builds AS b
CROSS JOIN unnest(@names::text[]) WITH ORDINALITY AS a(name, position)
LEFT JOIN LATERAL (
    SELECT x.item_id
    FROM items AS x
    JOIN item_stats AS s ON s.item_id = x.item_id AND s.build_id = b.build_id
    WHERE x.name = a.name
    LIMIT 1
) AS i ON true
LEFT JOIN LATERAL recommend(
    b.build_id, ARRAY[i.item_id], true, @measure, @min_support, @min_confidence, item_ids(@exclude::text[]), @categories::text[], 0, @fill, @lim
) AS r(place, item_id, item_name, score, reason, source, popularity_rank, orders_together, confidence, lift, rules, left_out,
       attributes) ON i.item_id IS NOT NULL
WHERE b.status = 'ready' AND CASE WHEN @build_id::bigint = 0 THEN b.active ELSE b.build_id = @build_id::bigint END
ORDER BY a.position, r.place, r.rules
LIMIT 1000000;

-- name: PairExplain :one
SELECT e.reason::text AS reason, e.orders_together::bigint AS orders_together, e.item_orders::bigint AS item_orders,
       e.other_orders::bigint AS other_orders, e.item_baskets::bigint AS item_baskets, e.other_baskets::bigint AS other_baskets,
       e.baskets::bigint AS baskets, e.support::float8 AS support, e.confidence::float8 AS confidence,
       e.reverse_confidence::float8 AS reverse_confidence, e.lift::float8 AS lift, e.cosine::float8 AS cosine, e.jaccard::float8 AS jaccard,
       e.affinity::float8 AS affinity, e.shrink_factor::float8 AS shrink_factor, e.reach::float8 AS reach,
       e.popularity_divisor::float8 AS popularity_divisor, e.weight::float8 AS weight, e.item_mass::float8 AS item_mass,
       e.other_mass::float8 AS other_mass, e.shrinkage::float8 AS shrinkage, e.popularity_exponent::float8 AS popularity_exponent,
       e.neighbour_rank::bigint AS neighbour_rank, e.overlap::float8 AS overlap,
       e.newest_orders::jsonb AS newest_orders
FROM explain_pair(@build_id, @item_id, @other_id) AS e(
    reason, orders_together, item_orders, other_orders, item_baskets, other_baskets, baskets, support, confidence, reverse_confidence, lift, cosine,
    jaccard, affinity, shrink_factor, reach, popularity_divisor, weight, item_mass, other_mass, shrinkage, popularity_exponent, neighbour_rank,
    overlap, newest_orders
);
