-- The reporting schema: views and functions for people. Stable and documented (docs/sql.md); everything else is free to change.

-- +goose Up
CREATE SCHEMA reporting;

CREATE VIEW reporting.builds AS
SELECT b.build_id, b.status, b.active, b.started_at, b.built_at, b.orders, b.order_lines, b.baskets, b.items, b.pairs, b.neighbours,
       b.max_basket, b.neighbours_kept, b.shrinkage, b.popularity_exponent, b.similar_exponent,
       b.stats_seconds, b.pairs_seconds, b.neighbours_seconds, b.built_by, b.version, b.error
FROM builds b;

CREATE VIEW reporting.loads AS
SELECT l.load_id, l.source, l.status, l.error, l.started_at, l.finished_at, l.copy_seconds, l.merge_seconds,
       l.rows_read, l.rows_loaded, l.rows_duplicate, l.rows_rejected, l.rows_repeated, l.orders_added, l.items_added,
       l.loaded_by, l.version
FROM loads l;

CREATE VIEW reporting.load_files AS
SELECT f.load_id, f.file_number, f.name, f.bytes, encode(f.sha256, 'hex') AS sha256, f.mapping, f.rows_read, f.rows_rejected
FROM load_files f;

-- raw is shown with \ooo (octal) for bytes that are not ASCII, because it need not be text at all.
CREATE VIEW reporting.load_rejects AS
SELECT r.load_id, r.row_number, f.name AS file, r.line_number, r.reason, r.detail, encode(r.raw, 'escape') AS raw
FROM load_rejects r
LEFT JOIN load_files f ON f.load_id = r.load_id AND f.file_number = r.file_number;

CREATE VIEW reporting.data_quality AS
SELECT l.load_id, l.source, l.status, l.rows_read, l.rows_loaded, l.rows_duplicate, l.rows_rejected,
       l.rows_rejected::float8 / nullif(l.rows_read, 0) AS rejected_share,
       (SELECT jsonb_object_agg(r.reason, r.rows ORDER BY r.reason)
        FROM (SELECT x.reason, count(*) AS rows FROM load_rejects x WHERE x.load_id = l.load_id GROUP BY x.reason) r) AS rejected_by_reason
FROM loads l;

CREATE VIEW reporting.popular_items AS
SELECT s.popularity_rank, i.name AS item_name, s.orders, s.orders::float8 / b.orders AS share_of_orders, s.baskets, b.build_id, b.built_at
FROM builds b
JOIN item_stats s ON s.build_id = b.build_id
JOIN items i ON i.item_id = s.item_id
WHERE b.active;

-- Each pair once; confidence_ab is the confidence of b given a, affinity_ab what a says for b.
CREATE VIEW reporting.item_pairs AS
SELECT a.name AS item_a, b.name AS item_b, p.orders_together,
       sa.orders AS orders_a, sb.orders AS orders_b, sa.baskets AS baskets_a, sb.baskets AS baskets_b,
       p.orders_together::float8 / t.baskets AS support,
       pair_value('confidence', p.orders_together, p.weight, sa.baskets, sb.baskets, t.baskets, t.shrinkage, t.popularity_exponent) AS confidence_ab,
       pair_value('confidence', p.orders_together, p.weight, sb.baskets, sa.baskets, t.baskets, t.shrinkage, t.popularity_exponent) AS confidence_ba,
       pair_value('lift', p.orders_together, p.weight, sa.baskets, sb.baskets, t.baskets, t.shrinkage, t.popularity_exponent) AS lift,
       pair_value('cosine', p.orders_together, p.weight, sa.baskets, sb.baskets, t.baskets, t.shrinkage, t.popularity_exponent) AS cosine,
       pair_value('jaccard', p.orders_together, p.weight, sa.baskets, sb.baskets, t.baskets, t.shrinkage, t.popularity_exponent) AS jaccard,
       pair_value('affinity', p.orders_together, p.weight, sa.baskets, sb.baskets, t.baskets, t.shrinkage, t.popularity_exponent) AS affinity_ab,
       pair_value('affinity', p.orders_together, p.weight, sb.baskets, sa.baskets, t.baskets, t.shrinkage, t.popularity_exponent) AS affinity_ba,
       p.weight, t.build_id, t.built_at
FROM builds t
JOIN item_pairs p ON p.build_id = t.build_id
JOIN item_stats sa ON sa.build_id = t.build_id AND sa.item_id = p.item_a
JOIN item_stats sb ON sb.build_id = t.build_id AND sb.item_id = p.item_b
JOIN items a ON a.item_id = p.item_a
JOIN items b ON b.item_id = p.item_b
WHERE t.active;

-- The answers of the API's defaults, from the same recommend(). An item that the active build does not know has no rows.
-- SECURITY DEFINER, because a reader of reports may not read the tables behind them. Without jit, which compiles for longer than the answer takes.
-- +goose StatementBegin
CREATE FUNCTION reporting.similar_items(item text, lim integer DEFAULT 5)
RETURNS TABLE (
    item_name text, similarity_score float8, source text, popularity_rank bigint, orders_together bigint, confidence float8, lift float8,
    build_id bigint, built_at timestamptz
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET jit = off
AS $$
SELECT r.item_name, r.score, r.source, r.popularity_rank, r.orders_together, r.confidence, r.lift, b.build_id, b.built_at
FROM builds b
JOIN items i ON i.name = item
JOIN item_stats s ON s.build_id = b.build_id AND s.item_id = i.item_id
CROSS JOIN LATERAL recommend(b.build_id, ARRAY[i.item_id], true, 'affinity', 1, 0, '{}', true, lim) r
WHERE b.active
ORDER BY r.place
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION reporting.basket_recommendations(items text[], lim integer DEFAULT 10)
RETURNS TABLE (
    item_name text, similarity_score float8, source text, popularity_rank bigint, orders_together bigint, confidence float8, lift float8,
    build_id bigint, built_at timestamptz
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET jit = off
AS $$
SELECT r.item_name, r.score, r.source, r.popularity_rank, r.orders_together, r.confidence, r.lift, b.build_id, b.built_at
FROM builds b
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(i.item_id), '{}') AS asked
    FROM items i
    JOIN item_stats s ON s.build_id = b.build_id AND s.item_id = i.item_id
    WHERE i.name = ANY (basket_recommendations.items)
) k
CROSS JOIN LATERAL recommend(b.build_id, k.asked, false, 'affinity', 1, 0, '{}', true, lim) r
WHERE b.active
ORDER BY r.place
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
