package builds

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/migrations"
)

// A step is one file of migrations/counting. Each worker runs its own steps in this order, so that every step
// finds the tables it reads; the two workers run side by side.
type step struct {
	name       string
	worker     int
	after      string // the other worker's step that must finish first
	readOrders bool   // runs in the build's snapshot
}

var steps = []step{
	{name: "stats", worker: 1, readOrders: true},
	{name: "pairs", worker: 0, readOrders: true},
	{name: "days", worker: 1, readOrders: true},
	{name: "chance", worker: 1, after: "pairs"},
	{name: "line_index", worker: 1},
	{name: "kept_neighbours", worker: 0, after: "stats"},
	{name: "overlaps", worker: 0},
	{name: "similar", worker: 1, after: "kept_neighbours"},
	{name: "pair_keys", worker: 1}, // locks new_item_pairs, which kept_neighbours reads
	{name: "neighbours", worker: 0, after: "similar"},
}

const workers = 2

// workerLock is the object ID of the advisory lock that all workers of a build share.
const workerLock = 1

// prepareSession raises the memory limits for sorts, joins and aggregates and turns off parallel plans: two
// workers already occupy the processors. With synchronous_commit off, only the commit that attaches the tables
// waits for the disk, and it flushes everything before it.
const prepareSession = `SET synchronous_commit = off; SET work_mem = '256MB';
	SET maintenance_work_mem = '128MB'; SET max_parallel_workers_per_gather = 0;
	SET max_parallel_maintenance_workers = 0; SET jit = off`

// The tables that the steps fill: newPartitions become partitions of the table they are named after, newOthers
// are dropped when the build is attached.
var (
	newPartitions = []string{"item_stats", "item_pairs", "item_neighbours", "item_days"}
	newOthers     = []string{
		"new_item_counts", "new_kept_neighbours", "new_similar", "new_item_overlaps", "new_order_days",
	}
)

// The two sources of a build, each a file of migrations/counting: all orders, or those that changed since the
// base build.
const (
	allOrders     = "orders"
	changedOrders = "changes"
)

// count fills the tables of build id and attaches them, using conn and two more connections.
func count(ctx context.Context, pool *pgxpool.Pool, conn *pgx.Conn, id int64, full bool) (built db.Build, err error) {
	seconds := make([]float64, len(steps))
	counts := allOrders
	if !full {
		// Before the snapshot is taken, so that the workers see the base.
		bases, err := db.New(conn).BuildChooseBase(ctx, id)
		if err != nil {
			return db.Build{}, fmt.Errorf("build %d: choose base: %w", id, err)
		}
		if bases > 0 {
			counts = changedOrders
		}
	}
	// The workers share this transaction's snapshot: orders loaded meanwhile are left to the next build.
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		var snapshot string
		err := tx.QueryRow(ctx, "SELECT pg_export_snapshot() "+
			"FROM set_config('idle_in_transaction_session_timeout', '0', true)").Scan(&snapshot)
		if err != nil {
			return fmt.Errorf("export snapshot: %w", err)
		}
		done := map[string]chan struct{}{}
		for _, s := range steps {
			done[s.name] = make(chan struct{})
		}
		group, ctx := errgroup.WithContext(ctx)
		for worker := range workers {
			group.Go(func() error {
				return pg.Reserve(ctx, pool, func(conn *pgx.Conn) error {
					return work(ctx, conn, worker, counts, snapshot, done, seconds)
				})
			})
		}
		return group.Wait()
	})
	if err != nil {
		return db.Build{}, fmt.Errorf("build %d: %w", id, err)
	}
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{}, func(tx pgx.Tx) error {
		built, err = attach(ctx, tx, id, seconds)
		return err
	})
	return built, err
}

