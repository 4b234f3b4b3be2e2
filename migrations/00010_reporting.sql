-- The reporting schema: views and functions for people. Stable and documented (docs/sql.md); everything else is free to change.

-- +goose Up
CREATE SCHEMA reporting;

-- What the API would refuse is an error, not an answer.
-- +goose StatementBegin
CREATE FUNCTION check_question(build bigint, lim integer, measure text, min_support bigint, min_confidence float8, days integer) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
    wrong text := CASE
        WHEN lim NOT BETWEEN 1 AND 1000000 OR lim IS NULL THEN format('lim is %s: choose 1 or more', coalesce(lim::text, 'NULL'))
        WHEN pair_value(measure, 1, 1, 1, 1, 1, 1, 1, 1, 1) IS NULL
            THEN format('measure is %L: choose one of affinity, count, confidence, cosine, jaccard, lift', measure)
        WHEN min_support < 0 OR min_support IS NULL THEN format('min_support is %s: choose 0 or more orders together', coalesce(min_support::text, 'NULL'))
        WHEN min_confidence NOT BETWEEN 0 AND 1 OR min_confidence IS NULL THEN format('min_confidence is %s: choose 0 to 1', coalesce(min_confidence::text, 'NULL'))
        WHEN days NOT BETWEEN 1 AND 365 OR days IS NULL THEN format('days is %s: choose 1 to 365', coalesce(days::text, 'NULL'))
        WHEN build IS NOT NULL AND NOT EXISTS (SELECT FROM builds b WHERE b.build_id = build AND b.status = 'ready')
            THEN format('build %s is not kept: see reporting.builds', build)
    END;
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '%', wrong USING ERRCODE = 'invalid_parameter_value';
    END IF;
END
$$;
-- +goose StatementEnd

CREATE VIEW reporting.builds AS
SELECT b.build_id, b.status, b.active, b.started_at, b.built_at, b.orders, b.order_lines, b.baskets, b.items, b.pairs, b.neighbours,
       b.max_basket, b.neighbours_kept, b.shrinkage, b.popularity_exponent, b.similar_exponent, b.overlap_discount, b.popularity_prior, b.basket_lines, b.chance_share, b.large_orders, b.window_days,
       b.half_life_days, b.newest_ordered_at, b.grades, b.activated_at, b.stats_seconds, b.pairs_seconds, b.neighbours_seconds, b.built_by, b.version, b.error
FROM builds b;

CREATE VIEW reporting.loads AS
SELECT l.load_id, l.source, l.status, l.error, l.started_at, l.finished_at, l.copy_seconds, l.merge_seconds,
       l.rows_read, l.rows_loaded, l.rows_duplicate, l.rows_rejected, l.rows_repeated, l.orders_added, l.orders_known, l.items_added,
       l.orders_deleted, l.lines_deleted, l.reverted_at, l.reverted_by, l.loaded_by, l.version
FROM loads l;

CREATE VIEW reporting.load_files AS
SELECT f.load_id, f.file_number, f.name, f.bytes, encode(f.sha256, 'hex') AS sha256, f.mapping, f.rows_read, f.rows_rejected
FROM load_files f;

-- raw is shown with \ooo (octal) for bytes that are not ASCII, because it need not be text at all.
CREATE VIEW reporting.load_rejects AS
SELECT r.load_id, r.row_number, f.name AS file, r.line_number, r.reason, r.detail, encode(r.raw, 'escape') AS raw,
       r.said ->> 'order_id' AS order_id, r.said ->> 'item_name' AS item_name, r.said ->> 'quantity' AS quantity,
       r.said ->> 'ordered_at' AS ordered_at, r.said ->> 'customer_id' AS customer_id
FROM load_rejects r
LEFT JOIN load_files f ON f.load_id = r.load_id AND f.file_number = r.file_number;

