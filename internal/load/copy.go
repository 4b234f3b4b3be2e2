package load

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
)

// target names the tables that a load copies its rows into: the final tables while they are empty, staging tables
// otherwise.
type target struct{ items, orders, lines, options string }

// Frozen rows need no vacuum later, but COPY freezes only rows of a table truncated in the same transaction.
var (
	emptyTables   = target{"items", "orders", "order_lines", ", FREEZE"}
	stagingTables = target{"staged_names", "staged_orders", "staged_lines", ""}
)

const rejectColumns = "load_rejects (load_id, row_number, file_number, line_number, reason, detail, raw, parsed, outcome)"

// copy reads all rows and copies them into the tables of t, and rejects into their own table. It reads one chunk while
// it copies another.
func (s *stage) copy(ctx context.Context, tx pgx.Tx, t target) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	full, empty := make(chan *chunk), make(chan *chunk, 2)
	empty <- &chunk{}
	go func() {
		defer close(full)
		s.readAll(reading, full, empty)
	}()
	var err error
	for c := range full {
		if err == nil {
			if err = c.copy(ctx, tx, t); err != nil {
				stop()
			}
		}
		c.reset()
		empty <- c
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("copy rows: %w", ctx.Err())
	case err != nil:
		return fmt.Errorf("copy rows: %w", err)
	case s.err != nil:
		return s.err
	}
	return s.judge()
}

// readAll reads all rows and sends them in chunks.
func (s *stage) readAll(ctx context.Context, full chan<- *chunk, empty <-chan *chunk) {
	for more := true; more; {
		const between = 256 // rows between two checks of the chunk's size
		for range between {
			if more = s.read(); !more {
				break
			}
		}
		if !more && s.err == nil {
			s.flush()
		}
		if more && !s.written.full() {
			continue
		}
		select {
		case full <- s.written:
			s.written = <-empty
		case <-ctx.Done():
			return
		}
	}
}

// copy copies the rows of the chunk into their tables.
func (c *chunk) copy(ctx context.Context, tx pgx.Tx, t target) error {
	for _, part := range []struct {
		rows           *copyRows
		table, options string
	}{
		{&c.items, t.items + " (item_id, name)", t.options},
		{&c.orders, t.orders + " (order_id, external_id, ordered_at, customer_id, load_id, items)", t.options},
		{&c.lines, t.lines + " (order_id, item_id, quantity, load_id)", t.options},
		{&c.rejects, rejectColumns, ""},
		{&c.returns, "staged_returns (external_id, item_name, quantity)", ""},
	} {
		if len(part.rows.bytes) == 0 {
			continue
		}
		rows := io.MultiReader(bytes.NewReader(part.rows.bytes), bytes.NewReader(copyTrailer))
		_, err := tx.Conn().PgConn().CopyFrom(ctx, rows, "COPY "+part.table+" FROM STDIN (FORMAT BINARY"+part.options+")")
		if err != nil {
			return err
		}
	}
	return nil
}
