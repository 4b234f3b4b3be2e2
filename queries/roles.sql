-- name: ReportingRoleExists :one
SELECT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = reporting_role())::boolean AS some;

-- name: RoleMayRecover :one
-- Reports whether this role may mark interrupted loads and builds as failed. The server role may not.
SELECT (has_table_privilege('loads', 'UPDATE') AND has_table_privilege('builds', 'UPDATE'))::boolean AS may;
