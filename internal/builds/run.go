// Package builds computes the statistics and pairs of all orders as a new version and switches to it.
//
// A build reads one snapshot of the orders. Two connections run its steps side by side. Each step is an SQL
// file of migrations/counting that fills tables called new_... in its own transaction. One more transaction
// attaches these tables as partitions of item_stats, item_pairs, item_neighbours and item_days, and a last one
// makes the build active. Readers see the previous build or the new one and never wait for either. All counting
// is SQL; this package only decides what runs when. It never changes an order.
package builds

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
)

// DefaultKeep is how many previously active builds are kept besides the active one, for rollback.
const DefaultKeep = 2

// ErrNotFound is returned if a build does not exist or is no longer kept.
var ErrNotFound = errors.New("no such build")

// Options of a build.
type Options struct {
	Settings Settings
	// Keep is how many previously active builds are kept besides the new one; older ones are pruned. With 0, SQL
	// reports that run during the switch may miss rows.
	Keep     int32
	Inactive bool   // do not activate the new build
	Full     bool   // count all orders instead of starting from an earlier build
	BuiltBy  string // user, for the audit
	Version  string // program version, for the audit
}

// Run builds from all orders, activates the new build, prunes the oldest ones and returns the new build. On
// error the active build stays the same, and the new one's row in builds has the reason. One build runs at a
// time; others wait.
func Run(ctx context.Context, pool *pgxpool.Pool, opts Options) (db.Build, error) {
	if err := errors.Join(opts.Settings.Validate(), validateKeep(opts.Keep)); err != nil {
		return db.Build{}, err
	}
	var built db.Build
	err := locked(ctx, pool, func(conn *pgx.Conn) (err error) {
		built, err = run(ctx, pool, conn, opts)
		return err
	})
	return built, err
}

// run does the work of Run. The caller holds the build lock.
func run(ctx context.Context, pool *pgxpool.Pool, conn *pgx.Conn, opts Options) (db.Build, error) {
	id, err := start(ctx, conn, opts, false)
	if err != nil {
		return db.Build{}, err
	}
	built, err := count(ctx, pool, conn, id, opts.Full)
	if err != nil {
		return built, errors.Join(err, fail(ctx, pool, id, err))
	}
	if opts.Inactive {
		return built, nil
	}
	// In a transaction of its own: PostgreSQL makes a commit visible a moment before other sessions learn of
	// new partitions. A build activated together with its partitions would appear empty for that moment.
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{}, func(tx pgx.Tx) error {
		built, err = activate(ctx, db.New(tx), id)
		return err
	})
	if err != nil {
		return built, fmt.Errorf("build %d is complete but could not be activated: %w", id, err)
	}
	if _, err := prune(ctx, conn, opts.Keep); err != nil {
		return built, fmt.Errorf("build %d is active, but older ones could not be removed: %w", id, err)
	}
	return built, nil
}

// Trial makes a temporary build and calls judge with it, all in one transaction that is always rolled back, so
// nobody else ever sees the build. Other builds wait meanwhile. prepare must create the temporary table
// held_out (order_id bigint); the orders in it are not counted.
func Trial(
	ctx context.Context, pool *pgxpool.Pool, opts Options,
	prepare func(pgx.Tx) error, judge func(pgx.Tx, db.Build) error,
) error {
	if err := opts.Settings.Validate(); err != nil {
		return err
	}
	errDone := errors.New("judged")
	err := locked(ctx, pool, func(conn *pgx.Conn) error {
		return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
			if err := prepare(tx); err != nil {
				return err
			}
			id, err := start(ctx, tx, opts, true)
			if err != nil {
				return err
			}
			built, err := countInTx(ctx, tx, id)
			if err != nil {
				return err
			}
			return cmp.Or(judge(tx, built), errDone)
		})
	})
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

// start inserts the row of a build and returns its ID. A trial has ID 0, so that it leaves no gap in the
// sequence.
func start(ctx context.Context, on db.DBTX, opts Options, trial bool) (id int64, err error) {
	row := pgx.NamedArgs{"built_by": opts.BuiltBy, "version": opts.Version}
	if trial {
		row["build_id"] = 0
	}
	for _, s := range SettingTable {
		row[s.Column] = s.Field(&opts.Settings)
		if s.Off != "" && s.Value(opts.Settings) == 0 {
			row[s.Column] = nil
		}
	}
	columns := slices.Sorted(maps.Keys(row))
	err = on.QueryRow(ctx, "INSERT INTO builds ("+strings.Join(columns, ", ")+") OVERRIDING SYSTEM VALUE "+
		"VALUES (@"+strings.Join(columns, ", @")+") RETURNING build_id", row).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("start build: %w", err)
	}
	return id, nil
}

