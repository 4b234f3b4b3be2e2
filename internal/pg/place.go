package pg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// place is where in a database the tables are, or would be created, and what the role may do there. Names are quoted as
// SQL needs them.
type place struct {
	Role, Database, SearchPath string

	ReadOnly           bool
	Schema             string // of the tables; without tables, where they would be created; "" if nowhere
	Owner              string // of the tables; "" without tables
	MayActAsOwner      bool   // as the owner or a member
	Elsewhere          string // a schema that has the tables but is not in search_path
	ElsewhereMayBeUsed bool
}

// setPrivilege is the name of the privilege to SET ROLE, which PostgreSQL 16 introduced.
const setPrivilege = "CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END"

const findPlace = `
	SELECT quote_ident(current_user) AS role, quote_ident(current_database()) AS database,
	       current_setting('search_path') AS search_path,
	       current_setting('transaction_read_only') = 'on' AS read_only,
	       coalesce(quote_ident(coalesce(t.schema, current_schema())), '') AS schema,
	       coalesce(quote_ident(t.owner), '') AS owner, coalesce(quote_ident(e.schema), '') AS elsewhere,
	       coalesce(has_schema_privilege(e.schema, 'USAGE'), false) AS elsewhere_may_be_used,
	       coalesce(pg_has_role(t.owner, ` + setPrivilege + `), true) AS may_act_as_owner
	FROM (SELECT) AS one
	LEFT JOIN (
		SELECT n.nspname AS schema, pg_get_userbyid(c.relowner) AS owner
		FROM pg_class AS c
		JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE c.oid = to_regclass('goose_db_version')
	) AS t ON true
	LEFT JOIN (
		SELECT n.nspname AS schema
		FROM pg_class AS c
		JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE c.relname = 'installed_functions' AND c.relkind = 'r'
		ORDER BY n.nspname
		LIMIT 1
	) AS e ON t.schema IS NULL`

func locate(ctx context.Context, pool *pgxpool.Pool) (place, error) {
	rows, err := pool.Query(ctx, findPlace)
	if err != nil {
		return place{}, fmt.Errorf("find the schema: %w", err)
	}
	p, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[place])
	if err != nil {
		return place{}, fmt.Errorf("find the schema: %w", err)
	}
	return p, nil
}

// locateToMigrate is locate for callers that need roles, settings or locks of a session.
func locateToMigrate(ctx context.Context, pool *pgxpool.Pool) (place, error) {
	if err := RequireSessions(ctx, pool); err != nil {
		return place{}, err
	}
	return locate(ctx, pool)
}

// installed reports whether the tables exist.
func (p place) installed() bool { return p.Owner != "" }

// notFound says why there are no tables.
func (p place) notFound() error {
	if p.Elsewhere == "" {
		return fmt.Errorf("%w: the database has no alsobought tables yet: run alsobought migrate up", ErrSchema)
	}
	if !p.ElsewhereMayBeUsed {
		return fmt.Errorf("%w: the alsobought tables are in schema %s, which role %s may not use: "+
			"log in as a member of a role of docs/roles.md, or let the owner GRANT USAGE ON SCHEMA %[2]s TO %[3]s",
			ErrSchema, p.Elsewhere, p.Role)
	}
	return fmt.Errorf("%w: the alsobought tables are in schema %s, which is not in the search_path of role %s (%s): "+
		"ALTER ROLE %[3]s IN DATABASE %[5]s SET search_path = %[2]s",
		ErrSchema, p.Elsewhere, p.Role, p.SearchPath, p.Database)
}

