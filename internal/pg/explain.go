package pg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// explain adds to err why a migration failed. Each migration is a transaction of its own, so a failed one left nothing
// behind and the next run continues there.
func (p place) explain(ctx context.Context, pool *pgxpool.Pool, role string, err error) error {
	if err == nil {
		return nil
	}
	server := new(pgconn.PgError)
	if !errors.As(err, &server) {
		return err
	}
	if partial := new(goose.PartialError); errors.As(err, &partial) {
		err = fmt.Errorf("migration %s: %w", partial.Failed.Source.Path, server)
	}
	switch server.Code {
	case insufficientPrivilege:
		return fmt.Errorf("%w: role %s lacks the privileges: see docs/roles.md for what the owner needs", err, role)
	case lockNotAvailable:
		holders, lookErr := p.lockHolders(ctx, pool)
		if lookErr != nil {
			return errors.Join(err, lookErr)
		}
		if holders == "" {
			holders = "a session that has ended since"
		}
		return fmt.Errorf("%w: a table is locked by %s: run it again when that has ended", err, holders)
	}
	return err
}

// lockHolders names the transactions that hold locks on our tables, oldest first.
func (p place) lockHolders(ctx context.Context, pool *pgxpool.Pool) (string, error) {
	return holders(ctx, pool, "k.locktype = 'relation' AND k.relation IN (SELECT c.oid FROM pg_class AS c "+
		"WHERE c.relnamespace IN (to_regnamespace("+literal(p.Schema)+"), to_regnamespace('reporting')))")
}

// migrationHolder names the session that is migrating, or returns "".
func migrationHolder(ctx context.Context, pool *pgxpool.Pool) (string, error) {
	const advisory = "k.locktype = 'advisory' AND k.objsubid = 1 AND k.classid::bigint << 32 | k.objid::bigint = %d"
	return holders(ctx, pool, fmt.Sprintf(advisory, lock.DefaultLockID))
}

// holders names the sessions that hold locks that match the condition, oldest transaction first.
func holders(ctx context.Context, pool *pgxpool.Pool, condition string) (string, error) {
	rows, err := pool.Query(ctx, `
		SELECT format('process %s (role %s, application %s%s)', a.pid, coalesce(a.usename, 'unknown'),
		       coalesce(nullif(a.application_name, ''), 'unknown'),
		       to_char(a.xact_start AT TIME ZONE 'UTC', '", in its transaction since "HH24:MI:SS "UTC"'))
		FROM pg_stat_activity AS a
		WHERE a.pid <> pg_backend_pid() AND a.pid IN (
			SELECT k.pid
			FROM pg_locks AS k
			JOIN pg_database AS d ON d.oid = k.database AND d.datname = current_database()
			WHERE k.granted AND `+condition+`
		)
		ORDER BY a.xact_start, a.pid
		LIMIT 3`)
	if err != nil {
		return "", fmt.Errorf("find who holds the locks: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return "", fmt.Errorf("find who holds the locks: %w", err)
	}
	return strings.Join(names, ", "), nil
}
