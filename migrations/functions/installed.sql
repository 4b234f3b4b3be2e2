-- Definitions that doctor compares with those that migrate installed.

-- Returns every function, view and trigger with the hash of its definition. search_path decides which
-- names in a definition are qualified.
CREATE OR REPLACE FUNCTION current_definitions() RETURNS TABLE (kind text, name text, sha256 bytea)
LANGUAGE sql STABLE SET search_path FROM CURRENT
AS $$
WITH own AS (
    SELECT c.relnamespace AS id FROM pg_class AS c WHERE c.oid = 'builds'::regclass
)
SELECT d.kind, d.name, sha256(convert_to(d.definition, 'UTF8'))
FROM (
    SELECT 'function' AS kind, p.oid::regprocedure::text AS name, pg_get_functiondef(p.oid) AS definition
    FROM pg_proc AS p
    WHERE p.prokind IN ('f', 'p')
      AND p.pronamespace IN ((SELECT n.id FROM own AS n), 'reporting'::regnamespace)
    UNION ALL
    SELECT 'view', c.oid::regclass::text, pg_get_viewdef(c.oid)
    FROM pg_class AS c
    WHERE c.relkind = 'v' AND c.relnamespace = 'reporting'::regnamespace
    UNION ALL
    SELECT 'trigger', t.tgname || ' of ' || t.tgrelid::regclass, t.tgenabled::text || pg_get_triggerdef(t.oid)
    FROM pg_trigger AS t
    JOIN pg_class AS c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND c.relnamespace = (SELECT n.id FROM own AS n)
) AS d
$$;

-- Reports whether a process is building, switching or removing builds.
CREATE OR REPLACE FUNCTION builds_are_locked() RETURNS boolean LANGUAGE sql VOLATILE
AS $$
SELECT EXISTS (
    SELECT FROM pg_locks AS k
    JOIN pg_database AS d ON d.oid = k.database
    WHERE d.datname = current_database() AND k.locktype = 'advisory' AND k.granted
      AND k.classid = x'616c0003'::integer::oid AND k.objid = 0
)
$$;
