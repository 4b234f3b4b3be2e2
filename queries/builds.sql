-- name: BuildChooseBase :execrows
-- Makes a build start from the counts of the newest build that counted orders the same way, unless too
-- much has changed since. Counts with a window or half-life move with the newest order and cannot be a
-- base.
UPDATE builds AS t
SET base_build = b.build_id
FROM (
    SELECT r.build_id, r.orders, r.last_order_id, r.last_change_id
    FROM builds AS t
    JOIN builds AS r ON r.max_basket = t.max_basket
    WHERE t.build_id = @build_id AND t.window_days IS NULL AND t.half_life_days IS NULL
      AND r.status = 'ready' AND r.window_days IS NULL AND r.half_life_days IS NULL
      AND r.last_order_id IS NOT NULL
    ORDER BY r.build_id DESC
    LIMIT 1
) AS b
WHERE t.build_id = @build_id
  AND coalesce((SELECT max(o.order_id) FROM orders AS o), 0) - b.last_order_id
      + (SELECT count(*) FROM order_changes AS c WHERE c.change_id > b.last_change_id)
      <= b.orders / 4;

-- name: OrderChangeForget :exec
-- Deletes the changes that every possible base has counted.
DELETE FROM order_changes AS c
WHERE NOT EXISTS (SELECT FROM builds AS b WHERE b.status = 'ready' AND b.last_change_id < c.change_id);

-- name: BuildFinish :one
-- Finishes a complete build, whose tables are already attached.
UPDATE builds AS b
SET status             = 'ready',
    built_at           = clock_timestamp(),
    items              = (SELECT count(*) FROM item_stats AS s WHERE s.build_id = @build_id),
    pairs              = (SELECT count(*) FROM item_pairs AS p WHERE p.build_id = @build_id),
    neighbours         = (SELECT count(*) FROM item_neighbours AS n WHERE n.build_id = @build_id),
    stats_seconds      = @stats_seconds,
    pairs_seconds      = @pairs_seconds,
    neighbours_seconds = @neighbours_seconds
WHERE b.build_id = @build_id
RETURNING *;

-- name: BuildFail :exec
UPDATE builds AS b
SET status = 'failed', error = @reason::text, orders = 0, order_lines = 0, baskets = 0, large_orders = 0
WHERE b.build_id = @build_id AND b.status = 'running';

-- name: BuildRecover :execrows
-- Marks interrupted builds as failed. The caller holds the build lock, so no build can be running.
UPDATE builds AS b
SET status = 'failed', error = 'interrupted: the builder or its database ended before the build did',
    orders = 0, order_lines = 0, baskets = 0, large_orders = 0
WHERE b.status = 'running';

-- name: BuildDeactivate :exec
UPDATE builds AS b SET active = false WHERE b.active;

-- name: BuildActivate :one
UPDATE builds AS b SET active = true, activated_at = now()
WHERE b.build_id = @build_id AND b.status = 'ready'
RETURNING *;

-- name: BuildNoneActive :one
-- Reports whether a build is ready and none is active.
SELECT (EXISTS (SELECT FROM builds AS r WHERE r.status = 'ready')
        AND NOT EXISTS (SELECT FROM builds AS a WHERE a.active))::boolean AS none_active;

-- name: BuildActivateNewest :execrows
-- If no build is active, activates the newest complete one, whose process was killed before it could.
UPDATE builds AS b
SET active = true, activated_at = now()
WHERE b.build_id = (SELECT max(r.build_id) FROM builds AS r WHERE r.status = 'ready')
  AND NOT EXISTS (SELECT FROM builds AS a WHERE a.active);

-- name: BuildActive :one
SELECT b.* FROM builds AS b WHERE b.active;

-- name: BuildFreshness :one
-- The active build (0: none), and how many orders were added, changed or deleted since its snapshot: an upper
-- bound, but 0 only if nothing changed; -1 if unknown, because an older version made the build or orders was
-- truncated. newest: no build was finished after it; if one was, somebody chose the older one. A build that
-- was neither active nor graded does not count after ten minutes: its process was killed before it could
-- activate it.
SELECT coalesce(a.build_id, 0)::bigint AS build_id,
       a.built_at,
       coalesce(extract(epoch FROM clock_timestamp() - a.built_at), 0)::float8 AS age,
       coalesce(a.stats_seconds + a.pairs_seconds + a.neighbours_seconds, 0)::float8 AS seconds,
       (n.build_id IS NOT DISTINCT FROM a.build_id)::boolean AS newest,
       coalesce(CASE
           WHEN a.build_id IS NULL THEN o.order_id
           WHEN a.last_order_id IS NOT NULL
           THEN greatest(o.order_id - a.last_order_id, 0)
                + (SELECT count(*) FROM order_changes AS c WHERE c.change_id > a.last_change_id)
       END, -1)::bigint AS pending