// mayMigrate returns nil if the role may migrate, or an error that says why not.
func (p place) mayMigrate() error {
	switch {
	case p.ReadOnly:
		return ErrReadOnly
	case p.installed() && !p.MayActAsOwner:
		return fmt.Errorf("the alsobought tables belong to role %s, and %s is not a member: migrate as %[1]s",
			p.Owner, p.Role)
	case !p.installed() && p.Elsewhere != "":
		return p.notFound()
	case p.Schema == "":
		return fmt.Errorf("no schema in the search_path of role %s (%s) exists or may be used: "+
			"CREATE SCHEMA alsobought AUTHORIZATION %[1]s; "+
			"ALTER ROLE %[1]s IN DATABASE %[3]s SET search_path = alsobought",
			p.Role, p.SearchPath, p.Database)
	}
	return nil
}

// mayCreate returns nil if the role has all privileges that new tables need, or an error that names the missing ones.
// Migrations need them at different points, the last one near the end.
func (p place) mayCreate(ctx context.Context, pool *pgxpool.Pool, role string) error {
	var schema, database, foreign bool
	err := pool.QueryRow(ctx, `
		SELECT has_schema_privilege(r.id, s.id, 'CREATE') AND has_schema_privilege(r.id, s.id, 'USAGE'),
		       to_regnamespace('reporting') IS NOT NULL OR has_database_privilege(r.id, current_database(), 'CREATE'),
		       EXISTS (SELECT FROM pg_class AS c WHERE c.relnamespace = to_regnamespace('reporting'))
		           OR EXISTS (SELECT FROM pg_proc AS f WHERE f.pronamespace = to_regnamespace('reporting'))
		FROM (SELECT to_regrole($1)::oid) AS r(id)
		CROSS JOIN (SELECT to_regnamespace($2)::oid) AS s(id)`,
		role, p.Schema).Scan(&schema, &database, &foreign)
	if err != nil {
		return fmt.Errorf("find the rights of %s: %w", role, err)
	}
	if foreign && !p.installed() {
		return fmt.Errorf("database %s already has a schema named reporting, which alsobought needs to create: "+
			"rename the other, or choose another database", p.Database)
	}
	var lacks, grants []string
	if !schema {
		lacks = append(lacks, "create tables in schema "+p.Schema)
		grants = append(grants, "GRANT USAGE, CREATE ON SCHEMA "+p.Schema+" TO "+role)
	}
	if !database {
		lacks = append(lacks, "create the schema reporting in database "+p.Database)
		grants = append(grants, "GRANT CREATE ON DATABASE "+p.Database+" TO "+role)
	}
	if len(lacks) == 0 {
		return nil
	}
	return fmt.Errorf("role %s may not %s; nothing was changed: have the owner of the database run %s",
		role, strings.Join(lacks, ", nor "), strings.Join(grants, "; "))
}

// acting returns a pool like the given one whose sessions act as role and see only the place's schema.
func (p place) acting(ctx context.Context, pool *pgxpool.Pool, role string) (*pgxpool.Pool, error) {
	// Functions capture this path with FROM CURRENT. Unless named, the temporary schema would come first.
	set := "SET search_path = " + p.Schema + ", pg_temp"
	if role != p.Role {
		set += "; SET ROLE " + role
	}
	return settingPool(ctx, pool, set)
}

// ActAsOwner returns a pool whose sessions act as the owner of the table, if the pool's role is a member of it: new
// objects then belong to that role, whoever logs in, and all its members can alter and drop them. It closes the given
// pool then; otherwise it returns it unchanged. The caller must close the result.
func ActAsOwner(ctx context.Context, pool *pgxpool.Pool, table string) (*pgxpool.Pool, error) {
	var owner string
	err := pool.QueryRow(ctx, `
		SELECT quote_ident(pg_get_userbyid(c.relowner))
		FROM pg_class AS c
		WHERE c.oid = to_regclass($1) AND pg_get_userbyid(c.relowner) <> current_user
		  AND pg_has_role(c.relowner, `+setPrivilege+`)`,
		table).Scan(&owner)
	if errors.Is(err, pgx.ErrNoRows) {
		return pool, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the owner of %s: %w", table, err)
	}
	acting, err := settingPool(ctx, pool, "SET ROLE "+owner)
	if err == nil {
		pool.Close()
	}
	return acting, err
}
