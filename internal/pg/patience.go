package pg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// A migration that waits for a lock makes everybody wait who comes after it, even those who only read. So it waits for
// moments only: it gives up, lets them pass, and comes again, until it gets the lock between two transactions.
const (
	lockTimeout = "20ms" // as PostgreSQL reads it
	firstPause  = 50 * time.Millisecond
	lastPause   = time.Second
)

type waitingKey struct{}

// OnWait returns a context under which migrations call waiting each time they have to give up on a lock.
func OnWait(ctx context.Context, waiting func()) context.Context {
	return context.WithValue(ctx, waitingKey{}, waiting)
}

// patiently repeats do, which leaves nothing when it fails, until it no longer runs into lockTimeout.
func patiently[T any](ctx context.Context, do func(context.Context) (T, error)) (T, error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		value, err := do(ctx)
		if server := new(pgconn.PgError); !errors.As(err, &server) || server.Code != lockNotAvailable {
			return value, err
		}
		if waiting, ok := ctx.Value(waitingKey{}).(func()); ok {
			waiting()
		}
		select {
		case <-ctx.Done():
			return value, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// stepwise repeats run, which applies migrations one by one, from the one that ran into lockTimeout. It returns those
// that were applied, by whichever try, whether or not one failed at last.
func stepwise(
	ctx context.Context, run func(context.Context) ([]*goose.MigrationResult, error),
) ([]*goose.MigrationResult, error) {
	var all []*goose.MigrationResult
	_, err := patiently(ctx, func(ctx context.Context) (struct{}, error) {
		results, err := run(ctx)
		if partial := new(goose.PartialError); errors.As(err, &partial) {
			results = partial.Applied
		}
		all = append(all, results...)
		return struct{}{}, err
	})
	return all, err
}

// impatientLocker sets lockTimeout for the session that migrates.
type impatientLocker struct{ lock.SessionLocker }

// SessionLock is goose's, which asks again and again and needs no timeout.
func (l impatientLocker) SessionLock(ctx context.Context, conn *sql.Conn) error {
	if err := l.SessionLocker.SessionLock(ctx, conn); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "SET lock_timeout = '"+lockTimeout+"'"); err != nil {
		return errors.Join(fmt.Errorf("set lock_timeout: %w", err), l.SessionUnlock(context.WithoutCancel(ctx), conn))
	}
	return nil
}

// SessionUnlock leaves the session as it was.
func (l impatientLocker) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "RESET lock_timeout")
	return errors.Join(err, l.SessionLocker.SessionUnlock(ctx, conn))
}
