-- The description of a database in the manifest of its backup, which a restored database is compared with.

-- name: BackupTableList :many
-- Every table with rows of its own, except the working tables of a running build, which no backup includes.
SELECT n.nspname::text AS schema_name, c.relname::text AS table_name
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND (c.relname NOT LIKE 'new\_%' OR c.relnamespace IS DISTINCT FROM (
      SELECT t.relnamespace FROM pg_catalog.pg_class AS t WHERE t.oid = to_regclass('builds')
  ))
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
  )
ORDER BY n.nspname, c.relname;

-- name: BackupSequenceList :many
SELECT s.schemaname::text AS schema_name, s.sequencename::text AS sequence_name,
       coalesce(s.last_value, 0)::bigint AS last_value
FROM pg_catalog.pg_sequences AS s
ORDER BY s.schemaname, s.sequencename;

-- name: BackupItemSample :many
-- Items of the active build, evenly spaced from the most to the least popular.
SELECT p.name
FROM (
    SELECT i.name, s.popularity_rank, row_number() OVER (ORDER BY s.popularity_rank) - 1 AS place,
           count(*) OVER () AS items
    FROM builds AS b
    JOIN item_stats AS s ON s.build_id = b.build_id
    JOIN items AS i ON i.item_id = s.item_id
    WHERE b.active
) AS p
WHERE p.place % greatest(p.items / @lim::integer, 1) = 0
ORDER BY p.popularity_rank
LIMIT @lim;

-- name: BackupOrderSample :many
-- Orders, evenly spaced by ID.
SELECT p.external_id
FROM (
    SELECT o.order_id, o.external_id, row_number() OVER (ORDER BY o.order_id) - 1 AS place,
           count(*) OVER () AS orders
    FROM orders AS o
) AS p
WHERE p.place % greatest(p.orders / @lim::integer, 1) = 0
ORDER BY p.order_id
LIMIT @lim;

-- name: BackupRulesDropOthers :exec
-- Deletes the rules that were not in force at that time.
DELETE FROM rules AS r
WHERE NOT (r.valid_from <= @at AND @at < coalesce(r.valid_until, 'infinity'));

-- name: BackupRulesHold :exec
-- Removes the end of all rules.
UPDATE rules AS r
SET valid_until = NULL, ended_at = NULL, ended_by = NULL
WHERE r.valid_until IS NOT NULL;

-- name: RestoreObstacle :one
-- Names a table, type or function that prevents a restore; '' in an empty database.
SELECT coalesce(min(o.name) FILTER (WHERE o.class = 'pg_class'::regclass), min(o.name), '')::text AS name
FROM (
    SELECT 'pg_class'::regclass AS class, c.oid, c.relnamespace AS schema, c.relname::text AS name
    FROM pg_catalog.pg_class AS c
    WHERE c.relkind <> 'c' -- composite types are among the types
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid, p.pronamespace, p.proname::text
    FROM pg_catalog.pg_proc AS p
    UNION ALL
    SELECT 'pg_type'::regclass, t.oid, t.typnamespace, t.typname::text
    FROM pg_catalog.pg_type AS t
    WHERE t.typcategory <> 'A'
    UNION ALL
    SELECT 'pg_namespace'::regclass, s.oid, s.oid, s.nspname::text
    FROM pg_catalog.pg_namespace AS s
    WHERE s.nspname <> 'public'
) AS o
JOIN pg_catalog.pg_namespace AS n ON n.oid = o.schema
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype = 'e'
  );
