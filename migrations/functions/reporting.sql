-- The reporting schema: views and functions for people. It is stable and documented (docs/sql.md);
-- everything else may change.

CREATE OR REPLACE VIEW reporting.builds AS
SELECT b.build_id, b.status, b.active, b.started_at, b.built_at, b.orders, b.order_lines, b.baskets, b.items,
       b.pairs, b.neighbours,
       b.max_basket, b.neighbours_kept, b.shrinkage, b.popularity_exponent, b.similar_exponent,
           b.overlap_discount, b.popularity_prior, b.basket_lines, b.chance_share, b.large_orders,
           b.window_days,
       b.half_life_days, b.newest_ordered_at, b.grades, b.activated_at, b.stats_seconds, b.pairs_seconds,
           b.neighbours_seconds, b.built_by, b.version, b.error, b.base_build, b.changed_orders
FROM builds b;

CREATE OR REPLACE VIEW reporting.loads AS
SELECT l.load_id, l.source, l.status, l.error, l.started_at, l.finished_at, l.copy_seconds, l.merge_seconds,
       l.rows_read, l.rows_loaded, l.rows_duplicate, l.rows_rejected, l.rows_repeated, l.orders_added,
           l.orders_known, l.items_added,
       l.orders_deleted, l.lines_deleted, l.reverted_at, l.reverted_by, l.loaded_by, l.version,
       l.rows_not_bought
FROM loads l;

CREATE OR REPLACE VIEW reporting.load_files AS
SELECT f.load_id, f.file_number, f.name, f.bytes, encode(f.sha256, 'hex') AS sha256, f.mapping, f.rows_read,
       f.rows_rejected, f.rows_not_bought
FROM load_files f;

-- raw is shown with bytes that are not ASCII as \ooo (octal), because it need not be text.
CREATE OR REPLACE VIEW reporting.load_rejects AS
SELECT r.load_id, r.row_number, f.name AS file, r.line_number, r.reason, r.detail, encode(r.raw,
       'escape') AS raw,
       r.parsed ->> 'order_id' AS order_id, r.parsed ->> 'item_name' AS item_name,
           r.parsed ->> 'quantity' AS quantity,
       r.parsed ->> 'ordered_at' AS ordered_at, r.parsed ->> 'customer_id' AS customer_id
FROM load_rejects r
LEFT JOIN load_files f ON f.load_id = r.load_id AND f.file_number = r.file_number
WHERE r.outcome = 'rejected';

CREATE OR REPLACE VIEW reporting.load_not_bought AS
SELECT r.load_id, r.row_number, f.name AS file, r.line_number, r.reason, r.detail,
       encode(r.raw, 'escape') AS raw, r.parsed ->> 'order_id' AS order_id,
       r.parsed ->> 'item_name' AS item_name,
       r.parsed ->> 'quantity' AS quantity, r.parsed ->> 'ordered_at' AS ordered_at,
       r.parsed ->> 'customer_id' AS customer_id
FROM load_rejects r
LEFT JOIN load_files f ON f.load_id = r.load_id AND f.file_number = r.file_number
WHERE r.outcome = 'not_bought';

