package pg

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

var prefixPattern = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,49}$`)

// RoleNames returns the roles of a prefix that are granted privileges: all but the owner of the tables.
func RoleNames(prefix string) []string {
	return []string{prefix + "_loader", prefix + "_server", prefix + "_reporting"}
}

func validatePrefix(prefix string) error {
	if !prefixPattern.MatchString(prefix) {
		return fmt.Errorf("the prefix of roles is %q: choose up to 50 lower-case letters, digits and _, a letter first",
			prefix)
	}
	return nil
}

// provision is something that roles need: a condition, and the statement that makes it true.
type provision struct{ holds, statement string }

// provisions returns what must hold before tables are created for the owner and granted to the others, in order of
// dependency.
func provisions(p place, owner, prefix string) []provision {
	loader, server, reporting := prefix+"_loader", prefix+"_server", prefix+"_reporting"
	var list []provision
	for _, role := range []string{owner, loader, server, reporting} {
		list = append(list, provision{
			"to_regrole(" + literal(role) + ") IS NOT NULL", "CREATE ROLE " + role + " NOLOGIN",
		})
	}
	member := func(role, group string, inherits bool) {
		of := "pg_has_role(" + oid(role) + ", " + oid(group) + ", "
		holds := of + setPrivilege + ")"
		if inherits {
			holds += " AND " + of + "'USAGE')"
		}
		list = append(list, provision{holds, "GRANT " + group + " TO " + role})
	}
	// The migrating role acts as the owner, and the owner alters tables of the loader.
	member(p.Role, owner, false)
	member(owner, loader, true)
	schema := "to_regnamespace(" + literal(p.Schema) + ")::oid"
	may := func(role, kind, name, rights string) {
		of := map[string]string{"schema": schema, "database": "current_database()"}[kind]
		var holds []string
		for right := range strings.SplitSeq(rights, ", ") {
			holds = append(holds, "has_"+kind+"_privilege("+oid(role)+", "+of+", '"+right+"')")
		}
		grant := "GRANT " + rights + " ON " + strings.ToUpper(kind) + " " + name + " TO " + role
		list = append(list, provision{strings.Join(holds, " AND "), grant})
	}
	may(owner, "schema", p.Schema, "USAGE, CREATE")
	may(loader, "schema", p.Schema, "USAGE, CREATE")
	may(server, "schema", p.Schema, "USAGE")
	may(owner, "database", p.Database, "CONNECT, CREATE, TEMPORARY")
	may(loader, "database", p.Database, "CONNECT, TEMPORARY")
	may(server, "database", p.Database, "CONNECT")
	may(reporting, "database", p.Database, "CONNECT")
	// Before PostgreSQL 15, everyone could create tables in public.
	return append(list, provision{
		"NOT has_schema_privilege('public', " + schema + ", 'CREATE')",
		"REVOKE CREATE ON SCHEMA " + p.Schema + " FROM PUBLIC",
	})
}

// oid returns SQL for the oid of a role, or of PUBLIC, whose privileges a new role will have, if there is no such role
// yet.
func oid(role string) string {
	return "coalesce(to_regrole(" + literal(role) + ")::oid, 0)"
}

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// prepareRoles sets up the roles as far as the pool's role may. The error lists the statements that an administrator
// must run.
func prepareRoles(ctx context.Context, pool *pgxpool.Pool, p place, owner, prefix string) error {
	var missing []string
	for _, one := range provisions(p, owner, prefix) {
		holds, err := provide(ctx, pool, one)
		if err != nil {
			return fmt.Errorf("set up roles: %s: %w", one.statement, err)
		}
		if !holds {
			missing = append(missing, one.statement)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("role %s may not create roles; nothing was migrated: "+
			"let an administrator run this, then try again: %s", p.Role, strings.Join(missing, "; "))
	}
	return nil
}

// provide runs the statement unless the condition holds, and reports whether it holds afterwards.
func provide(ctx context.Context, pool *pgxpool.Pool, one provision) (holds bool, err error) {
	find := "SELECT coalesce(" + one.holds + ", false)"
	if err := pool.QueryRow(ctx, find).Scan(&holds); err != nil || holds {
		return holds, err
	}
	_, err = pool.Exec(ctx, one.statement)
	// A concurrent migration of another database may have done the same, so check again.
	if refused := new(pgconn.PgError); err != nil && !errors.As(err, &refused) {
		return false, err
	}
	if err := pool.QueryRow(ctx, find).Scan(&holds); err != nil || holds {
		return holds, err
	}
	// A role that could not be created cannot be granted anything either.
	if refused := new(pgconn.PgError); errors.As(err, &refused) && refused.Code == undefinedObject || IsDenied(err) {
		return false, nil
	}
	return false, err
}

// assignRoles grants the tables to the roles. It waits for running loads and builds as for other locks.
func assignRoles(ctx context.Context, pool *pgxpool.Pool, prefix string) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		for _, class := range []int32{FunctionsLock, BuildLock, MergeLock} {
			if err := LockTx(ctx, tx, class, 0); err != nil {
				return err
			}
		}
		var others string
		err := tx.QueryRow(ctx, `
			SELECT coalesce(string_agg(r.role, ', ' ORDER BY r.role), '')
			FROM installed_roles AS r
			WHERE r.role <> $1 || '_' || r.purpose`, prefix).Scan(&others)
		if err != nil {
			return err
		}
		if others != "" {
			return fmt.Errorf("the database already has the roles %s: pass their prefix", others)
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO installed_roles (purpose, role)
			SELECT p.purpose, $1 || '_' || p.purpose FROM unnest('{loader,server,reporting}'::text[]) AS p(purpose)
			ON CONFLICT (purpose) DO NOTHING`, prefix)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "SELECT grant_roles()")
		return err
	})
	if err != nil {
		return fmt.Errorf("grant to roles: %w", err)
	}
	return nil
}
