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

// RoleNames are those of the roles with the prefix that get rights; the owner of the tables is another.
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

// provision is one thing that roles need, and the statement that makes it so.
type provision struct{ holds, statement string }

// provisions are what has to be there before tables are made for the owner and given to the others, each after those it
// builds upon.
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
	// Whoever migrates acts as the owner, and the owner alters tables of the loader.
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
	// Before PostgreSQL 15 everybody might make tables in public.
	return append(list, provision{
		"NOT has_schema_privilege('public', " + schema + ", 'CREATE')",
		"REVOKE CREATE ON SCHEMA " + p.Schema + " FROM PUBLIC",
	})
}

// oid is that of a role; of one that is not there yet, that of PUBLIC, whose rights it will have.
func oid(role string) string {
	return "coalesce(to_regrole(" + literal(role) + ")::oid, 0)"
}

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// prepareRoles makes so what roles need, as far as the role of the pool may. The error names the statements that
// somebody else has to run.
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

// provide runs the statement unless it is so already, and reports whether it is so then.
func provide(ctx context.Context, pool *pgxpool.Pool, one provision) (holds bool, err error) {
	find := "SELECT coalesce(" + one.holds + ", false)"
	if err := pool.QueryRow(ctx, find).Scan(&holds); err != nil || holds {
		return holds, err
	}
	_, err = pool.Exec(ctx, one.statement)
	// Others may be making the same role, or granting the same, for another database. The second look tells.
	if refused := new(pgconn.PgError); err != nil && !errors.As(err, &refused) {
		return false, err
	}
	if err := pool.QueryRow(ctx, find).Scan(&holds); err != nil || holds {
		return holds, err
	}
	// A role that could not be made cannot be given anything either.
	if refused := new(pgconn.PgError); errors.As(err, &refused) && refused.Code == undefinedObject || IsDenied(err) {
		return false, nil
	}
	return false, err
}

// assignRoles gives the tables to the roles. It waits for loads and builds that run, as long as for other locks.
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
