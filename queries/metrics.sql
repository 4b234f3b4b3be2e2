-- name: MetricsGet :one
-- Metrics in addition to BuildFreshness. Rows of reverted loads do not count.
SELECT l.rows_loaded, l.rows_duplicate, l.rows_not_bought, l.rows_rejected, l.failed,
       r.changes AS rule_changes, r.in_force AS rules_in_force,
       coalesce(b.orders, 0)::bigint AS orders, coalesce(b.items, 0)::bigint AS items,
       coalesce(b.pairs, 0)::bigint AS pairs, coalesce(b.neighbours, 0)::bigint AS neighbours
FROM (
    SELECT coalesce(sum(x.rows_loaded) FILTER (WHERE x.status = 'loaded'), 0)::bigint AS rows_loaded,
           coalesce(sum(x.rows_duplicate) FILTER (WHERE x.status = 'loaded'), 0)::bigint AS rows_duplicate,
           coalesce(sum(x.rows_not_bought) FILTER (WHERE x.status = 'loaded'), 0)::bigint AS rows_not_bought,
           coalesce(sum(x.rows_rejected) FILTER (WHERE x.status = 'loaded'), 0)::bigint AS rows_rejected,
           count(*) FILTER (WHERE x.status = 'failed') AS failed
    FROM loads AS x
) AS l
CROSS JOIN (
    SELECT (count(*) + count(y.ended_at))::bigint AS changes,
           count(*) FILTER (
               WHERE y.valid_from <= now() AND (y.valid_until IS NULL OR y.valid_until > now())
                 AND y.ended_at IS NULL
           ) AS in_force
    FROM rules AS y
) AS r
LEFT JOIN builds AS b ON b.active;