FROM (SELECT coalesce(max(x.order_id), 0) AS order_id FROM orders AS x) AS o
CROSS JOIN (
    SELECT max(b.build_id) AS build_id FROM builds AS b
    WHERE b.status = 'ready'
      AND (b.activated_at IS NOT NULL OR b.grades IS NOT NULL OR b.built_at > now() - interval '10 minutes')
) AS n
LEFT JOIN builds AS a ON a.active;

-- name: BuildReady :one
-- A build that is complete and kept.
SELECT b.* FROM builds AS b WHERE b.build_id = @build_id AND b.status = 'ready';

-- name: BuildGet :one
SELECT b.* FROM builds AS b WHERE b.build_id = @build_id;

-- name: BuildList :many
SELECT b.* FROM builds AS b ORDER BY b.build_id DESC LIMIT @lim;

-- name: BuildBefore :one
-- The target of a rollback: the newest kept build before the active one that has been active. A build that
-- never was active may have been refused.
SELECT b.*
FROM builds AS b
WHERE b.status = 'ready' AND b.activated_at IS NOT NULL
  AND b.build_id < (SELECT a.build_id FROM builds AS a WHERE a.active)
ORDER BY b.build_id DESC
LIMIT 1;

-- name: BuildPrunable :many
-- Ready builds, except the active one, the newest @keep others that have been active, and the newest that
-- never was.
SELECT r.build_id
FROM (
    SELECT b.build_id, b.activated_at IS NULL AS never_active,
           row_number() OVER (PARTITION BY b.activated_at IS NULL ORDER BY b.build_id DESC) AS place
    FROM builds AS b
    WHERE b.status = 'ready' AND NOT b.active
) AS r
WHERE r.place > CASE WHEN r.never_active THEN 1 ELSE @keep::integer END
ORDER BY r.build_id DESC
LIMIT 1000;

-- name: BuildDayDelete :exec
-- Deletes the days of all pruned builds, including those left by interrupted prunes.
DELETE FROM order_days AS d
USING builds AS b
WHERE b.build_id = d.build_id AND b.status = 'pruned';

-- name: BuildGrade :exec
UPDATE builds AS b SET grades = @grades::jsonb WHERE b.build_id = @build_id;

-- name: BuildPruned :exec
UPDATE builds AS b SET status = 'pruned' WHERE b.build_id = @build_id AND NOT b.active;

-- name: BuildTableDroppable :many
-- The remaining tables of pruned builds, and their parents if attached. An interrupted DETACH is pending.
SELECT c.relname::text AS name, coalesce(p.relname, '')::text AS parent,
       coalesce(n.inhdetachpending, false)::boolean AS detach_pending
FROM builds AS b
JOIN pg_catalog.pg_class AS c ON c.relname IN ('item_stats_' || b.build_id, 'item_pairs_' || b.build_id,
    'item_neighbours_' || b.build_id,
        'item_days_' || b.build_id)
    AND c.relkind = 'r'
    AND c.relnamespace = (
        SELECT t.relnamespace FROM pg_catalog.pg_class AS t WHERE t.oid = 'builds'::regclass
    )
LEFT JOIN pg_catalog.pg_inherits AS n ON n.inhrelid = c.oid
LEFT JOIN pg_catalog.pg_class AS p ON p.oid = n.inhparent
WHERE b.status = 'pruned'
ORDER BY b.build_id, c.relname
LIMIT 10000;

-- name: BuildIsLeft :one
-- Reports whether tables or days of pruned builds remain.
SELECT (EXISTS (
    SELECT FROM pg_catalog.pg_class AS c
    JOIN builds AS b ON b.build_id = CASE
        WHEN c.relname ~ '^item_(stats|pairs|neighbours|days)_[0-9]{1,18}$'
            THEN substring(c.relname, '[0-9]+$')::bigint
    END
    WHERE c.relkind = 'r' AND b.status = 'pruned'
      AND c.relnamespace = (
          SELECT t.relnamespace FROM pg_catalog.pg_class AS t WHERE t.oid = 'builds'::regclass
      )
) OR EXISTS (
    SELECT FROM order_days AS d JOIN builds AS b ON b.build_id = d.build_id WHERE b.status = 'pruned'
))::boolean AS is_left;

-- name: TransactionList :many
-- The other running transactions of this database, by virtual transaction ID.
SELECT k.virtualxid::text AS transaction
FROM pg_catalog.pg_locks AS k
JOIN pg_catalog.pg_stat_activity AS a ON a.pid = k.pid
WHERE k.locktype = 'virtualxid' AND a.datname = current_database() AND k.pid <> pg_backend_pid()
ORDER BY k.virtualxid
LIMIT 10000;