-- What a load brought, or would have brought if no other had been there before it; nothing for one that failed or was reverted. Near
-- duplicates are names that differ only in case and white space.
-- +goose StatementBegin
CREATE FUNCTION reporting.load_quality(load bigint)
RETURNS TABLE (
    orders bigint, lines bigint, items bigint, one_item_orders bigint, items_seen_once bigint, basket_sizes jsonb, largest_orders jsonb,
    near_duplicates bigint, near_duplicate_names jsonb, first_ordered_at timestamptz, last_ordered_at timestamptz
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
WITH lines AS MATERIALIZED (
    SELECT l.order_id, l.item_id FROM order_lines l WHERE l.load_id = load
    UNION ALL
    SELECT k.order_id, k.item_id FROM known_lines k WHERE k.load_id = load
), baskets AS MATERIALIZED (
    SELECT n.order_id, count(*) AS size FROM lines n GROUP BY n.order_id
), sizes AS (
    SELECT min(b.size) AS least, count(*) AS orders,
           CASE WHEN b.size <= 10 THEN b.size::text WHEN b.size <= 20 THEN '11-20' WHEN b.size <= 50 THEN '21-50'
                WHEN b.size <= 100 THEN '51-100' ELSE 'over 100' END AS items
    FROM baskets b
    GROUP BY 3
), largest AS (
    SELECT o.external_id, b.size
    FROM baskets b
    JOIN orders o ON o.order_id = b.order_id
    ORDER BY b.size DESC, o.external_id
    LIMIT 5
), held AS MATERIALIZED (
    SELECT n.item_id, count(*) AS orders FROM lines n GROUP BY n.item_id
), near AS MATERIALIZED (
    SELECT jsonb_agg(i.name ORDER BY h.orders DESC, i.name) AS names, sum(h.orders) AS orders, min(i.name) AS first_name
    FROM held h
    JOIN items i ON i.item_id = h.item_id
    GROUP BY lower(btrim(regexp_replace(i.name, '\s+', ' ', 'g')))
    HAVING count(*) > 1
), nearest AS (
    SELECT n.* FROM near n ORDER BY n.orders DESC, n.first_name LIMIT 20
), times AS (
    SELECT o.ordered_at FROM orders o WHERE o.load_id = load
    UNION ALL
    SELECT k.ordered_at FROM known_orders k WHERE k.load_id = load
)
SELECT (SELECT count(*) FROM baskets), (SELECT count(*) FROM lines), (SELECT count(*) FROM held),
       (SELECT count(*) FROM baskets b WHERE b.size = 1),
       (SELECT count(*) FROM held h WHERE h.orders = 1),
       (SELECT coalesce(jsonb_agg(jsonb_build_object('items', z.items, 'orders', z.orders) ORDER BY z.least), '[]') FROM sizes z),
       (SELECT coalesce(jsonb_agg(jsonb_build_object('order_id', t.external_id, 'items', t.size) ORDER BY t.size DESC, t.external_id), '[]')
        FROM largest t),
       (SELECT count(*) FROM near),
       (SELECT coalesce(jsonb_agg(t.names ORDER BY t.orders DESC, t.first_name), '[]') FROM nearest t),
       (SELECT min(t.ordered_at) FROM times t), (SELECT max(t.ordered_at) FROM times t)
$$;
-- +goose StatementEnd

CREATE VIEW reporting.data_quality AS
SELECT l.load_id, l.source, l.status, l.rows_read, l.rows_loaded, l.rows_duplicate, l.rows_repeated, l.rows_rejected,
       coalesce(l.rows_rejected::float8 / nullif(l.rows_read, 0), 0)::float8 AS rejected_share,
       (SELECT coalesce(jsonb_object_agg(r.reason, r.rows ORDER BY r.reason), '{}')
        FROM (SELECT x.reason, count(*) AS rows FROM load_rejects x WHERE x.load_id = l.load_id GROUP BY x.reason) r)::jsonb AS rejected_by_reason,
       q.orders, q.lines, q.items, q.one_item_orders, coalesce(q.one_item_orders::float8 / nullif(q.orders, 0), 0)::float8 AS one_item_share,
       q.items_seen_once, q.basket_sizes, q.largest_orders, q.near_duplicates, q.near_duplicate_names,
       q.first_ordered_at, q.last_ordered_at, l.copy_seconds, l.merge_seconds,
       coalesce(l.rows_read / nullif(l.copy_seconds + l.merge_seconds, 0), 0)::float8 AS rows_per_second
FROM loads l
CROSS JOIN LATERAL reporting.load_quality(l.load_id) AS q(
    orders, lines, items, one_item_orders, items_seen_once, basket_sizes, largest_orders, near_duplicates, near_duplicate_names,
    first_ordered_at, last_ordered_at
);

CREATE VIEW reporting.order_deletions AS
SELECT d.deletion_id, d.deleted_at, d.orders, d.lines, d.rejects, d.reason, d.deleted_by, d.version
FROM order_deletions d;

CREATE VIEW reporting.items AS
SELECT i.name AS item_name, a.category, a.label, a.url, a.image_url, a.price, a.active, a.source, a.changed_at, a.changed_by
FROM item_attributes a
JOIN items i ON i.item_id = a.item_id;

CREATE VIEW reporting.rules AS
SELECT r.rule_id, r.kind, r.item, r.items, r.reason, r.author, r.valid_from, r.valid_until, r.created_at,
       r.ended_at, r.ended_by,
       r.valid_from <= now() AND (r.valid_until IS NULL OR now() < r.valid_until) AS in_force
FROM rules r;

CREATE VIEW reporting.popular_items AS
SELECT s.popularity_rank, i.name AS item_name, s.orders, s.orders::float8 / b.orders AS share_of_orders, s.baskets, b.build_id, b.built_at
FROM builds b
JOIN item_stats s ON s.build_id = b.build_id
JOIN items i ON i.item_id = s.item_id
WHERE b.active;

-- Each pair once, item_a being the first by name: ids follow the order of loading, and would show it.
-- confidence_ab is the confidence of b given a, affinity_ab what a says for b.
CREATE VIEW reporting.item_pairs AS
SELECT a.name AS item_a, b.name AS item_b, p.orders_together,
       sa.orders AS orders_a, sb.orders AS orders_b, sa.baskets AS baskets_a, sb.baskets AS baskets_b,
       m.support, m.confidence AS confidence_ab, m.reverse_confidence AS confidence_ba, m.lift, m.cosine, m.jaccard,
       m.affinity AS affinity_ab, m.reverse_affinity AS affinity_ba, p.weight, t.build_id, t.built_at
FROM builds t
JOIN item_pairs p ON p.build_id = t.build_id
JOIN items x ON x.item_id = p.item_a
JOIN items y ON y.item_id = p.item_b
CROSS JOIN LATERAL (
    SELECT least(x.name, y.name) AS name, CASE WHEN x.name < y.name THEN p.item_a ELSE p.item_b END AS item_id
) a
CROSS JOIN LATERAL (
    SELECT greatest(x.name, y.name) AS name, CASE WHEN x.name < y.name THEN p.item_b ELSE p.item_a END AS item_id
) b
JOIN item_stats sa ON sa.build_id = t.build_id AND sa.item_id = a.item_id
JOIN item_stats sb ON sb.build_id = t.build_id AND sb.item_id = b.item_id
CROSS JOIN LATERAL pair_measures(
    p.orders_together, p.weight, sa.baskets, sb.baskets, sa.mass, sb.mass, t.baskets, t.shrinkage, t.popularity_exponent
) AS m(support, confidence, reverse_confidence, lift, cosine, jaccard, affinity, reverse_affinity)
WHERE t.active;

-- The answers of the API, from the same recommend(), whose parameters they take by the API's names. build is a kept build, NULL the active one.
-- rules are those of the whole answer, in every row of it: also those that left something out, which has no row of its own.
-- An item that the build does not know has no rows. exclude and items name items; unknown names do no harm. The check is a statement of its own:
-- within the other it would wait until there is an item.
-- SECURITY DEFINER, because a reader of reports may not read the tables behind them. Without jit, which compiles for longer than the answer takes.
-- +goose StatementBegin
CREATE FUNCTION reporting.similar_items(
    item text, lim integer DEFAULT 5, measure text DEFAULT 'affinity', min_support bigint DEFAULT 0, min_confidence float8 DEFAULT 0,
    exclude text[] DEFAULT '{}', categories text[] DEFAULT '{}', strict boolean DEFAULT false, build bigint DEFAULT NULL
) RETURNS TABLE (
    item_name text, similarity_score float8, reason text, source text, popularity_rank bigint, orders_together bigint, confidence float8,
    lift float8, build_id bigint, built_at timestamptz, rules bigint[], category text, label text, url text, image_url text, price numeric
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET jit = off
AS $$
SELECT check_question(build, lim, measure, min_support, min_confidence, 1);
WITH answers AS MATERIALIZED (
    SELECT r.*, b.build_id, b.built_at
    FROM builds b
    JOIN items i ON i.name = trimmed(item)
    JOIN item_stats s ON s.build_id = b.build_id AND s.item_id = i.item_id
    CROSS JOIN LATERAL recommend(
        b.build_id, ARRAY[i.item_id], true, measure, min_support, min_confidence, item_ids(exclude), categories, 0, NOT strict, lim
    ) r
    WHERE CASE WHEN build IS NULL THEN b.active ELSE b.build_id = build END
)
SELECT a.item_name, a.score, a.reason, a.source, a.popularity_rank, a.orders_together, a.confidence, a.lift, a.build_id, a.built_at,
       ARRAY(SELECT DISTINCT u.rule FROM answers x CROSS JOIN unnest(x.rules) AS u(rule) ORDER BY u.rule),
       a.attributes ->> 'category', a.attributes ->> 'label', a.attributes ->> 'url', a.attributes ->> 'image_url',
       (a.attributes ->> 'price')::numeric
FROM answers a
WHERE a.place IS NOT NULL
ORDER BY a.place
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION reporting.basket_recommendations(
    items text[], lim integer DEFAULT 10, measure text DEFAULT 'affinity', min_support bigint DEFAULT 0, min_confidence float8 DEFAULT 0,
    exclude text[] DEFAULT '{}', categories text[] DEFAULT '{}', strict boolean DEFAULT false, build bigint DEFAULT NULL
) RETURNS TABLE (
    item_name text, similarity_score float8, reason text, source text, popularity_rank bigint, orders_together bigint, confidence float8,
    lift float8, build_id bigint, built_at timestamptz, rules bigint[], category text, label text, url text, image_url text, price numeric,
    unknown_items text[]
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET jit = off
AS $$
SELECT check_question(build, lim, measure, min_support, min_confidence, 1);
WITH answers AS MATERIALIZED (
    SELECT r.*, b.build_id, b.built_at, k.names
    FROM builds b
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(s.item_id), '{}') AS asked, coalesce(array_agg(i.name), '{}') AS names
        FROM item_stats s
        JOIN items i ON i.item_id = s.item_id
        WHERE s.build_id = b.build_id AND s.item_id = ANY (item_ids(basket_recommendations.items))
    ) k
    CROSS JOIN LATERAL recommend(
        b.build_id, k.asked, false, measure, min_support, min_confidence, item_ids(exclude), categories, 0, NOT strict, lim
    ) r
    WHERE CASE WHEN build IS NULL THEN b.active ELSE b.build_id = build END
)
SELECT a.item_name, a.score, a.reason, a.source, a.popularity_rank, a.orders_together, a.confidence, a.lift, a.build_id, a.built_at,
       ARRAY(SELECT DISTINCT u.rule FROM answers x CROSS JOIN unnest(x.rules) AS u(rule) ORDER BY u.rule),
       a.attributes ->> 'category', a.attributes ->> 'label', a.attributes ->> 'url', a.attributes ->> 'image_url',
       (a.attributes ->> 'price')::numeric,
       ARRAY(
           SELECT u.name
           FROM unnest(basket_recommendations.items) WITH ORDINALITY AS u(name, n)
           WHERE u.name IS NOT NULL AND trimmed(u.name) <> ALL (a.names)
           GROUP BY u.name
           ORDER BY min(u.n)
       )
FROM answers a
WHERE a.place IS NOT NULL
ORDER BY a.place
$$;
-- +goose StatementEnd

-- What popular-items?days= answers: the most popular items of so many days, back from the newest order of the build.
-- +goose StatementBegin
CREATE FUNCTION reporting.recent_popular_items(
    days integer, lim integer DEFAULT 20, exclude text[] DEFAULT '{}', categories text[] DEFAULT '{}', build bigint DEFAULT NULL
) RETURNS TABLE (
    item_name text, similarity_score float8, reason text, source text, popularity_rank bigint, orders_together bigint, confidence float8,
    lift float8, build_id bigint, built_at timestamptz, rules bigint[], category text, label text, url text, image_url text, price numeric
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET jit = off
AS $$
SELECT check_question(build, lim, 'affinity', 0, 0, days);
WITH answers AS MATERIALIZED (
    SELECT r.*, b.build_id, b.built_at
    FROM builds b
    CROSS JOIN LATERAL recommend(b.build_id, '{}', false, 'affinity', 1, 0, item_ids(exclude), categories, days, true, lim) r
    WHERE CASE WHEN build IS NULL THEN b.active ELSE b.build_id = build END
)
SELECT a.item_name, a.score, a.reason, a.source, a.popularity_rank, a.orders_together, a.confidence, a.lift, a.build_id, a.built_at,
       ARRAY(SELECT DISTINCT u.rule FROM answers x CROSS JOIN unnest(x.rules) AS u(rule) ORDER BY u.rule),
       a.attributes ->> 'category', a.attributes ->> 'label', a.attributes ->> 'url', a.attributes ->> 'image_url',
       (a.attributes ->> 'price')::numeric
FROM answers a
WHERE a.place IS NOT NULL
ORDER BY a.place
$$;
-- +goose StatementEnd

-- The counts and measures behind two items. Either unknown: no row. reporting.item_pairs has the same of all pairs.
-- +goose StatementBegin
CREATE FUNCTION reporting.explain(item text, other text, build bigint DEFAULT NULL)
RETURNS TABLE (
    reason text, orders_together bigint, item_orders bigint, other_orders bigint, item_baskets bigint, other_baskets bigint, baskets bigint,
    support float8, confidence float8, reverse_confidence float8, lift float8, cosine float8, jaccard float8,
    affinity float8, shrink_factor float8, reach float8, popularity_divisor float8, weight float8, item_mass float8, other_mass float8,
    shrinkage float8, popularity_exponent float8, neighbour_rank bigint, overlap float8, newest_orders jsonb, build_id bigint, built_at timestamptz
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET jit = off
AS $$
SELECT check_question(build, 1, 'affinity', 0, 0, 1);
SELECT e.*, b.build_id, b.built_at
FROM builds b
JOIN items i ON i.name = trimmed(item)
JOIN items o ON o.name = trimmed(other) AND o.item_id <> i.item_id
CROSS JOIN LATERAL explain_pair(b.build_id, i.item_id, o.item_id) e
WHERE CASE WHEN build IS NULL THEN b.active ELSE b.build_id = build END
$$;
-- +goose StatementEnd

-- alsobought_reporting may read this schema and nothing else. Roles belong to the whole server: another database may have made it, may be
-- making it now, or the owner of this one may not make roles at all (then the administrator does, and grants it what is granted here).
-- +goose StatementBegin
DO $$
BEGIN
    BEGIN
        CREATE ROLE alsobought_reporting NOLOGIN;
    EXCEPTION
        WHEN duplicate_object OR unique_violation THEN NULL;
        WHEN insufficient_privilege THEN RAISE NOTICE 'role alsobought_reporting was not made: this user may not create roles';
    END;
    REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA reporting FROM PUBLIC;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'alsobought_reporting') THEN
        GRANT USAGE ON SCHEMA reporting TO alsobought_reporting;
        GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO alsobought_reporting;
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA reporting TO alsobought_reporting;
    END IF;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP SCHEMA reporting CASCADE;
DROP FUNCTION check_question;
