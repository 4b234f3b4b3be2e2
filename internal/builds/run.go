// Package builds computes the statistics and pairs of all orders into a new version and switches to it.
//
// A build looks at one snapshot of the orders. Two connections run its steps side by side, each step a file of SQL (migrations/counting) in a
// transaction of its own that fills tables called new_...; one transaction makes these partitions of item_stats, item_pairs, item_neighbours
// and item_days, and another makes the build the active one: readers see the build before or this one, and wait for neither. The counting
// is SQL; the package only says what runs when. It never changes an order.
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

// DefaultKeep is how many builds that have been active stay beside the active one, for rollback.
const DefaultKeep = 2

// ErrNotFound says that there is no such build, or that it is not kept any more.
var ErrNotFound = errors.New("no such build")

// Options of a build.
type Options struct {
	Settings Settings
	Keep     int32  // builds that have been active to keep beside the new one; older ones are pruned. With 0, SQL reports that run during the switch may miss rows
	Inactive bool   // leave the active build the active one
	Full     bool   // count all orders, even if an earlier build could be the base
	BuiltBy  string // who, for the audit
	Version  string // which program, for the audit
}

// Run makes a new build of all orders, activates it, prunes the oldest, and returns the new build. On error the active build is the one it
// was, and the row in builds says why the new one failed. One build runs at a time; further ones wait.
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

// run is called by the holder of the build lock.
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
	// In a transaction of its own: PostgreSQL shows a commit to others a moment before it tells their sessions of new partitions. In that
	// moment a build that became active with its partitions would have no rows for them.
	err = pg.InTx(ctx, conn, pgx.TxOptions{}, func(tx pgx.Tx) error {
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

// Trial makes a build of the orders that prepare does not put into the temporary table held_out (order_id bigint), which it has to make, and has judge look
// at it, all in one transaction that is rolled back whatever comes of it: nobody else ever sees the build. Other builds wait meanwhile.
func Trial(ctx context.Context, pool *pgxpool.Pool, opts Options, prepare func(pgx.Tx) error, judge func(pgx.Tx, db.Build) error) error {
	if err := opts.Settings.Validate(); err != nil {
		return err
	}
	errDone := errors.New("judged")
	err := locked(ctx, pool, func(conn *pgx.Conn) error {
		return pg.InTx(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
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

// start inserts the row of a build and returns its id. A trial is build 0: it takes no number of the sequence,
// and so leaves no gap.
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

// Activate makes a kept build the one that answers. It returns ErrNotFound when there is none of that id.
func Activate(ctx context.Context, pool *pgxpool.Pool, id int64) (db.Build, error) {
	return change(ctx, pool, func(q *db.Queries) (db.Build, error) { return activate(ctx, q, id) })
}

// Rollback makes the newest kept build before the active one the one that answers, of those that have been active: the others may have been refused.
// It returns ErrNotFound when there is none.
func Rollback(ctx context.Context, pool *pgxpool.Pool) (db.Build, error) {
	return change(ctx, pool, func(q *db.Queries) (db.Build, error) {
		before, err := q.BuildBefore(ctx)
		if errors.Is(err, pgx.ErrNoRows) {
			return db.Build{}, fmt.Errorf("%w: no earlier active build is kept", ErrNotFound)
		}
		if err != nil {
			return db.Build{}, fmt.Errorf("find the build before: %w", err)
		}
		return activate(ctx, q, before.BuildID)
	})
}

// Recover marks the builds as failed that were interrupted: killed, or cut off from their database, and drops what they and
// interrupted prunes left. It returns how many. A first build that was killed when it was whole, but not active yet, becomes active.
func Recover(ctx context.Context, pool *pgxpool.Pool) (recovered int64, err error) {
	err = pg.Reserve(ctx, pool, func(conn *pgx.Conn) error {
		// A build that runs has seen to the dead ones when it began.
		free, err := pg.TryLock(ctx, conn, pg.BuildLock, 0)
		if err != nil || !free {
			return err
		}
		recovered, err = recoverDead(ctx, conn)
		return err
	})
	return recovered, err
}

// recoverDead must be called by the holder of the build lock: no build can be running then.
func recoverDead(ctx context.Context, conn *pgx.Conn) (int64, error) {
	n, err := db.New(conn).BuildRecover(ctx)
	if err != nil {
		return 0, fmt.Errorf("recover builds: %w", err)
	}
	if err := dropNew(ctx, conn); err != nil {
		return 0, err
	}
	// Asked first: a change of builds.active gives notice, which takes its time even if nothing changes.
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
		err = removePruned(ctx, conn, heirsPatience)
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

// locked holds the build lock while do runs.
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

// cleanUp sees to builds that were killed. The caller holds the build lock.
func cleanUp(ctx context.Context, conn *pgx.Conn) error {
	// The workers of a build outlive the session that had its lock for a moment.
	if err := cmp.Or(pg.Lock(ctx, conn, pg.BuildLock, workerLock), pg.Unlock(ctx, conn, pg.BuildLock, workerLock)); err != nil {
		return err
	}
	_, err := recoverDead(ctx, conn)
	return err
}

func change(ctx context.Context, pool *pgxpool.Pool, do func(*db.Queries) (db.Build, error)) (build db.Build, err error) {
	err = locked(ctx, pool, func(conn *pgx.Conn) error {
		return pg.InTx(ctx, conn, pgx.TxOptions{}, func(tx pgx.Tx) error {
			build, err = do(db.New(tx))
			return err
		})
	})
	return build, err
}

// fail says in builds why the build failed, and drops what it left. It is given time of its own: the usual reason is that ctx ended. When the
// database is gone too, the next holder of the build lock does both.
func fail(ctx context.Context, pool *pgxpool.Pool, id int64, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	reason := cause.Error()
	if errors.Is(cause, context.Canceled) {
		reason = "cancelled"
	}
	err := cmp.Or(db.New(pool).BuildFail(ctx, reason, id), dropNew(ctx, pool))
	if err != nil && !pg.IsUnavailable(err) {
		return fmt.Errorf("audit of the failure: %w", err)
	}
	return nil
}
