package builds

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
)

// Prune removes the rows of old builds and returns how many builds it pruned. It keeps the active build, the
// newest keep others that have been active, and the newest that never was. The rows of pruned builds in table
// builds stay.
func Prune(ctx context.Context, pool *pgxpool.Pool, keep int32) (pruned int, err error) {
	if err := validateKeep(keep); err != nil {
		return 0, err
	}
	err = locked(ctx, pool, func(conn *pgx.Conn) error {
		pruned, err = prune(ctx, conn, keep)
		return err
	})
	return pruned, err
}

// prune never blocks a reader: it first marks the builds, then detaches their partitions concurrently, waiting
// for their readers, and then drops them. Whatever a killed prune leaves is removed by the next holder of the
// lock.
func prune(ctx context.Context, conn *pgx.Conn, keep int32) (pruned int, err error) {
	q := db.New(conn)
	ids, err := q.BuildPrunable(ctx, keep)
	if err != nil {
		return 0, fmt.Errorf("find builds to prune: %w", err)
	}
	for _, id := range ids {
		if err := q.BuildPruned(ctx, id); err != nil {
			return 0, fmt.Errorf("prune build %d: %w", id, err)
		}
	}
	return len(ids), removePruned(ctx, conn, readerPatience)
}

// removePruned removes the remaining tables and rows of pruned builds. If readers may still need them when
// patience runs out, it leaves them to the next prune.
func removePruned(ctx context.Context, conn *pgx.Conn, patience time.Duration) error {
	q := db.New(conn)
	left, err := q.BuildIsLeft(ctx)
	if err != nil {
		return fmt.Errorf("find pruned builds: %w", err)
	}
	if left {
		gone, err := waitForReaders(ctx, conn, patience)
		if err != nil || !gone {
			return err
		}
	}
	tables, err := q.BuildTableDroppable(ctx)
	if err != nil {
		return fmt.Errorf("find tables to drop: %w", err)
	}
	for _, t := range tables {
		name, parent := pgx.Identifier{t.Name}.Sanitize(), pgx.Identifier{t.Parent}.Sanitize()
		switch {
		case t.Parent == "": // detached by a prune that was killed
		case t.DetachPending:
			_, err = conn.Exec(ctx, "ALTER TABLE "+parent+" DETACH PARTITION "+name+" FINALIZE")
		default:
			_, err = conn.Exec(ctx, "ALTER TABLE "+parent+" DETACH PARTITION "+name+" CONCURRENTLY")
		}
		if err == nil {
			_, err = conn.Exec(ctx, "DROP TABLE "+name)
		}
		if err != nil {
			return fmt.Errorf("drop %s: %w", t.Name, err)
		}
	}
	if err := q.BuildDayDelete(ctx); err != nil {
		return fmt.Errorf("delete the days of pruned builds: %w", err)
	}
	if err := q.OrderChangeForget(ctx); err != nil {
		return fmt.Errorf("delete changes of orders: %w", err)
	}
	return forgetItems(ctx, conn)
}

// How long a prune waits for transactions that may still read the builds it marked, and how long another
// process waits when it finishes an interrupted prune.
const (
	readerPatience  = 10 * time.Second
	cleanupPatience = time.Second
)

// waitForReaders waits for every transaction that is running now and reports whether all of them ended. A
// transaction that began before the builds were marked may have chosen one of them and not read its rows yet.
// CREATE INDEX CONCURRENTLY waits for the same reason.
func waitForReaders(ctx context.Context, conn *pgx.Conn, patience time.Duration) (gone bool, err error) {
	q := db.New(conn)
	running, err := q.TransactionList(ctx)
	if err != nil {
		return false, fmt.Errorf("find readers: %w", err)
	}
	const interval = 5 * time.Millisecond
	for deadline := time.Now().Add(patience); len(running) > 0 && time.Now().Before(deadline); {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(interval):
		}
		now, err := q.TransactionList(ctx)
		if err != nil {
			return false, fmt.Errorf("wait for readers: %w", err)
		}
		running = slices.DeleteFunc(running, func(id string) bool { return !slices.Contains(now, id) })
	}
	return len(running) == 0, nil
}

// forgetItems deletes the items that are in no order and no kept build, because their loads were reverted or
// their orders deleted. Finding them takes a while, so it only looks if there are more items than the newest
// build counted. It holds the merge lock, because a load that is about to use an item must find it.
func forgetItems(ctx context.Context, conn *pgx.Conn) error {
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{}, func(tx pgx.Tx) error {
		q := db.New(tx)
		if more, err := q.ItemMayBeUnused(ctx); err != nil || !more {
			return err
		}
		if err := pg.LockTx(ctx, tx, pg.MergeLock, 0); err != nil {
			return err
		}
		if _, err := q.ItemDeleteUnused(ctx); err != nil {
			return fmt.Errorf("delete unused items: %w", err)
		}
		return nil
	})
}

func validateKeep(keep int32) error {
	if keep < 0 {
		return fmt.Errorf("keep is %d: choose 0 or more builds", keep)
	}
	return nil
}
