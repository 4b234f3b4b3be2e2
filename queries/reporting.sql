-- name: ReportingRoleExists :one
SELECT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'alsobought_reporting')::boolean AS some;