// work runs the steps of one worker.
func work(
	ctx context.Context, conn *pgx.Conn, worker int, counts, snapshot string,
	done map[string]chan struct{}, seconds []float64,
) error {
	if err := pg.LockShared(ctx, conn, pg.BuildLock, workerLock); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, prepareSession+"; CREATE TEMPORARY TABLE held_out (order_id bigint)"); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	run := func(name string, readOrders bool) error {
		options, before := pgx.TxOptions{}, ""
		if readOrders {
			options.IsoLevel, before = pgx.RepeatableRead, "SET TRANSACTION SNAPSHOT '"+snapshot+"';"
		}
		return pgx.BeginTxFunc(ctx, conn, options, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, before+migrations.Counting(name)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	if err := cmp.Or(run(counts, true), run("counted", true)); err != nil {
		return err
	}
	for i, s := range steps {
		if s.worker != worker {
			continue
		}
		if s.after != "" {
			select {
			case <-done[s.after]:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		began := time.Now()
		if err := run(s.name, s.readOrders); err != nil {
			return err
		}
		seconds[i] = time.Since(began).Seconds()
		close(done[s.name])
	}
	return nil
}

// countInTx fills and attaches the tables of build id within tx. The orders in tx's table held_out are ignored.
func countInTx(ctx context.Context, tx pgx.Tx, id int64) (db.Build, error) {
	local := strings.ReplaceAll(prepareSession, "SET ", "SET LOCAL ") + ";"
	if _, err := tx.Exec(ctx, local+migrations.Counting(allOrders)+migrations.Counting("counted")); err != nil {
		return db.Build{}, fmt.Errorf("prepare build %d: %w", id, err)
	}
	seconds := make([]float64, len(steps))
	for i, s := range steps {
		began := time.Now()
		if _, err := tx.Exec(ctx, migrations.Counting(s.name)); err != nil {
			return db.Build{}, fmt.Errorf("build %d: %s: %w", id, s.name, err)
		}
		seconds[i] = time.Since(began).Seconds()
	}
	return attach(ctx, tx, id, seconds)
}

// attach makes the new tables partitions of build id. The CHECK constraint saves ATTACH a scan of the rows.
// ATTACH takes SHARE UPDATE EXCLUSIVE on the parents, which does not block readers.
func attach(ctx context.Context, tx pgx.Tx, id int64, seconds []float64) (db.Build, error) {
	began := time.Now()
	build := strconv.FormatInt(id, 10)
	var statement strings.Builder
	statement.WriteString("INSERT INTO order_days (build_id, day, orders) " +
		"SELECT d.build_id, d.day, d.orders FROM new_order_days AS d;")
	for _, parent := range newPartitions {
		statement.WriteString(strings.ReplaceAll(`
			ALTER TABLE new_PARENT RENAME TO PARENTSUFFIX;
			ALTER TABLE PARENTSUFFIX RENAME CONSTRAINT new_PARENT_pkey TO PARENTSUFFIX_pkey;
			ALTER TABLE PARENTSUFFIX ADD CONSTRAINT PARENTSUFFIX_build_check CHECK (build_id = BUILD);
			ALTER TABLE PARENT ATTACH PARTITION PARENTSUFFIX FOR VALUES IN (BUILD);
			ALTER TABLE PARENTSUFFIX DROP CONSTRAINT PARENTSUFFIX_build_check;`, "PARENT", parent))
	}
	statement.WriteString(`
		ALTER TABLE item_statsSUFFIX
			RENAME CONSTRAINT new_item_stats_popularity_rank_key TO item_statsSUFFIX_popularity_rank_key;
		ALTER INDEX new_item_pairs_item_b_idx RENAME TO item_pairsSUFFIX_item_b_idx;
		DROP TABLE ` + strings.Join(newOthers, ", "))
	fillIn := strings.NewReplacer("SUFFIX", "_"+build, "BUILD", build)
	if _, err := tx.Exec(ctx, fillIn.Replace(statement.String())); err != nil {
		return db.Build{}, fmt.Errorf("build %d: attach: %w", id, err)
	}
	took := func(names ...string) (sum float64) {
		for i, s := range steps {
			if slices.Contains(names, s.name) {
				sum += seconds[i]
			}
		}
		return sum
	}
	built, err := db.New(tx).BuildFinish(ctx, db.BuildFinishParams{
		BuildID:      id,
		StatsSeconds: took("stats", "days"),
		PairsSeconds: took("pairs", "pair_keys"),
		NeighboursSeconds: took("chance", "kept_neighbours", "overlaps", "similar", "neighbours") +
			time.Since(began).Seconds(),
	})
	if err != nil {
		return db.Build{}, fmt.Errorf("finish build %d: %w", id, err)
	}
	return built, nil
}

// dropNew drops the tables of an interrupted build.
func dropNew(ctx context.Context, on db.DBTX) error {
	names := slices.Clone(newOthers)
	for _, parent := range newPartitions {
		names = append(names, "new_"+parent)
	}
	if _, err := on.Exec(ctx, "DROP TABLE IF EXISTS "+strings.Join(names, ", ")); err != nil {
		return fmt.Errorf("drop the tables of an interrupted build: %w", err)
	}
	return nil
}
