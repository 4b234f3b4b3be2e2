// Package orders takes orders one by one, as they happen, and gives them back.
//
// Orders that arrive at the same time share a load, so that each is audited and can be reverted like the lines of a file, and costs a part
// of a commit. What an order may be is what package orderfile takes. The package knows no HTTP.
package orders

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/load"
)

const (
	// Most is how many orders one call of Add takes.
	Most = 1000
	// MostItems is how many items one of them may have.
	MostItems = 1000
)

// Errors of the package, beside InvalidError.
var (
	ErrNotFound  = load.ErrNotFound
	ErrKeyReused = errors.New("this Idempotency-Key was used with another body: use a new key for a new request")
)

// Order is one order as it arrives.
type Order struct {
	ID         string
	Items      []Item
	OrderedAt  *time.Time // nil: now
	CustomerID string     // "": unknown
}

// Item is an item of an order. Repeats add up.
type Item struct {
	Name     string
	Quantity *float64 // above 0, at most 6 decimals; nil is 1, or all that there are
}

// Sender is who sent orders, for the audit. Calls with an equal Sender may share a load.
type Sender struct {
	Source string // of the load
	Name   string // loaded_by
}

// Receipt says what became of a call.
type Receipt struct {
	LoadID int64          `json:"load_id" doc:"The load that the orders are part of, for the audit."`
	Orders []OrderReceipt `json:"orders" doc:"What became of each order, in the order of the request."`
}

// OrderReceipt says what became of one order.
type OrderReceipt struct {
	OrderID    string `json:"order_id"`
	Status     Status `json:"status" enum:"added,known" doc:"known: an order of this id was there. Lines that it did not have were added to it."`
	LinesAdded int64  `json:"lines_added" doc:"Items that the order did not have before."`
}

// Status of an order in a receipt.
type Status string

// The statuses.
const (
	Added Status = "added"
	Known Status = "known"
)

// Added reports whether any order was new.
func (r Receipt) Added() bool {
	return slices.ContainsFunc(r.Orders, func(o OrderReceipt) bool { return o.Status == Added })
}

// Add loads orders, all or none of them, and returns when they are durable. An order whose id is known gets the lines that it did not have;
// so a call may be repeated. A call with an idempotencyKey that the sender has used within a day returns the receipt of the first.
//
// Errors: InvalidError, ErrKeyReused, database errors. After one of the database, or when ctx ends, the orders may be loaded or not: repeat
// the call.
func (t *Taker) Add(ctx context.Context, sender Sender, idempotencyKey string, orders []Order) (Receipt, error) {
	c := call{sender: sender, key: idempotencyKey}
	// The time of a request without one differs from its repeat's, and is no part of what it says.
	said, err := encode(orders)
	if err != nil {
		return Receipt{}, err
	}
	c.hash = sha256.Sum256(said)
	now, orders := time.Now(), slices.Clone(orders)
	for i := range orders {
		orders[i].OrderedAt = cmp.Or(orders[i].OrderedAt, &now)
	}
	if c.lines, err = encode(orders); err == nil {
		c.ids, err = check(c.lines, len(orders))
	}
	if err != nil {
		return Receipt{}, err
	}
	if c.key != "" {
		if receipt, err := t.earlier(ctx, c); !errors.Is(err, pgx.ErrNoRows) {
			return receipt, err
		}
	}
	r, err := t.calls.Ask(ctx, c)
	if err != nil {
		return Receipt{}, err
	}
	return r.receipt, r.err
}

// earlier returns the receipt of an earlier call with the same key, or pgx.ErrNoRows.
func (t *Taker) earlier(ctx context.Context, c call) (receipt Receipt, err error) {
	before, err := db.New(t.pool).IdempotencyKeyGet(ctx, c.sender.Name, c.key)
	if err != nil {
		return receipt, fmt.Errorf("find an earlier request: %w", err)
	}
	if !bytes.Equal(before.BodyHash, c.hash[:]) {
		return receipt, ErrKeyReused
	}
	if err := json.Unmarshal(before.Receipt, &receipt); err != nil {
		return receipt, fmt.Errorf("read the receipt of an earlier request: %w", err)
	}
	return receipt, nil
}

// Cancel takes back items of an order, or all of it without items, and returns what is left. The quantity of an item is how many were
// returned so far in all; so a call may be repeated. An order that is added again afterwards counts again.
//
// Errors: ErrNotFound, InvalidError, database errors; after one of those, repeat the call.
func (t *Taker) Cancel(ctx context.Context, sender Sender, id string, items []Item) (Stored, error) {
	before, err := t.Get(ctx, id)
	if err != nil {
		return Stored{}, err
	}
	c := call{sender: sender, ids: []string{before.OrderID}}
	if c.lines, err = encodeReturn(before, items); err != nil {
		return Stored{}, err
	}
	r, err := t.calls.Ask(ctx, c)
	if err = cmp.Or(err, r.err); err != nil {
		return Stored{}, err
	}
	return t.Get(ctx, id)
}

// Stored is an order as the database has it.
type Stored struct {
	OrderID    string       `json:"order_id"`
	OrderedAt  *time.Time   `json:"ordered_at,omitempty"`
	CustomerID string       `json:"customer_id,omitempty"`
	Items      []StoredItem `json:"items" doc:"What is bought, by name. None: all was cancelled."`
	LoadID     int64        `json:"load_id" doc:"The load that brought the order in."`
	Pending    bool         `json:"pending" doc:"The active build has not counted the order as it is now."`
}

// StoredItem is a line of it.
type StoredItem struct {
	Name     string  `json:"name"`
	Quantity float64 `json:"quantity"`
}

// Get returns an order, or ErrNotFound.
func (t *Taker) Get(ctx context.Context, id string) (Stored, error) { return Get(ctx, t.pool, id) }

// Get returns an order as the database has it, or ErrNotFound.
func Get(ctx context.Context, database db.DBTX, id string) (Stored, error) {
	row, err := db.New(database).OrderGet(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return Stored{}, fmt.Errorf("order %s %w", strconv.Quote(id), ErrNotFound)
	}
	if err != nil {
		return Stored{}, fmt.Errorf("find order: %w", err)
	}
	s := Stored{OrderID: row.ExternalID, OrderedAt: row.OrderedAt, CustomerID: row.CustomerID, LoadID: row.LoadID, Pending: row.Pending}
	if err := json.Unmarshal(row.Items, &s.Items); err != nil {
		return Stored{}, fmt.Errorf("read the items of an order: %w", err)
	}
	return s, nil
}

// Delete deletes an order for good, with all that loads and rejects say of it, and returns the row of the audit. Cancel is for orders that
// did not come about. Errors: ErrNotFound, database errors.
func (t *Taker) Delete(ctx context.Context, id, reason, by string) (db.OrderDeletion, error) {
	return load.DeleteOrders(ctx, t.pool, []string{id}, load.Deletion{Reason: reason, DeletedBy: by, Version: t.version})
}
