package load

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
)

const (
	// prepareMerge gives joins and sorts their memory, and the planner a few statistics of what was just staged: without any it would join
	// half a million rows in nested loops.
	prepareMerge = `SET LOCAL work_mem = '128MB'; SET LOCAL maintenance_work_mem = '128MB'; SET LOCAL default_statistics_target = 10;
		ANALYZE staged_rows (order_id, item_name, reason)`

	// sortGroups: orders and lines are grouped by what they have to be sorted by anyway. Grouping them by hash instead would take twice the
	// time and 450 bytes per line.
	sortGroups = "SET LOCAL enable_hashagg = off"

	// analyzeMerged tells the planner how many orders and items there are now: lines are matched with both.
	analyzeMerged = "ANALYZE orders (order_id, external_id), items (item_id, name)"

	// Where there are no orders yet, their keys are made after the merge: that takes a fifth of the time of keeping them up row by row. It
	// locks tables that nobody has anything to read from.
	dropKeys = `ALTER TABLE orders DROP CONSTRAINT orders_pkey, DROP CONSTRAINT orders_external_id_key;
		ALTER TABLE order_lines DROP CONSTRAINT order_lines_pkey; DROP INDEX order_lines_item_id_idx`
	makeKeys = `ALTER TABLE orders ADD CONSTRAINT orders_pkey PRIMARY KEY (order_id), ADD CONSTRAINT orders_external_id_key UNIQUE (external_id);
		ALTER TABLE order_lines ADD CONSTRAINT order_lines_pkey PRIMARY KEY (order_id, item_id);
		CREATE INDEX order_lines_item_id_idx ON order_lines (item_id, order_id)`
)

// merged counts what a merge put into the tables.
type merged struct {
	items, knownOrders, orders, knownLines, lines, rejected int64
}

// merge brings the staged rows into the tables. The caller holds the lock of merges.
func merge(ctx context.Context, tx pgx.Tx, loadID int64) (m merged, err error) {
	q := db.New(tx)
	some, err := q.OrderExists(ctx)
	if err != nil {
		return m, fmt.Errorf("look for orders: %w", err)
	}
	before, after := "", ""
	if !some {
		before, after = dropKeys, makeKeys
	}
	exec := func(sql string) func() error {
		return func() error {
			_, err := tx.Exec(ctx, sql)
			return err
		}
	}
	count := func(rows *int64, statement func(context.Context, int64) (int64, error)) func() error {
		return func() (err error) {
			*rows, err = statement(ctx, loadID)
			return err
		}
	}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"analyze staged rows", exec(prepareMerge)},
		{"merge items", func() (err error) { m.items, err = q.StagedItemMerge(ctx); return err }},
		{"prepare merge", exec(sortGroups)},
		{"put off keys", exec(before)},
		{"keep known orders", count(&m.knownOrders, q.StagedOrderKnow)},
		{"merge orders", count(&m.orders, q.StagedOrderMerge)},
		{"analyze orders", exec(analyzeMerged)},
		{"keep known order lines", count(&m.knownLines, q.StagedLineKnow)},
		{"merge order lines", count(&m.lines, q.StagedLineMerge)},
		{"extend known orders", count(new(int64), q.StagedOrderExtend)},
		{"keep rejects", count(&m.rejected, q.StagedRejectMerge)},
		{"make keys", exec(after)},
	} {
		if err := step.do(); err != nil {
			return m, fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return m, nil
}
