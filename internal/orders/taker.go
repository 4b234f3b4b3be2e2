package orders

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/batch"
	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/load"
)

const (
	batchCalls   = 500 // per load
	batchTimeout = 30 * time.Second
)

// Taker stores orders. It is safe for concurrent use.
type Taker struct {
	pool    *pgxpool.Pool
	version string
	calls   *batch.Batcher[call, result]
}

// call is a validated call of Add, Cancel or Take.
type call struct {
	sender Sender
	ids    []string
	lines  []byte // of JSON, one order each
	key    string // idempotency key, or ""
	hash   [sha256.Size]byte
	event  *Event // nil for Add and Cancel
}

type result struct {
	receipt Receipt
	stale   bool // the event was stale
	err     error
}

// NewTaker returns a Taker on a pool whose role may load. version is the program version, for the audit.
func NewTaker(pool *pgxpool.Pool, version string) *Taker {
	t := &Taker{pool: pool, version: version}
	t.calls = &batch.Batcher[call, result]{Workers: 1, Most: batchCalls, Timeout: batchTimeout, Do: t.load}
	return t
}

// load runs the calls in as few loads as possible.
func (t *Taker) load(ctx context.Context, calls []call) ([]result, error) {
	results := make([]result, len(calls))
	var rest []int
	for i := range calls {
		rest = append(rest, i)
	}
	for len(rest) > 0 {
		var together []int
		together, rest = share(calls, rest)
		part := make([]call, len(together))
		for i, n := range together {
			part[i] = calls[n]
		}
		receipts, err := t.loadOf(ctx, part)
		if late, some := errors.AsType[staleError](err); some {
			// Nothing was loaded. Retry without the stale events.
			for i, n := range together {
				if results[n].stale = slices.Contains(late, i); !results[n].stale {
					rest = append(rest, n)
				}
			}
			continue
		}
		for i, n := range together {
			if results[n].err = err; err == nil {
				results[n].receipt = receipts[i]
			}
		}
	}
	return results, nil
}

// share picks the calls that can share a load: those of the first call's sender, at most one per order. A load adds up
// the quantities of all its rows, so a call and its repeat would be counted twice.
func share(calls []call, rest []int) (together, others []int) {
	first := calls[rest[0]]
	taken := map[string]bool{}
	for _, n := range rest {
		c := calls[n]
		if c.sender != first.sender || slices.ContainsFunc(c.ids, func(id string) bool { return taken[id] }) {
			others = append(others, n)
			continue
		}
		together = append(together, n)
		for _, id := range c.ids {
			taken[id] = true
		}
	}
	return together, others
}

// staleError has the indexes of events older than the stored state.
type staleError []int

func (staleError) Error() string { return "events came too late" }

// loadOf runs calls of one sender as one load.
func (t *Taker) loadOf(ctx context.Context, calls []call) ([]Receipt, error) {
	if err := lookForLater(ctx, db.New(t.pool), calls); err != nil {
		return nil, err
	}
	var lines []byte
	for _, c := range calls {
		lines = append(lines, c.lines...)
	}
	sender := calls[0].sender
	var receipts []Receipt
	_, err := load.Run(ctx, t.pool, []datafile.Source{{
		Name: sender.Source,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(lines)), nil },
	}}, load.Options{
		File: format, Again: true, LoadedBy: sender.Name, Version: t.version,
		Within: func(ctx context.Context, tx pgx.Tx, loadID int64) (err error) {
			q := db.New(tx)
			if err = noteEvents(ctx, q, calls); err == nil {
				receipts, err = receiptsOf(ctx, q, loadID, calls)
			}
			return err
		},
	})
	return receipts, err
}

// lookForLater returns a staleError for events that are already stale, so that they do not become a failed load in the
// audit. Only noteEvents, under the merge lock, is certain.
func lookForLater(ctx context.Context, q *db.Queries, calls []call) error {
	return eachEvent(calls, func(c call) (late bool, err error) {
		return q.ShopOrderIsLater(ctx, c.event.Shop, c.event.ShopOrderID, c.event.At)
	})
}

// noteEvents stores the time of each order's state, or returns a staleError.
func noteEvents(ctx context.Context, q *db.Queries, calls []call) error {
	return eachEvent(calls, func(c call) (late bool, err error) {
		noted, err := q.ShopOrderNote(ctx, db.ShopOrderNoteParams{
			Shop: c.event.Shop, ShopOrderID: c.event.ShopOrderID, ExternalID: c.ids[0], UpdatedAt: c.event.At,
		})
		return noted == 0, err
	})
}

// eachEvent returns a staleError for the events that isLate reports late.
func eachEvent(calls []call, isLate func(call) (bool, error)) error {
	var late staleError
	for i, c := range calls {
		if c.event == nil {
			continue
		}
		yes, err := isLate(c)
		if err != nil {
			return fmt.Errorf("compare the states of an order: %w", err)
		}
		if yes {
			late = append(late, i)
		}
	}
	if len(late) > 0 {
		return late
	}
	return nil
}

// receiptsOf builds the receipt of each call and stores those with an idempotency key.
func receiptsOf(ctx context.Context, q *db.Queries, loadID int64, calls []call) ([]Receipt, error) {
	var ids []string
	for _, c := range calls {
		ids = append(ids, c.ids...)
	}
	rows, err := q.OrderReceiptList(ctx, loadID, ids)
	if err != nil {
		return nil, fmt.Errorf("find the orders of load %d: %w", loadID, err)
	}
	found := make(map[string]OrderReceipt, len(rows))
	for _, r := range rows {
		o := OrderReceipt{r.ExternalID, Known, r.LinesAdded}
		if r.Added {
			o.Status = Added
		}
		found[r.ExternalID] = o
	}
	receipts := make([]Receipt, len(calls))
	for i, c := range calls {
		receipts[i] = Receipt{loadID, make([]OrderReceipt, len(c.ids))}
		for j, id := range c.ids {
			receipts[i].Orders[j] = found[id]
		}
		if c.key == "" {
			continue
		}
		text, err := json.Marshal(receipts[i])
		if err != nil {
			return nil, fmt.Errorf("keep the receipt: %w", err)
		}
		err = q.IdempotencyKeyInsert(ctx, db.IdempotencyKeyInsertParams{
			Sender: c.sender.Name, Key: c.key, BodyHash: c.hash[:], Receipt: text,
		})
		if err != nil {
			return nil, fmt.Errorf("keep the receipt: %w", err)
		}
	}
	if err := q.IdempotencyKeyForget(ctx); err != nil {
		return nil, fmt.Errorf("forget old receipts: %w", err)
	}
	return receipts, nil
}
