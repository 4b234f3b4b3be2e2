-- Privileges in this schema: docs/roles.md.

-- Returns the role that may read schema reporting and nothing else: alsobought_reporting, unless this
-- database has its own.
CREATE OR REPLACE FUNCTION reporting_role() RETURNS text LANGUAGE sql STABLE
AS $$
SELECT coalesce(
    (SELECT i.role FROM installed_roles AS i WHERE i.purpose = 'reporting'), 'alsobought_reporting'
)
$$;

-- Roles belong to the server: another database may have created it, or be creating it now, or the
-- owner of this database may not be permitted to (then the administrator creates it).
DO $$
BEGIN
    EXECUTE format('CREATE ROLE %I NOLOGIN', reporting_role());
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'role % was not created: this user may not create roles', reporting_role();
END
$$;

-- Returns why the role cannot read the reports; NULL if it can. A database may have been restored on a
-- server without it.
CREATE OR REPLACE FUNCTION reporting_problem() RETURNS text
LANGUAGE sql STABLE
AS $$
SELECT CASE
    WHEN r.oid IS NULL THEN 'does not exist on this server'
    WHEN NOT has_schema_privilege(r.oid, 'reporting', 'USAGE')
      OR EXISTS (
          SELECT FROM pg_class AS c
          WHERE c.relnamespace = 'reporting'::regnamespace AND c.relkind = 'v'
            AND NOT has_table_privilege(r.oid, c.oid, 'SELECT')
      )
      OR EXISTS (
          SELECT FROM pg_proc AS p
          WHERE p.pronamespace = 'reporting'::regnamespace
            AND NOT has_function_privilege(r.oid, p.oid, 'EXECUTE')
      )
    THEN 'may not read all reports'
END
FROM (SELECT reporting_role() AS name) AS v
LEFT JOIN pg_roles AS r ON r.rolname = v.name
$$;

-- Grants the installed roles their privileges and revokes all others. The owner runs it whenever
-- functions are replaced, and so after every change of tables. Missing roles are skipped.
--
-- The loader owns the tables that loads and builds alter (dropping and creating keys, attaching
-- partitions), and the owner of a table may do anything with it; the owner role is a member of the
-- loader.
CREATE OR REPLACE FUNCTION grant_roles() RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
    everybody CONSTANT text := 'alsobought_reporting';
    loader    text := (SELECT k.rolname FROM installed_roles AS r JOIN pg_roles AS k ON k.rolname = r.role
                       WHERE r.purpose = 'loader');
    server    text := (SELECT k.rolname FROM installed_roles AS r JOIN pg_roles AS k ON k.rolname = r.role
                       WHERE r.purpose = 'server');
    reporting text := (
        SELECT k.rolname
        FROM pg_roles AS k
        WHERE k.rolname = reporting_role()
    );
    owned CONSTANT text := '^(items|orders|order_lines|item_(stats|pairs|neighbours|days)(_[0-9]+)?'
        '|new_(item_(stats|pairs|neighbours|days|counts|overlaps)|order_days|kept_neighbours|similar))$';
    t record;
BEGIN
    FOR t IN
        SELECT c.oid::regclass AS name, c.relname ~ owned AND loader IS NOT NULL AS is_owned,
               pg_get_userbyid(c.relowner) AS owner, x.loading, x.serving
        FROM pg_class AS c
        LEFT JOIN (
            VALUES
                ('items', NULL, 'SELECT'),
                ('orders', NULL, 'SELECT (order_id, external_id, ordered_at, load_id, items)'),
                ('order_lines', NULL, 'SELECT'),
                ('item_stats', NULL, 'SELECT'),
                ('item_pairs', NULL, 'SELECT'),
                ('item_neighbours', NULL, 'SELECT'),
                ('item_days', NULL, 'SELECT'),
                ('order_days', 'SELECT, INSERT, DELETE', 'SELECT'),
                ('order_changes', 'SELECT, DELETE', 'SELECT (change_id)'),
                ('builds', 'SELECT, INSERT, UPDATE', 'SELECT'),
                ('loads', 'SELECT, INSERT, UPDATE',
                    'SELECT (status, rows_read, rows_loaded, rows_duplicate, rows_not_bought, '
                    'rows_rejected)'),
                ('load_files', 'SELECT, INSERT', NULL),
                ('load_rejects', 'SELECT, INSERT, UPDATE', NULL),
                ('known_orders', 'SELECT, INSERT, UPDATE, DELETE', NULL),
                ('known_lines', 'SELECT, INSERT, UPDATE, DELETE', NULL),
                ('returned_lines', 'SELECT, INSERT, UPDATE, DELETE', NULL),
                ('order_deletions', 'SELECT, INSERT', NULL),
                ('idempotency_keys', 'SELECT, INSERT, UPDATE, DELETE', NULL),
                ('shop_orders', 'SELECT, INSERT, UPDATE, DELETE', NULL),
                ('shop_refunds', 'SELECT, INSERT, DELETE', NULL),
                ('item_attributes', 'SELECT, INSERT, UPDATE', 'SELECT'),
                ('rules', 'SELECT', 'SELECT, INSERT, UPDATE'),
                ('revisions', 'SELECT', 'SELECT'),
                ('api_keys', NULL, 'SELECT, UPDATE (last_used_at)'),
                ('dashboard_sessions', NULL, 'SELECT, INSERT, DELETE'),
                ('installed_functions', 'SELECT', 'SELECT'),
                ('installed_roles', 'SELECT', 'SELECT'),
                ('installed_definitions', 'SELECT', NULL),
                ('goose_db_version', 'SELECT', 'SELECT')
        ) AS x(name, loading, serving) ON x.name = c.relname
        WHERE c.relnamespace = (SELECT b.relnamespace FROM pg_class AS b WHERE b.oid = 'builds'::regclass)
          AND c.relkind IN ('r', 'p') AND (x.name IS NOT NULL OR c.relname ~ owned)
        ORDER BY c.oid
    LOOP
        IF t.is_owned THEN
            IF t.owner <> loader THEN
                EXECUTE format('ALTER TABLE %s OWNER TO %I', t.name, loader);
            END IF;
            EXECUTE format('GRANT ALL ON TABLE %s TO CURRENT_USER', t.name);
        ELSIF loader IS NOT NULL THEN
            EXECUTE format('REVOKE ALL ON TABLE %s FROM %I', t.name, loader);
            IF t.loading IS NOT NULL THEN
                EXECUTE format('GRANT %s ON TABLE %s TO %I', t.loading, t.name, loader);
            END IF;
        END IF;
        IF server IS NOT NULL THEN
            EXECUTE format('REVOKE ALL ON TABLE %s FROM %I', t.name, server);
            IF t.serving IS NOT NULL THEN
                EXECUTE format('GRANT %s ON TABLE %s TO %I', t.serving, t.name, server);
            END IF;
        END IF;
    END LOOP;

    REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA reporting FROM PUBLIC;
    IF reporting <> everybody AND EXISTS (SELECT FROM pg_roles AS k WHERE k.rolname = everybody) THEN
        EXECUTE format('REVOKE ALL ON SCHEMA reporting FROM %I', everybody);
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA reporting FROM %I', everybody);
        EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA reporting FROM %I', everybody);
    END IF;
    -- The loader prints data_quality after a load.
    FOR t IN SELECT r.role FROM unnest(ARRAY[loader, reporting]) AS r(role) WHERE r.role IS NOT NULL LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA reporting TO %I', t.role);
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO %I', t.role);
        EXECUTE format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA reporting TO %I', t.role);
    END LOOP;
END
$$;

SELECT grant_roles();
