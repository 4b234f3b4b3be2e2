-- name: LoadStart :one
INSERT INTO loads (source, loaded_by, version)
VALUES (@source, @loaded_by, @version)
RETURNING load_id;

-- name: LoadFinish :one
-- Closes the audit row in the transaction of the data.
UPDATE loads AS l
SET status          = 'loaded',
    finished_at     = clock_timestamp(),
    copy_seconds    = @copy_seconds,
    merge_seconds   = @merge_seconds,
    rows_read       = @rows_read,
    rows_rejected   = @rows_rejected,
    rows_loaded     = @rows_loaded,
    rows_duplicate  = @rows_duplicate,
    rows_not_bought = @rows_not_bought,
    rows_repeated   = @rows_repeated,
    orders_added    = @orders_added,
    orders_known    = @orders_known,
    items_added     = @items_added
WHERE l.load_id = @load_id
RETURNING *;

-- name: LoadFail :exec
UPDATE loads AS l
SET status = 'failed', finished_at = clock_timestamp(), error = @reason::text
WHERE l.load_id = @load_id AND l.status = 'running';

-- name: LoadRecover :execrows
-- A running load holds the advisory lock of its id for as long as its session lives. Whose lock is free was
-- killed, or lost its database, or has ended well since this statement began: hence the second look at the
-- status, which sees the row as it is by now.
WITH running AS MATERIALIZED (
    SELECT l.load_id FROM loads AS l WHERE l.status = 'running'
), dead AS MATERIALIZED (
    SELECT r.load_id FROM running AS r WHERE pg_try_advisory_xact_lock(@lock_class, r.load_id::integer)
)
UPDATE loads AS l
SET status = 'failed', finished_at = clock_timestamp(),
    error = 'interrupted: the loader or its database ended before the load did'
FROM dead AS d
WHERE l.load_id = d.load_id AND l.status = 'running';

-- name: LoadGet :one
SELECT l.* FROM loads AS l WHERE l.load_id = @load_id;

-- name: LoadList :many
SELECT l.* FROM loads AS l ORDER BY l.load_id DESC LIMIT @lim;

-- name: LoadListByDay :many
-- Loads, newest first. Those of orders over HTTP, which are many and small, stand together by what they were
-- sent to, who sent them, and the day (UTC).
SELECT max(l.load_id)::bigint AS load_id, count(*) AS loads, max(l.started_at)::timestamptz AS started_at,
       l.source, l.status, l.loaded_by,
       sum(l.rows_read)::bigint AS rows_read, sum(l.rows_loaded)::bigint AS rows_loaded,
       sum(l.rows_duplicate)::bigint AS rows_duplicate, sum(l.rows_not_bought)::bigint AS rows_not_bought,
       sum(l.rows_rejected)::bigint AS rows_rejected
FROM loads AS l
GROUP BY l.source, l.status, l.loaded_by,
         CASE
             WHEN l.source LIKE 'POST /%' THEN extract(epoch FROM date_trunc('day', l.started_at, 'UTC'))
             ELSE -l.load_id
         END
ORDER BY load_id DESC
LIMIT @lim;

-- name: LoadFileInsert :exec
INSERT INTO load_files (load_id, file_number, name, bytes, sha256, mapping, rows_read, rows_rejected,
    rows_not_bought)
VALUES (@load_id, @file_number, @name, @bytes, @sha256, @mapping, @rows_read, @rows_rejected,
    @rows_not_bought);

-- name: LoadFileList :many
SELECT f.* FROM load_files AS f WHERE f.load_id = @load_id ORDER BY f.file_number LIMIT @lim;

-- name: LoadFileListLoaded :many
-- The files of loads in force that have the same bytes as one of these.
SELECT f.name, f.sha256, l.load_id, l.started_at
FROM load_files AS f
JOIN loads AS l ON l.load_id = f.load_id
WHERE f.sha256 = ANY (@sha256s::bytea[]) AND l.status = 'loaded'
ORDER BY l.load_id, f.file_number
LIMIT 100;

-- name: LoadFileGetSince :one
-- How far the last load in force of a source came by a column, as load.Mark has it.
SELECT (f.mapping -> 'since')::jsonb AS since
FROM load_files AS f
JOIN loads AS l ON l.load_id = f.load_id
WHERE f.name = @source AND f.mapping -> 'since' ->> 'column' = @since_column::text AND l.status = 'loaded'
ORDER BY f.load_id DESC, f.file_number DESC
LIMIT 1;

-- name: LoadFileListLineages :many
-- The basket lists of a name whose orders have made-up ids, in whatever directory they lay, the newest first.
SELECT f.bytes, f.sha256, f.mapping
FROM load_files AS f
WHERE (f.name = @base::text OR right(f.name, length(@base::text) + 1) = '/' || @base::text)
  AND f.mapping ->> 'format' = 'baskets' AND f.mapping ->> 'item' = 'every field'
ORDER BY f.load_id DESC, f.file_number DESC
LIMIT 1000;

-- name: LoadRejectCountByReason :many
-- Of each outcome: rejected and not_bought.
SELECT r.outcome, r.reason, count(*) AS rows
FROM load_rejects AS r
WHERE r.load_id = @load_id
GROUP BY r.outcome, r.reason
ORDER BY rows DESC, r.outcome, r.reason
LIMIT 100;

-- name: LoadRejectFields :one
-- Which optional values any row of a load and an outcome has.
SELECT coalesce(bool_or(r.parsed ? 'quantity'), false)::boolean AS quantity,
       coalesce(bool_or(r.parsed ? 'ordered_at'), false)::boolean AS ordered_at,
       coalesce(bool_or(r.parsed ? 'customer_id'), false)::boolean AS customer_id
FROM load_rejects AS r
WHERE r.load_id = @load_id AND r.outcome = @outcome;

-- name: LoadRejectList :many
-- One page of the rows of a load and an outcome, those after a row number.
SELECT r.* FROM load_rejects AS r
WHERE r.load_id = @load_id AND r.outcome = @outcome AND r.row_number > @after
ORDER BY r.row_number
LIMIT @lim;

-- name: LoadQuality :one
SELECT q.load_id, q.orders::bigint AS orders, q.lines::bigint AS lines, q.items::bigint AS items,
       q.one_item_orders::bigint AS one_item_orders, q.one_item_share::float8 AS one_item_share,
       q.items_seen_once::bigint AS items_seen_once, q.basket_sizes::jsonb AS basket_sizes,
       q.largest_orders::jsonb AS largest_orders,
       q.near_duplicates::bigint AS near_duplicates, q.near_duplicate_names::jsonb AS near_duplicate_names,
       coalesce(to_char(q.first_ordered_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '')::text
           AS first_ordered_at,
       coalesce(to_char(q.last_ordered_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '')::text
           AS last_ordered_at,
       q.rows_per_second::float8 AS rows_per_second
FROM reporting.data_quality AS q
WHERE q.load_id = @load_id;

-- name: LoadRejectListByReason :many
-- The first rows of a load and an outcome, of one reason ('' is any).
SELECT r.* FROM load_rejects AS r
WHERE r.load_id = @load_id AND r.outcome = @outcome AND (@reason::text = '' OR r.reason = @reason::text)
ORDER BY r.row_number
LIMIT @lim;
