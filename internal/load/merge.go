package load

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
)

var (
	//go:embed staging.sql
	createStaging string
	//go:embed returns.sql
	createReturns string
)

const (
	// makeRoom prepares empty tables for rows in their final form. Tables truncated in the same transaction need no WAL,
	// and building their keys after all rows are in takes a fifth of the time; the next build creates the index of
	// order_lines by item. It locks tables that hold nothing to read.
	makeRoom = `SET LOCAL maintenance_work_mem = '256MB'; TRUNCATE items, orders, order_lines;
		ALTER TABLE orders DROP CONSTRAINT orders_pkey, DROP CONSTRAINT orders_external_id_key;
		ALTER TABLE order_lines DROP CONSTRAINT order_lines_pkey; DROP INDEX IF EXISTS order_lines_item_id_idx`
	makeKeys = `ALTER TABLE orders ADD CONSTRAINT orders_pkey PRIMARY KEY (order_id),
			ADD CONSTRAINT orders_external_id_key UNIQUE (external_id);
		ALTER TABLE order_lines ADD CONSTRAINT order_lines_pkey PRIMARY KEY (order_id, item_id)`
	setSequences = `SELECT setval(pg_get_serial_sequence('items', 'item_id'), $1),
		setval(pg_get_serial_sequence('orders', 'order_id'), $2)`

	// unmakeRoom moves rows from the final tables to staging tables.
	unmakeRoom = `INSERT INTO staged_names SELECT i.item_id, i.name FROM items AS i;
		INSERT INTO staged_orders
			SELECT o.order_id, o.external_id, o.ordered_at, o.customer_id, o.load_id, o.items FROM orders AS o;
		INSERT INTO staged_lines SELECT l.order_id, l.item_id, l.quantity, l.load_id FROM order_lines AS l;
		TRUNCATE items, orders, order_lines`

	// prepareMerge gives joins and aggregates more memory, and the planner statistics of the staged rows.
	prepareMerge = `SET LOCAL work_mem = '128MB'; SET LOCAL default_statistics_target = 10;
		ANALYZE staged_names; ANALYZE staged_orders (order_id, external_id); ANALYZE staged_lines`
	analyzeMerged = "ANALYZE item_numbers; ANALYZE order_numbers; ANALYZE orders (order_id, external_id)"
	analyzeLines  = "ANALYZE numbered_lines"
)

// merged counts what a load put into the tables. disputedLines are known lines that have returns.
type merged struct{ items, knownOrders, orders, disputedLines, knownLines, lines int64 }

// fill copies the rows of a stage into empty tables. If the lines of an order were not all together, it falls back to
// merging.
func fill(ctx context.Context, tx pgx.Tx, s *stage) (m merged, err error) {
	if _, err := tx.Exec(ctx, makeRoom+";"+createReturns); err != nil {
		return m, fmt.Errorf("make room: %w", err)
	}
	if err := s.copy(ctx, tx, emptyTables); err != nil {
		return m, err
	}
	err = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, makeKeys)
		return err
	})
	if cause := new(pgconn.PgError); errors.As(err, &cause) && cause.ConstraintName == "orders_external_id_key" {
		if _, err := tx.Exec(ctx, createStaging+unmakeRoom); err != nil {
			return m, fmt.Errorf("stage rows: %w", err)
		}
		if m, err = merge(ctx, tx, s.loadID); err == nil {
			_, err = tx.Exec(ctx, makeKeys)
		}
		return m, err
	}
	if err != nil {
		return m, fmt.Errorf("make keys: %w", err)
	}
	items := int64(len(s.items))
	if s.orders > 0 {
		if _, err := tx.Exec(ctx, setSequences, items, s.orders); err != nil {
			return m, fmt.Errorf("set sequences: %w", err)
		}
	}
	return merged{items: items, orders: s.orders, lines: s.lines}, nil
}

// stageRows copies the rows of a stage into staging tables for merge.
func stageRows(ctx context.Context, tx pgx.Tx, s *stage) error {
	if _, err := tx.Exec(ctx, createStaging+createReturns); err != nil {
		return fmt.Errorf("make staging tables: %w", err)
	}
	if err := s.copy(ctx, tx, stagingTables); err != nil {
		return err
	}
	return pg.LockTx(ctx, tx, pg.MergeLock, 0)
}

// merge merges the staged rows into the tables. The caller holds the merge lock.
func merge(ctx context.Context, tx pgx.Tx, loadID int64) (m merged, err error) {
	q := db.New(tx)
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
	run := func(statement func(context.Context) (int64, error)) func() error {
		return func() error {
			_, err := statement(ctx)
			return err
		}
	}
	dispute := func() error {
		if returns, err := q.ReturnedLineExists(ctx); err != nil || !returns {
			return err
		}
		return count(&m.disputedLines, q.StagedLineDispute)()
	}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"analyze staged rows", exec(prepareMerge)},
		{"merge items", func() (err error) { m.items, err = q.StagedItemMerge(ctx); return err }},
		{"number items", run(q.StagedItemNumber)},
		{"keep known orders", count(&m.knownOrders, q.StagedOrderKnow)},
		{"merge orders", count(&m.orders, q.StagedOrderMerge)},
		{"number orders", run(q.StagedOrderNumber)},
		{"analyze orders", exec(analyzeMerged)},
		{"number order lines", run(q.StagedLineNumber)},
		{"analyze order lines", exec(analyzeLines)},
		{"keep disputed order lines", dispute},
		{"keep known order lines", count(&m.knownLines, q.StagedLineKnow)},
		{"merge order lines", count(&m.lines, q.StagedLineMerge)},
		{"extend known orders", count(new(int64), q.StagedOrderExtend)},
	} {
		if err := step.do(); err != nil {
			return m, fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return m, nil
}
