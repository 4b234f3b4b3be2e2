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

// A migration that waits for a lock makes everybody wait who comes after it, even those who only read. So it waits for
// moments only: it gives up, lets them pass, and comes again, until it gets the lock between two transactions, or has
// tried for as long as its patience lasts.
const (
	lockTimeout    = "20ms" // as PostgreSQL reads it
	firstPause     = 50 * time.Millisecond
	lastPause      = time.Second
	usualPatience  = 30 * time.Second
	waitingForLock = "waiting for a transaction that uses what the migration changes; readers go on meanwhile"
)

// patience is how a migration waits for locks.
type patience struct {
	limit  time.Duration // of all tries together
	notice func(string)  // is told once that it waits
}

// newPatience lasts as long as the lock_timeout of the role or the URL, or usualPatience without one.
func newPatience(ctx context.Context, pool *pgxpool.Pool, notices []func(string)) (patience, error) {
	w := patience{limit: usualPatience}
	var milliseconds int64
	err := pool.QueryRow(ctx, "SELECT s.setting::bigint FROM pg_settings AS s WHERE s.name = 'lock_timeout'").Scan(&milliseconds)
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

// patiently repeats do, which leaves nothing when it fails, until it no longer runs into lockTimeout, or patience ends.
func patiently[T any](ctx context.Context, w patience, do func(context.Context) (T, error)) (T, error) {
	var deadline time.Time // counts from the first failure, so that a slow machine tries at least twice
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

// stepwise repeats run, which applies migrations one by one, from the one that ran into lockTimeout. It returns those
// that were applied, by whichever try, whether or not one failed at last.
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