// Activate makes a kept build the active one. It returns ErrNotFound if there is no such build.
func Activate(ctx context.Context, pool *pgxpool.Pool, id int64) (db.Build, error) {
	return change(ctx, pool, func(q *db.Queries) (db.Build, error) { return activate(ctx, q, id) })
}

// Rollback activates the newest kept build before the active one, skipping builds that were never active: they
// may have been refused. It returns ErrNotFound if there is none.
func Rollback(ctx context.Context, pool *pgxpool.Pool) (db.Build, error) {
	return change(ctx, pool, func(q *db.Queries) (db.Build, error) {
		before, err := q.BuildBefore(ctx)
		if errors.Is(err, pgx.ErrNoRows) {
			return db.Build{}, fmt.Errorf("%w: no previously active build is kept", ErrNotFound)
		}
		if err != nil {
			return db.Build{}, fmt.Errorf("find the previous build: %w", err)
		}
		return activate(ctx, q, before.BuildID)
	})
}

// Recover marks interrupted builds (killed, or disconnected from the database) as failed, drops what they and
// interrupted prunes left, and returns how many there were. If no build is active, it activates the newest
// complete one: its process was killed just before it could.
func Recover(ctx context.Context, pool *pgxpool.Pool) (recovered int64, err error) {
	err = pg.Reserve(ctx, pool, func(conn *pgx.Conn) error {
		// A running build has already cleaned up.
		free, err := pg.TryLock(ctx, conn, pg.BuildLock, 0)
		if err != nil || !free {
			return err
		}
		recovered, err = recoverInterrupted(ctx, conn)
		return err
	})
	return recovered, err
}

// recoverInterrupted does the work of Recover. The caller holds the build lock, so no build can be running.
func recoverInterrupted(ctx context.Context, conn *pgx.Conn) (int64, error) {
	n, err := db.New(conn).BuildRecover(ctx)
	if err != nil {
		return 0, fmt.Errorf("recover builds: %w", err)
	}
	if err := dropNew(ctx, conn); err != nil {
		return 0, err
	}
	// Checked first, because every UPDATE of builds.active notifies all servers, which is slow.
	none, err := db.New(conn).BuildNoneActive(ctx)
	if err == nil && none {
		_, err = db.New(conn).BuildActivateNewest(ctx)
	}
	if err != nil {
		return 0, fmt.Errorf("activate the newest build: %w", err)
	}
	left, err := db.New(conn).BuildIsLeft(ctx)
	if err != nil {
		return 0, fmt.Errorf("find pruned builds: %w", err)
	}
	if left {
		err = removePruned(ctx, conn, cleanupPatience)
	}
	return n, err
}

func activate(ctx context.Context, q *db.Queries, id int64) (db.Build, error) {
	if err := q.BuildDeactivate(ctx); err != nil {
		return db.Build{}, fmt.Errorf("deactivate: %w", err)
	}
	build, err := q.BuildActivate(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return db.Build{}, notKept(id)
	}
	if err != nil {
		return db.Build{}, fmt.Errorf("activate build %d: %w", id, err)
	}
	return build, nil
}

// locked calls do while holding the build lock.
func locked(ctx context.Context, pool *pgxpool.Pool, do func(*pgx.Conn) error) error {
	return pg.Reserve(ctx, pool, func(conn *pgx.Conn) error {
		if err := pg.Lock(ctx, conn, pg.BuildLock, 0); err != nil {
			return err
		}
		if err := cleanUp(ctx, conn); err != nil {
			return err
		}
		return do(conn)
	})
}

// cleanUp recovers interrupted builds. The caller holds the build lock.
func cleanUp(ctx context.Context, conn *pgx.Conn) error {
	// The workers of a killed build may outlive the session that held its lock.
	err := cmp.Or(pg.Lock(ctx, conn, pg.BuildLock, workerLock), pg.Unlock(ctx, conn, pg.BuildLock, workerLock))
	if err != nil {
		return err
	}
	_, err = recoverInterrupted(ctx, conn)
	return err
}

func change(
	ctx context.Context, pool *pgxpool.Pool, do func(*db.Queries) (db.Build, error),
) (build db.Build, err error) {
	err = locked(ctx, pool, func(conn *pgx.Conn) error {
		return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{}, func(tx pgx.Tx) error {
			build, err = do(db.New(tx))
			return err
		})
	})
	return build, err
}

// fail records in builds why the build failed, and drops its tables. It has its own timeout, because the usual
// reason is that ctx ended. If the database is unreachable too, the next holder of the build lock cleans up.
func fail(ctx context.Context, pool *pgxpool.Pool, id int64, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	reason := cause.Error()
	if errors.Is(cause, context.Canceled) {
		reason = "cancelled"
	}
	err := cmp.Or(db.New(pool).BuildFail(ctx, reason, id), dropNew(ctx, pool))
	if err != nil && !pg.IsUnavailable(err) {
		return fmt.Errorf("record the failure: %w", err)
	}
	return nil
}
