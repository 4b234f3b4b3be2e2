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
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/spelling"
)

const (
	batchCalls   = 500 // per load
	batchTimeout = 30 * time.Second
)

// Store stores orders. It is safe for concurrent use.
type Store struct {
	pool    *pgxpool.Pool
	version string
	calls   *batch.Batcher[call, result]
}

// call is a validated call of Add, Cancel or Apply.
type call struct {
	sender Sender
	key    string // idempotency key, or ""
	hash   [sha256.Size]byte

	// Either an event, or the ids of orders and their rows, given what is stored of them.
	event *Event
	ids   []string
	rows  func(claims) []orderLine
}

type result struct {
	receipt Receipt
	outcome Outcome // of an event
	err     error
}

// NewStore returns a Store on a pool whose role may load. version is the program version, for the audit.
func NewStore(pool *pgxpool.Pool, version string) *Store {
	s := &Store{pool: pool, version: version}
	s.calls = &batch.Batcher[call, result]{Workers: 1, Most: batchCalls, Timeout: batchTimeout, Do: s.load}
	return s
}

// load runs the calls in as few loads as possible.
func (s *Store) load(ctx context.Context, calls []call) ([]result, error) {
	results := make([]result, len(calls))
	var rest []int // calls without a result, by index
	for i := range calls {
		rest = append(rest, i)
	}
	for len(rest) > 0 {
		var together []int
		together, rest = share(calls, rest)
		var jobs []job
		for _, n := range together {
			j, done, err := s.prepare(ctx, &calls[n])
			if results[n] = done; err != nil {
				results[n].err = err
			} else if j.call != nil {
				j.result = &results[n]
				jobs = append(jobs, j)
			}
		}
		if len(jobs) == 0 {
			continue
		}
		switch err := s.run(ctx, jobs); {
		case errors.Is(err, errChanged) && ctx.Err() == nil: // by another server; nothing was loaded
			rest = append(rest, together...)
		case err != nil:
			for _, j := range jobs {
				j.result.err = err
			}
		}
	}
	return results, nil
}

// share picks the calls that can share a load: those of the first call's sender, at most one per order and idempotency
// key. A load adds up the quantities of all its rows, so a call and its repeat would be counted twice.
func share(calls []call, rest []int) (together, others []int) {
	first := calls[rest[0]]
	taken := map[string]bool{}
	for _, n := range rest {
		c := calls[n]
		claimed := c.claims()
		if c.sender != first.sender || slices.ContainsFunc(claimed, func(id string) bool { return taken[id] }) {
			others = append(others, n)
			continue
		}
		together = append(together, n)
		for _, id := range claimed {
			taken[id] = true
		}
	}
	return together, others
}

// claims returns what no other call of the same load may have.
func (c *call) claims() []string {
	ids := make([]string, 0, len(c.ids)+2)
	for _, id := range c.ids {
		ids = append(ids, "order "+id)
	}
	if c.key != "" {
		ids = append(ids, "key "+c.key)
	}
	if c.event != nil {
		ids = append(ids, "shop order "+c.event.Shop+" "+c.event.ShopOrderID)
		if c.event.ID != "" {
			ids = append(ids, "order "+spelling.CleanString(c.event.ID))
		}
	}
	return ids
}

// errChanged means that another server changed what a load is based on. It is never returned to callers.
var errChanged = errors.New("the order has changed meanwhile")

// job is a call that needs a load.
type job struct {
	call   *call
	ids    []string
	event  eventState // of an event
	result *result
}

// prepare looks up what a call depends on. If the call needs no load, the job is zero and done is its result.
func (s *Store) prepare(ctx context.Context, c *call) (j job, done result, err error) {
	q := db.New(s.pool)
	switch {
	case c.event != nil:
		state, outcome, err := stateOf(ctx, q, c.event)
		if err != nil || outcome != "" {
			return job{}, result{outcome: outcome}, err
		}
		return job{call: c, event: state, ids: []string{state.id}}, result{outcome: Taken}, nil
	case c.key != "":
		receipt, err := earlier(ctx, q, c)
		if !errors.Is(err, pgx.ErrNoRows) {
			return job{}, result{receipt: receipt}, err
		}
	}
	return job{call: c, ids: c.ids}, result{}, nil
}

