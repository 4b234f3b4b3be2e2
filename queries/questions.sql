-- name: AnswerList :many
-- The answers of a kept build (0: the active one) to a JSON array of questions, whose fields are those of the
-- type question, by position from 1. An answer has a row for each of its recommendations, and one at place 0
-- where it has none. No row: there is no such build. without_rules: neither rules nor the catalogue take
-- anything out.
SELECT q.position::bigint AS position, a.build_id::bigint AS build_id, a.built_at::timestamptz AS built_at,
       coalesce(a.window_days, 0)::integer AS window_days, a.dated::boolean AS dated,
       a.version::text AS version, c.plain::boolean AS plain, coalesce(a.known, -1)::bigint AS known,
       a.unknown::text[] AS unknown, a.rules::bigint[] AS rules,
       a.inactive_left_out::bigint AS inactive_left_out, coalesce(r.place, 0)::bigint AS place,
       coalesce(r.item_name, '')::text AS item_name,
       coalesce(r.score, 0)::float8 AS score, coalesce(r.reason, '')::text AS reason,
       coalesce(r.source, '')::text AS source, coalesce(r.popularity_rank, 0)::bigint AS popularity_rank,
       coalesce(r.orders_together, 0)::bigint AS orders_together,
       coalesce(r.confidence, 0)::float8 AS confidence, coalesce(r.lift, 0)::float8 AS lift,
       coalesce(r.category, '')::text AS category, coalesce(r.label, '')::text AS label,
       coalesce(r.url, '')::text AS url, coalesce(r.image_url, '')::text AS image_url,
       coalesce(r.price, -1)::float8 AS price
FROM find_context(@build_id::bigint) AS c(build, revision, plain)
CROSS JOIN jsonb_array_elements(@questions::jsonb) WITH ORDINALITY AS q(question, position)
CROSS JOIN LATERAL answer(
    jsonb_populate_record(NULL::question, q.question),
    ROW(c.build, c.revision, c.plain OR @without_rules::boolean)::answer_context
) AS a(
    build_id, built_at, window_days, dated, version, known, unknown, rules, inactive_left_out, recommendations
)
LEFT JOIN LATERAL unnest(a.recommendations) AS r(
    place, item_name, score, reason, source, popularity_rank, orders_together, confidence, lift, rules,
    category, label, url, image_url, price
) ON true
ORDER BY q.position, r.place
LIMIT 1000000;

-- name: ContributionList :many
-- What each item of a basket says of the items of its answer: the question, as a JSON object, and their
-- names. Place 0 is what popularity adds.
SELECT k.item_name::text AS item_name, k.seed_place::bigint AS seed_place,
       coalesce(k.seed_name, '')::text AS seed_name, k.value::float8 AS value
FROM find_context(@build_id::bigint) AS c(build, revision, plain)
CROSS JOIN LATERAL contributions(
    jsonb_populate_record(NULL::question, @question::jsonb),
    ROW(c.build, c.revision, c.plain OR @without_rules::boolean)::answer_context, @others::text[]
) AS k(item_name, seed_place, seed_name, value)
ORDER BY k.item_name, k.seed_place
LIMIT 10100;

-- name: KeptSimilarList :many
-- Similar items to each of the items, by position from 1, from the kept neighbours of the build: what
-- AnswerList says, where there are as many as the item's limit. No row while the version is another, or not
-- plain.
SELECT q.position::bigint AS position, r.item_name::text AS item_name, r.score::float8 AS score,
       r.reason::text AS reason, r.popularity_rank::bigint AS popularity_rank,
       r.orders_together::bigint AS orders_together, r.confidence::float8 AS confidence,
       r.lift::float8 AS lift,
       coalesce(r.category, '')::text AS category, coalesce(r.label, '')::text AS label,
       coalesce(r.url, '')::text AS url, coalesce(r.image_url, '')::text AS image_url,
       coalesce(r.price, -1)::float8 AS price
FROM builds AS b
CROSS JOIN ROWS FROM (unnest(@items::text[]), unnest(@lims::bigint[]))
    WITH ORDINALITY AS q(item, lim, position)
CROSS JOIN LATERAL kept_similar(@build_id::bigint, b, q.item, q.lim) AS r(
    place, item_name, score, reason, source, popularity_rank, orders_together, confidence, lift, rules,
    category, label, url, image_url, price
)
WHERE b.build_id = @build_id::bigint AND b.active AND @version::text = (
    SELECT concat_ws('.', @build_id::bigint, sum(x.changes))
    FROM revisions AS x
    HAVING NOT bool_or(x.matters)
)
ORDER BY q.position, r.place;

