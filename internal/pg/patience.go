package pg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// A migration that waits for a lock blocks everyone who queues behind it, even readers. So it waits only briefly, gives
// up, lets the others pass and retries, until it gets the lock between two transactions or its patience runs out.
const (
	lockTimeout    = "20ms" // in PostgreSQL's syntax
	firstPause     = 50 * time.Millisecond
	lastPause      = time.Second
	usualPatience  = 30 * time.Second
	waitingForLock = "waiting for a transaction that uses the tables to be migrated; readers are not blocked"
)

// patience configures how a migration waits for locks.
type patience struct {
	limit  time.Duration // of all attempts together
	notice func(string)  // called once, when the wait begins
}

// newPatience returns a patience with the lock_timeout of the role or the URL, or usualPatience if it is 0.
func newPatience(ctx context.Context, pool *pgxpool.Pool, notices []func(string)) (patience, error) {
	w := patience{limit: usualPatience}
	var milliseconds int64
	err := pool.QueryRow(ctx,
		"SELECT s.setting::bigint FROM pg_settings AS s WHERE s.name = 'lock_timeout'").Scan(&milliseconds)
	if err != nil {
		return w, fmt.Errorf("find lock_timeout: %w", err)
	}
	if milliseconds > 0 {
		w.limit = time.Duration(milliseconds) * time.Millisecond
	}
	var once sync.Once
	w.notice = func(text string) {
		once.Do(func() {
			for _, notice := range notices {
				notice(text)
			}
		})
	}
	return w, nil
}

// patiently retries do, which must leave nothing behind on failure, until it does not fail with lockTimeout or the
// limit is reached.
func patiently[T any](ctx context.Context, w patience, do func(context.Context) (T, error)) (T, error) {
	var deadline time.Time // counts from the first failure, so that slow machines get at least two attempts
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		value, err := do(ctx)
		server := new(pgconn.PgError)
		if !errors.As(err, &server) || server.Code != lockNotAvailable {
			return value, err
		}
		switch now := time.Now(); {
		case deadline.IsZero():
			deadline = now.Add(w.limit)
			w.notice(waitingForLock)
		case now.After(deadline):
			return value, err
		}
		select {
		case <-ctx.Done():
			return value, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// stepwise retries run, which applies migrations one by one, from the one that failed with lockTimeout. It returns all
// migrations applied by any attempt, even if the last one failed.
func stepwise(
	ctx context.Context, w patience, run func(context.Context) ([]*goose.MigrationResult, error),
) ([]*goose.MigrationResult, error) {
	var all []*goose.MigrationResult
	_, err := patiently(ctx, w, func(ctx context.Context) (struct{}, error) {
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

// SessionLock takes goose's lock, which is polled and so needs no timeout, before it sets lockTimeout.
func (l impatientLocker) SessionLock(ctx context.Context, conn *sql.Conn) error {
	if err := l.SessionLocker.SessionLock(ctx, conn); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "SET lock_timeout = '"+lockTimeout+"'"); err != nil {
		return errors.Join(fmt.Errorf("set lock_timeout: %w", err), l.SessionUnlock(context.WithoutCancel(ctx), conn))
	}
	return nil
}

// SessionUnlock restores the session's lock_timeout.
func (l impatientLocker) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "RESET lock_timeout")
	return errors.Join(err, l.SessionLocker.SessionUnlock(ctx, conn))
}
