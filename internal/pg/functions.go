package pg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/migrations"
)

// replaceFunctions installs this program's functions and views and grants the reporting views to their role, in one
// transaction. It reports whether that was necessary, which it always is after migrations: they may have changed what
// functions depend on. It is safe to run concurrently.
func replaceFunctions(ctx context.Context, pool *pgxpool.Pool, w patience, migrated bool) (replaced bool, err error) {
	return patiently(ctx, w, func(ctx context.Context) (bool, error) { return tryReplaceFunctions(ctx, pool, migrated) })
}

func tryReplaceFunctions(ctx context.Context, pool *pgxpool.Pool, migrated bool) (replaced bool, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := LockTx(ctx, tx, FunctionsLock, 0); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '"+lockTimeout+"'"); err != nil {
			return fmt.Errorf("set lock_timeout: %w", err)
		}
		current, _, err := installedFunctions(ctx, tx)
		if err == nil && current && !migrated {
			current, err = intact(ctx, tx)
		}
		if err != nil || current && !migrated {
			return err
		}
		replaced = true
		return makeFunctions(ctx, tx, migrated)
	})
	if err != nil {
		return false, fmt.Errorf("replace functions: %w", err)
	}
	return replaced, nil
}

// makeFunctions replaces all functions and views unconditionally.
func makeFunctions(ctx context.Context, tx pgx.Tx, migrated bool) error {
	if err := dropFunctions(ctx, tx); err != nil {
		return err
	}
	for _, f := range migrations.Functions() {
		if _, err := tx.Exec(ctx, f.SQL); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	if err := recordFunctions(ctx, tx); err != nil {
		return err
	}
	return recordDefinitions(ctx, tx, migrated)
}

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// installedFunctions reports whether the installed functions are this program's, and when they were installed. Before
// the first migration, it returns false.
func installedFunctions(ctx context.Context, database querier) (current bool, at time.Time, err error) {
	var hash string
	err = database.QueryRow(ctx, "SELECT f.hash, f.installed_at FROM installed_functions AS f").Scan(&hash, &at)
	if server := new(pgconn.PgError); errors.Is(err, pgx.ErrNoRows) ||
		errors.As(err, &server) && server.Code == undefinedTable {
		return false, at, nil
	}
	if err != nil {
		return false, at, fmt.Errorf("find installed functions: %w", err)
	}
	return hash == migrations.FunctionsHash(), at, nil
}

// intact reports whether functions with this program's hash still match what was installed and the reporting role, if
// this user can create it, has its privileges. Somebody may have changed a function by hand, another major version of
// PostgreSQL may print definitions differently, or the database may have been restored on a server without the role.
func intact(ctx context.Context, database querier) (intact bool, err error) {
	err = database.QueryRow(ctx, `
		SELECT (p.problem IS NULL OR r.oid IS NULL AND NOT (u.rolsuper OR u.rolcreaterole)) AND NOT EXISTS (
			SELECT FROM installed_definitions AS i
			LEFT JOIN current_definitions() AS d ON d.kind = i.kind AND d.name = i.name
			WHERE NOT i.migrated AND (d.sha256 IS DISTINCT FROM i.sha256
				OR i.server_major <> current_setting('server_version_num')::integer / 10000)
		)
		FROM (SELECT reporting_problem() AS problem) AS p
		JOIN pg_roles AS u ON u.rolname = current_user
		LEFT JOIN pg_roles AS r ON r.rolname = reporting_role()`).Scan(&intact)
	if err != nil {
		return false, fmt.Errorf("read the installed functions: %w", err)
	}
	return intact, nil
}

// dropFunctions drops the installed functions, because CREATE OR REPLACE cannot change parameters and would leave
// obsolete functions behind. Functions that may have been granted to users, or that views need, are not dropped but
// replaced.
func dropFunctions(ctx context.Context, tx pgx.Tx) error {
	var list string
	err := tx.QueryRow(ctx, `
		WITH RECURSIVE needed AS (
			SELECT d.refobjid AS id
			FROM pg_depend AS d
			WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_proc'::regclass
			UNION
			SELECT d.refobjid
			FROM pg_depend AS d
			JOIN needed AS n ON n.id = d.objid
			WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_proc'::regclass
		)
		SELECT coalesce(string_agg(s.signature, ', '), '')
		FROM installed_functions AS f
		CROSS JOIN unnest(f.signatures) AS s(signature)
		JOIN pg_proc AS p ON p.oid = to_regprocedure(s.signature)
		WHERE p.pronamespace <> 'reporting'::regnamespace AND p.oid NOT IN (SELECT n.id FROM needed AS n)`).Scan(&list)
	if err != nil {
		return fmt.Errorf("find functions to drop: %w", err)
	}
	if list != "" {
		if _, err := tx.Exec(ctx, "DROP FUNCTION "+list); err != nil {
			return fmt.Errorf("drop functions: %w", err)
		}
	}
	return nil
}

// recordFunctions records the functions that the transaction created.
func recordFunctions(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO installed_functions (hash, signatures)
		SELECT $1, array_agg(p.oid::regprocedure::text ORDER BY p.oid)
		FROM pg_proc AS p
		WHERE p.xmin = pg_current_xact_id()::xid
		ON CONFLICT (only_row) DO UPDATE SET hash = excluded.hash, signatures = excluded.signatures, installed_at = now()`,
		migrations.FunctionsHash())
	if err != nil {
		return fmt.Errorf("record functions: %w", err)
	}
	return nil
}