-- name: KeptBasketList :many
-- The same of baskets, of which each is the items from its first to its last place in the list.
SELECT q.position::bigint AS position, r.item_name::text AS item_name, r.score::float8 AS score,
       r.reason::text AS reason, r.popularity_rank::bigint AS popularity_rank,
       r.orders_together::bigint AS orders_together, r.confidence::float8 AS confidence,
       r.lift::float8 AS lift,
       coalesce(r.category, '')::text AS category, coalesce(r.label, '')::text AS label,
       coalesce(r.url, '')::text AS url, coalesce(r.image_url, '')::text AS image_url,
       coalesce(r.price, -1)::float8 AS price
FROM builds AS b
CROSS JOIN ROWS FROM (unnest(@firsts::int[]), unnest(@lasts::int[]), unnest(@lims::bigint[]))
    WITH ORDINALITY AS q(first, last, lim, position)
CROSS JOIN LATERAL kept_basket(@build_id::bigint, b, (@items::text[])[q.first:q.last], q.lim) AS r(
    place, item_name, score, reason, source, popularity_rank, orders_together, confidence, lift, rules,
    category, label, url, image_url, price
)
WHERE b.build_id = @build_id::bigint AND b.active AND @version::text = (
    SELECT concat_ws('.', @build_id::bigint, sum(x.changes))
    FROM revisions AS x
    HAVING NOT bool_or(x.matters)
)
ORDER BY q.position, r.place;

-- name: VersionGet :one
-- What answers depend on beside the question: equal versions, equal answers. settled: it stays so for 5 ms.
SELECT coalesce(v.revision, '')::text AS version, v.settled::boolean AS settled
FROM read_version() AS v(revision, settled);

-- name: PairExplain :one
-- No row: there is no such build. Zeros where a name is unknown to it.
SELECT e.build_id::bigint AS build_id, e.built_at::timestamptz AS built_at,
       e.item_known::boolean AS item_known, e.other_known::boolean AS other_known,
       coalesce(e.reason, '')::text AS reason, coalesce(e.orders_together, 0)::bigint AS orders_together,
       coalesce(e.item_orders, 0)::bigint AS item_orders,
       coalesce(e.other_orders, 0)::bigint AS other_orders,
       coalesce(e.item_baskets, 0)::bigint AS item_baskets,
       coalesce(e.other_baskets, 0)::bigint AS other_baskets, coalesce(e.baskets, 0)::bigint AS baskets,
       coalesce(e.support, 0)::float8 AS support, coalesce(e.confidence, 0)::float8 AS confidence,
       coalesce(e.reverse_confidence, 0)::float8 AS reverse_confidence,
       coalesce(e.lift, 0)::float8 AS lift, coalesce(e.cosine, 0)::float8 AS cosine,
       coalesce(e.jaccard, 0)::float8 AS jaccard, coalesce(e.affinity, 0)::float8 AS affinity,
       coalesce(e.shrink_factor, 0)::float8 AS shrink_factor, coalesce(e.reach, 0)::float8 AS reach,
       coalesce(e.popularity_divisor, 0)::float8 AS popularity_divisor,
       coalesce(e.weight, 0)::float8 AS weight, coalesce(e.item_mass, 0)::float8 AS item_mass,
       coalesce(e.other_mass, 0)::float8 AS other_mass, coalesce(e.shrinkage, 0)::float8 AS shrinkage,
       coalesce(e.popularity_exponent, 0)::float8 AS popularity_exponent,
       coalesce(e.neighbour_rank, 0)::bigint AS neighbour_rank, coalesce(e.overlap, 0)::float8 AS overlap,
       coalesce(e.newest_orders, '[]')::jsonb AS newest_orders
FROM explain_items(@item::text, @other::text, @build_id::bigint) AS e(
    build_id, built_at, item_known, other_known, reason, orders_together, item_orders, other_orders,
    item_baskets, other_baskets, baskets, support, confidence, reverse_confidence, lift, cosine,
    jaccard, affinity, shrink_factor, reach, popularity_divisor, weight, item_mass, other_mass,
    shrinkage, popularity_exponent, neighbour_rank, overlap, newest_orders
);