// earlier returns the receipt of an earlier call with the same key, or pgx.ErrNoRows.
func earlier(ctx context.Context, q *db.Queries, c *call) (receipt Receipt, err error) {
	before, err := q.IdempotencyKeyGet(ctx, c.sender.Name, c.key)
	if err != nil {
		return receipt, fmt.Errorf("find an earlier request: %w", err)
	}
	if !bytes.Equal(before.BodyHash, c.hash[:]) {
		return receipt, ErrKeyReused
	}
	if err := json.Unmarshal(before.Receipt, &receipt); err != nil {
		return receipt, fmt.Errorf("read the receipt of an earlier request: %w", err)
	}
	for i, id := range c.ids[:min(len(c.ids), len(receipt.Orders))] {
		receipt.Orders[i].OrderID = id
	}
	return receipt, nil
}

// run loads jobs of one sender.
func (s *Store) run(ctx context.Context, jobs []job) error {
	var ids []string
	for _, j := range jobs {
		ids = append(ids, j.ids...)
	}
	stored, err := claimsOf(ctx, db.New(s.pool), ids)
	if err != nil {
		return err
	}
	var orders []orderLine
	var loaded []job
	for _, j := range jobs {
		rows := j.rows(stored)
		if j.event.event != nil && len(rows[0].Items) == 0 && rows[0].Status == "" {
			j.result.outcome = Ignored // no items, and none are stored
			continue
		}
		orders, loaded = append(orders, rows...), append(loaded, j)
	}
	if len(loaded) == 0 {
		return nil
	}
	lines, err := written(orders)
	if err != nil {
		return err
	}
	// While a file is merged, orders are refused. Noticed only by the load, it would fail, and the audit would say so.
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return pg.LockTx(ctx, tx, pg.MergeLock, 0) })
	if err != nil {
		return fmt.Errorf("wait for loads: %w", err)
	}
	sender := jobs[0].call.sender
	_, err = load.Run(ctx, s.pool, []datafile.Source{{
		Name: sender.Source,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(lines)), nil },
	}}, load.Options{
		File: format, Again: true, LoadedBy: sender.Name, Version: s.version,
		Within: func(ctx context.Context, tx pgx.Tx, loadID int64) error {
			q := db.New(tx)
			for _, j := range loaded {
				if j.event.event == nil {
					continue
				}
				if err := j.event.note(ctx, q); err != nil {
					return err
				}
			}
			return giveReceipts(ctx, q, loadID, ids, loaded)
		},
	})
	return err
}

func (j job) rows(stored claims) []orderLine {
	if j.event.event != nil {
		return j.event.lines(stored[j.event.id])
	}
	return j.call.rows(stored)
}

// giveReceipts sets the receipt of each job and stores those with an idempotency key.
func giveReceipts(ctx context.Context, q *db.Queries, loadID int64, ids []string, jobs []job) error {
	rows, err := q.OrderReceiptList(ctx, loadID, ids)
	if err != nil {
		return fmt.Errorf("find the orders of load %d: %w", loadID, err)
	}
	found := make(map[string]OrderReceipt, len(rows))
	for _, r := range rows {
		o := OrderReceipt{r.ExternalID, Known, r.LinesAdded}
		if r.Added {
			o.Status = Added
		}
		found[r.ExternalID] = o
	}
	for _, j := range jobs {
		receipt := Receipt{loadID, make([]OrderReceipt, len(j.ids))}
		for i, id := range j.ids {
			receipt.Orders[i] = found[id]
		}
		j.result.receipt = receipt
		if j.call.key == "" {
			continue
		}
		if err := keepReceipt(ctx, q, j.call, receipt); err != nil {
			return err
		}
	}
	if err := q.IdempotencyKeyForget(ctx); err != nil {
		return fmt.Errorf("forget old receipts: %w", err)
	}
	return nil
}

// keepReceipt stores a receipt without the order ids, which the repeated request has: nothing of an order remains when it
// is deleted.
func keepReceipt(ctx context.Context, q *db.Queries, c *call, receipt Receipt) error {
	receipt.Orders = slices.Clone(receipt.Orders)
	for i := range receipt.Orders {
		receipt.Orders[i].OrderID = ""
	}
	text, err := json.Marshal(receipt)
	if err != nil {
		return fmt.Errorf("keep the receipt: %w", err)
	}
	kept, err := q.IdempotencyKeyInsert(ctx, db.IdempotencyKeyInsertParams{
		Sender: c.sender.Name, Key: c.key, BodyHash: c.hash[:], Receipt: text,
	})
	if err != nil {
		return fmt.Errorf("keep the receipt: %w", err)
	}
	if kept == 0 {
		return errChanged
	}
	return nil
}