-- Returns what a name looks like to a reader: ignoring case, width, variants of the same character, white
-- space and invisible characters.
CREATE OR REPLACE FUNCTION look(name text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN lower(btrim(regexp_replace(
    translate(normalize(name, NFKC), U&'\00AD\180E\200B\200C\200D\200E\200F\2060\FEFF', ''), '\s+', ' ', 'g'
)) COLLATE "default");

-- Returns statistics of the lines of a load, including lines that were already known and leaving out
-- returned ones; nothing for a load that failed or was reverted. Near duplicates are names that look
-- alike.
CREATE OR REPLACE FUNCTION reporting.load_quality(load bigint)
RETURNS TABLE (
    orders bigint, lines bigint, items bigint, one_item_orders bigint, items_seen_once bigint,
        basket_sizes jsonb, largest_orders jsonb,
    near_duplicates bigint, near_duplicate_names jsonb, first_ordered_at timestamptz,
        last_ordered_at timestamptz
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT SET jit = off SET work_mem = '128MB'
AS $$
WITH lines AS NOT MATERIALIZED (
    SELECT l.order_id, l.item_id FROM order_lines l WHERE l.load_id = load
    UNION ALL
    SELECT k.order_id, k.item_id
    FROM known_lines k
    WHERE k.load_id = load AND EXISTS (
        SELECT FROM order_lines l
        WHERE l.order_id = k.order_id AND l.item_id = k.item_id AND l.load_id <> load
    )
), baskets AS MATERIALIZED (
    SELECT n.order_id, count(*) AS size FROM lines n GROUP BY n.order_id
), by_size AS MATERIALIZED (
    SELECT b.size, count(*) AS orders FROM baskets b GROUP BY b.size
), sizes AS (
    SELECT min(b.size) AS least, sum(b.orders) AS orders,
           CASE WHEN b.size <= 10 THEN b.size::text
                WHEN b.size <= 20 THEN '11-20'
                WHEN b.size <= 50 THEN '21-50'
                WHEN b.size <= 100 THEN '51-100' ELSE 'over 100' END AS items
    FROM by_size b
    GROUP BY 3
), large AS (
    -- the sizes of the five largest, so that only few orders are looked up
    SELECT min(s.size) AS least
    FROM (SELECT b.size, sum(b.orders) OVER (ORDER BY b.size DESC) - b.orders AS larger FROM by_size b) s
    WHERE s.larger < 5
), largest AS (
    SELECT o.external_id, b.size
    FROM baskets b
    JOIN orders o ON o.order_id = b.order_id
    WHERE b.size >= (SELECT g.least FROM large g)
    ORDER BY b.size DESC, o.external_id
    LIMIT 5
), held AS MATERIALIZED (
    SELECT n.item_id, count(*) AS orders FROM lines n GROUP BY n.item_id
), near AS MATERIALIZED (
    SELECT jsonb_agg(i.name ORDER BY h.orders DESC, i.name) AS names, sum(h.orders) AS orders,
           min(i.name) AS first_name
    FROM held h
    JOIN items i ON i.item_id = h.item_id
    GROUP BY look(i.name)
    HAVING count(*) > 1
), nearest AS (
    SELECT n.* FROM near n ORDER BY n.orders DESC, n.first_name LIMIT 20
), times AS MATERIALIZED (
    SELECT min(t.first_at) AS first_at, max(t.last_at) AS last_at
    FROM (
        SELECT min(o.ordered_at) AS first_at, max(o.ordered_at) AS last_at
        FROM orders o
        WHERE o.load_id = load AND o.items <> '{}'
        UNION ALL
        SELECT min(k.ordered_at), max(k.ordered_at) FROM known_orders k WHERE k.load_id = load
    ) t
)
SELECT (SELECT coalesce(sum(b.orders), 0)::bigint FROM by_size b),
       (SELECT coalesce(sum(b.orders * b.size), 0)::bigint FROM by_size b), (SELECT count(*) FROM held),
       (SELECT coalesce(sum(b.orders), 0)::bigint FROM by_size b WHERE b.size = 1),
       (SELECT count(*) FROM held h WHERE h.orders = 1),
       (SELECT coalesce(jsonb_agg(jsonb_build_object('items', z.items, 'orders', z.orders) ORDER BY z.least),
           '[]') FROM sizes z),
       (SELECT coalesce(jsonb_agg(jsonb_build_object('order_id', t.external_id, 'items',
           t.size) ORDER BY t.size DESC, t.external_id), '[]')
        FROM largest t),
       (SELECT count(*) FROM near),
       (SELECT coalesce(jsonb_agg(t.names ORDER BY t.orders DESC, t.first_name), '[]') FROM nearest t),
       (SELECT t.first_at FROM times t), (SELECT t.last_at FROM times t)
$$;

CREATE OR REPLACE VIEW reporting.data_quality AS
SELECT l.load_id, l.source, l.status, l.rows_read, l.rows_loaded, l.rows_duplicate, l.rows_repeated,
       l.rows_rejected,
       coalesce(l.rows_rejected::float8 / nullif(l.rows_read, 0), 0)::float8 AS rejected_share,
       (SELECT coalesce(jsonb_object_agg(r.reason, r.rows ORDER BY r.reason), '{}')
        FROM (
            SELECT x.reason, count(*) AS rows
            FROM load_rejects x
            WHERE x.load_id = l.load_id AND x.outcome = 'rejected'
            GROUP BY x.reason
        ) r)::jsonb AS rejected_by_reason,
       q.orders, q.lines, q.items, q.one_item_orders,
       coalesce(q.one_item_orders::float8 / nullif(q.orders, 0), 0)::float8 AS one_item_share,
       q.items_seen_once, q.basket_sizes, q.largest_orders, q.near_duplicates, q.near_duplicate_names,
       q.first_ordered_at, q.last_ordered_at, l.copy_seconds, l.merge_seconds,
       coalesce(l.rows_read / nullif(l.copy_seconds + l.merge_seconds, 0), 0)::float8 AS rows_per_second,
       l.rows_not_bought,
       (SELECT coalesce(jsonb_object_agg(r.reason, r.rows ORDER BY r.reason), '{}')
        FROM (
            SELECT x.reason, count(*) AS rows
            FROM load_rejects x
            WHERE x.load_id = l.load_id AND x.outcome = 'not_bought'
            GROUP BY x.reason
        ) r)::jsonb AS not_bought_by_reason
FROM loads l
CROSS JOIN LATERAL reporting.load_quality(l.load_id) AS q(
    orders, lines, items, one_item_orders, items_seen_once, basket_sizes, largest_orders, near_duplicates,
        near_duplicate_names,
    first_ordered_at, last_ordered_at
);

CREATE OR REPLACE VIEW reporting.order_deletions AS
SELECT d.deletion_id, d.deleted_at, d.orders, d.lines, d.rejects, d.reason, d.deleted_by, d.version
FROM order_deletions d;

CREATE OR REPLACE VIEW reporting.items AS
SELECT i.name AS item_name, a.category, a.label, a.url, a.image_url, a.price, a.active, a.source,
       a.changed_at, a.changed_by
FROM item_attributes a
JOIN items i ON i.item_id = a.item_id;

CREATE OR REPLACE VIEW reporting.rules AS
SELECT r.rule_id, r.kind, r.item, r.items, r.reason, r.author, r.valid_from, r.valid_until, r.created_at,
       r.ended_at, r.ended_by,
       r.valid_from <= now() AND (r.valid_until IS NULL OR now() < r.valid_until) AS in_force
FROM rules r;

CREATE OR REPLACE VIEW reporting.popular_items AS
SELECT s.popularity_rank, i.name AS item_name, s.orders, s.orders::float8 / b.orders AS share_of_orders,
       s.baskets, b.build_id, b.built_at
FROM builds b
JOIN item_stats s ON s.build_id = b.build_id
JOIN items i ON i.item_id = s.item_id
WHERE b.active;

-- Each pair once, item_a being the first by name, because the order of IDs depends on that of the loads.
-- confidence_ab is the confidence of b given a; affinity_ab is the affinity of b given a.
CREATE OR REPLACE VIEW reporting.item_pairs AS
SELECT least(x.name, y.name) AS item_a, greatest(x.name, y.name) AS item_b, p.orders_together,
       CASE WHEN o.straight THEN sx.orders ELSE sy.orders END AS orders_a,
       CASE WHEN o.straight THEN sy.orders ELSE sx.orders END AS orders_b,
       n.baskets_a, n.baskets_b, m.support, m.confidence AS confidence_ab,
       m.reverse_confidence AS confidence_ba, m.lift, m.cosine, m.jaccard, m.affinity AS affinity_ab,
       m.reverse_affinity AS affinity_ba, p.weight,
       t.build_id, t.built_at
FROM builds t
JOIN item_pairs p ON p.build_id = t.build_id
JOIN items x ON x.item_id = p.item_a
JOIN items y ON y.item_id = p.item_b
JOIN item_stats sx ON sx.build_id = p.build_id AND sx.item_id = p.item_a
JOIN item_stats sy ON sy.build_id = p.build_id AND sy.item_id = p.item_b
CROSS JOIN LATERAL (SELECT x.name < y.name AS straight) AS o
CROSS JOIN LATERAL (
    SELECT CASE WHEN o.straight THEN sx.baskets ELSE sy.baskets END AS baskets_a,
           CASE WHEN o.straight THEN sy.baskets ELSE sx.baskets END AS baskets_b,
           CASE WHEN o.straight THEN sx.mass ELSE sy.mass END AS mass_a,
           CASE WHEN o.straight THEN sy.mass ELSE sx.mass END AS mass_b
) AS n
CROSS JOIN LATERAL pair_measures(
    p.orders_together, p.weight, n.baskets_a, n.baskets_b, n.mass_a, n.mass_b, t.baskets, t.shrinkage,
    t.popularity_exponent
) AS m(support, confidence, reverse_confidence, lift, cosine, jaccard, affinity, reverse_affinity)
WHERE t.active;

-- The answers of the API, from the same answer(), with its parameters. build is a kept build, NULL the
-- active one. rules lists the rules of the whole answer in each of its rows, including those that left
-- items out. An unknown item has no rows. SECURITY DEFINER, because readers of reports have no access to
-- the underlying tables. Plans are cached, and jit is off, because compiling takes longer than the
-- answer.
CREATE OR REPLACE FUNCTION reporting.similar_items(
    item text, lim integer DEFAULT 5, measure text DEFAULT 'affinity', min_support bigint DEFAULT 0,
        min_confidence float8 DEFAULT 0,
    exclude text[] DEFAULT '{}', categories text[] DEFAULT '{}', strict boolean DEFAULT false,
        build bigint DEFAULT NULL
) RETURNS TABLE (
    item_name text, similarity_score float8, reason text, source text, popularity_rank bigint,
        orders_together bigint,
    confidence float8, lift float8, build_id bigint, built_at timestamptz, rules bigint[], category text,
        label text, url text,
    image_url text, price numeric
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
SELECT r.item_name, r.score, r.reason, r.source, r.popularity_rank, r.orders_together, r.confidence, r.lift,
       a.build_id, a.built_at,
       a.rules, r.category, r.label, r.url, r.image_url, r.price
FROM find_context(check_build(build)) AS c
CROSS JOIN LATERAL answer(check_question(ROW(
    'similar', ARRAY[item], NULL, measure, min_support, min_confidence, exclude, categories, 0, NOT strict,
        lim
)::question), c) AS a
CROSS JOIN LATERAL unnest(a.recommendations) AS r
ORDER BY r.place
$$;

CREATE OR REPLACE FUNCTION reporting.basket_recommendations(
    items text[], lim integer DEFAULT 10, measure text DEFAULT 'affinity', min_support bigint DEFAULT 0,
        min_confidence float8 DEFAULT 0,
    exclude text[] DEFAULT '{}', categories text[] DEFAULT '{}', strict boolean DEFAULT false,
        build bigint DEFAULT NULL
) RETURNS TABLE (
    item_name text, similarity_score float8, reason text, source text, popularity_rank bigint,
        orders_together bigint,
    confidence float8, lift float8, build_id bigint, built_at timestamptz, rules bigint[], category text,
        label text, url text,
    image_url text, price numeric, unknown_items text[]
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
SELECT r.item_name, r.score, r.reason, r.source, r.popularity_rank, r.orders_together, r.confidence, r.lift,
       a.build_id, a.built_at,
       a.rules, r.category, r.label, r.url, r.image_url, r.price,
       ARRAY(
           SELECT n.name
           FROM unnest(items) WITH ORDINALITY AS n(name, place)
           WHERE spelled(n.name) = ANY (a.unknown)
           GROUP BY n.name
           ORDER BY min(n.place)
       )
FROM find_context(check_build(build)) AS c
CROSS JOIN LATERAL answer(check_question(ROW(
    'basket', items, NULL, measure, min_support, min_confidence, exclude, categories, 0, NOT strict, lim
)::question), c) AS a
CROSS JOIN LATERAL unnest(a.recommendations) AS r
ORDER BY r.place
$$;

-- The answer of popular-items?days=: the most popular items of so many days up to the newest order of the
-- build.
CREATE OR REPLACE FUNCTION reporting.recent_popular_items(
    days integer, lim integer DEFAULT 20, exclude text[] DEFAULT '{}', categories text[] DEFAULT '{}',
        build bigint DEFAULT NULL
) RETURNS TABLE (
    item_name text, similarity_score float8, reason text, source text, popularity_rank bigint,
        orders_together bigint,
    confidence float8, lift float8, build_id bigint, built_at timestamptz, rules bigint[], category text,
        label text, url text,
    image_url text, price numeric
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT
    SET jit = off SET plan_cache_mode = force_generic_plan
AS $$
SELECT r.item_name, r.score, r.reason, r.source, r.popularity_rank, r.orders_together, r.confidence, r.lift,
       a.build_id, a.built_at,
       a.rules, r.category, r.label, r.url, r.image_url, r.price
FROM find_context(check_build(build)) AS c
CROSS JOIN LATERAL answer(check_question(ROW(
    'popular', '{}', NULL, 'affinity', 0, 0, exclude, categories, nullif(days, 0), true, lim
)::question), c) AS a
CROSS JOIN LATERAL unnest(a.recommendations) AS r
ORDER BY r.place
$$;

-- The counts and measures of two items. No row if either is unknown. reporting.item_pairs has the same
-- for all pairs.
CREATE OR REPLACE FUNCTION reporting.explain(item text, other text, build bigint DEFAULT NULL)
RETURNS TABLE (
    reason text, orders_together bigint, item_orders bigint, other_orders bigint, item_baskets bigint,
        other_baskets bigint,
    baskets bigint, support float8, confidence float8, reverse_confidence float8, lift float8, cosine float8,
        jaccard float8,
    affinity float8, shrink_factor float8, reach float8, popularity_divisor float8, weight float8,
        item_mass float8,
    other_mass float8, shrinkage float8, popularity_exponent float8, neighbour_rank bigint, overlap float8,
        newest_orders jsonb,
    build_id bigint, built_at timestamptz
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT SET jit = off
AS $$
SELECT e.reason, e.orders_together, e.item_orders, e.other_orders, e.item_baskets, e.other_baskets,
       e.baskets, e.support, e.confidence,
       e.reverse_confidence, e.lift, e.cosine, e.jaccard, e.affinity, e.shrink_factor, e.reach,
           e.popularity_divisor, e.weight, e.item_mass,
       e.other_mass, e.shrinkage, e.popularity_exponent, e.neighbour_rank, e.overlap, e.newest_orders,
           e.build_id, e.built_at
FROM explain_items(item, other, check_build(build)) AS e
WHERE e.item_known AND e.other_known AND spelled(item) <> spelled(other)
$$;
