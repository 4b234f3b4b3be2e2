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
	batchCalls   = 500 // that share a load
	batchTimeout = 30 * time.Second
)

// Taker takes orders. It may be used by several goroutines at once.
type Taker struct {
	pool    *pgxpool.Pool
	version string
	calls   *batch.Batcher[call, result]
}

// call is one call of Add, Cancel or Take, checked.
type call struct {
	sender Sender
	ids    []string
	lines  []byte // of JSON, one order each
	key    string // for idempotency, or ""
	hash   [sha256.Size]byte
	event  *Event // of a shop, or nil
}

type result struct {
	receipt Receipt
	stale   bool // an event that came too late
	err     error
}

// NewTaker returns a Taker over a pool whose role may load. version is the program's, for the audit.
func NewTaker(pool *pgxpool.Pool, version string) *Taker {
	t := &Taker{pool: pool, version: version}
	t.calls = &batch.Batcher[call, result]{Workers: 1, Most: batchCalls, Timeout: batchTimeout, Do: t.load}
	return t
}

// load makes loads of the calls.
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
			// Nothing was loaded. The others have another try without those.
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

// share chooses calls that make one load: those of one sender, and of each order the first. Rows of one load are taken together: the
// quantities of a call and of its repeat would be added up.
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

// staleError says which calls tell of a state that a later one has replaced, by their places.
type staleError []int

func (staleError) Error() string { return "events came too late" }

// loadOf makes one load of calls of one sender.
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

// lookForLater returns a staleError for events that are late already, so that they are no failed load in the audit. Only noteEvents, which
// holds the lock of merges, is sure of it.
func lookForLater(ctx context.Context, q *db.Queries, calls []call) error {
	return eachEvent(calls, func(c call) (late bool, err error) {
		return q.ShopOrderIsLater(ctx, c.event.Shop, c.event.ShopOrderID, c.event.At)
	})
}

// noteEvents notes of which moment the state of each order is, or returns a staleError.
func noteEvents(ctx context.Context, q *db.Queries, calls []call) error {
	return eachEvent(calls, func(c call) (late bool, err error) {
		noted, err := q.ShopOrderNote(ctx, db.ShopOrderNoteParams{
			Shop: c.event.Shop, ShopOrderID: c.event.ShopOrderID, ExternalID: c.ids[0], UpdatedAt: c.event.At,
		})
		return noted == 0, err
	})
}

// eachEvent returns a staleError of the events that isLate finds late.
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

// receiptsOf says what the load did for each call, and keeps that of calls with a key.
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
