// Package orders adds, reads, cancels and deletes single orders as they happen.
//
// Orders that arrive at the same time share a load and thus the cost of a commit. Like the lines of a file, each is
// audited and can be reverted. Package orderfile defines what a valid order is. The package knows nothing of HTTP.
package orders

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/spelling"
)

const (
	// Most is the maximum number of orders per call of Add.
	Most = 1000
	// MostItems is the maximum number of items per order.
	MostItems = 1000
)

// Errors of the package, besides InvalidError.
var (
	ErrNotFound  = load.ErrNotFound
	ErrKeyReused = errors.New("this Idempotency-Key was used with another body: use a new key for a new request")
)

// Order is an order to add.
type Order struct {
	ID         string
	Items      []Item
	OrderedAt  *time.Time // nil: now
	CustomerID string     // "": unknown
}

// Item is an item of an order. Quantities of repeated names add up.
type Item struct {
	Name     string
	Quantity *float64 // above 0, at most 6 decimals; nil: 1 or, in a return, all
}

// Sender identifies who sent orders, for the audit. Calls with equal Senders may share a load.
type Sender struct {
	Source string // of the load
	Name   string // loaded_by of the load
}

// Receipt is the result of a call.
type Receipt struct {
	LoadID int64          `json:"load_id" doc:"The load that the orders are part of, for the audit."`
	Orders []OrderReceipt `json:"orders" doc:"What happened to each order, in request order."`
}

// OrderReceipt is the result for one order.
type OrderReceipt struct {
	OrderID    string `json:"order_id"`
	Status     Status `json:"status" enum:"added,known" doc:"known: the order existed; lines it did not have were added."`
	LinesAdded int64  `json:"lines_added" doc:"Items the order did not have before."`
}

// Status of an order in a receipt.
type Status string

// Statuses of orders in a receipt.
const (
	Added Status = "added"
	Known Status = "known"
)

// Added reports whether any order was new.
func (r Receipt) Added() bool {
	return slices.ContainsFunc(r.Orders, func(o OrderReceipt) bool { return o.Status == Added })
}

// Add loads orders, all or none, and returns when they are durable. A known order gets the lines it never had, so calls
// may be repeated. If the sender used idempotencyKey within the last day, Add returns the receipt of that call.
//
// Errors: InvalidError, ErrKeyReused, database errors. After a database error, or when ctx ends, the orders may have
// been loaded; repeat the call.
func (s *Store) Add(ctx context.Context, sender Sender, idempotencyKey string, orders []Order) (Receipt, error) {
	c := call{sender: sender, key: idempotencyKey}
	// Hash before defaulting OrderedAt: a repeated request without a time must have the same hash.
	lines, err := encode(orders)
	if err != nil {
		return Receipt{}, err
	}
	text, err := written(lines)
	if err != nil {
		return Receipt{}, err
	}
	c.hash = sha256.Sum256(text)
	now := time.Now()
	for i := range lines {
		lines[i].OrderedAt = cmp.Or(lines[i].OrderedAt, &now)
	}
	if c.ids, err = check(lines); err != nil {
		return Receipt{}, err
	}
	c.rows = func(stored claims) []orderLine { return stored.keep(lines) }
	r, err := s.calls.Ask(ctx, c)
	if err != nil {
		return Receipt{}, err
	}
	return r.receipt, r.err
}

// Cancel returns items of an order, or cancels all of it if items is empty, and returns what is left. An item's
// quantity is the total returned so far, so calls may be repeated, also late. What is returned counts again when the
// load of the return is reverted.
//
// Errors: ErrNotFound, InvalidError, database errors. After a database error, repeat the call.
func (s *Store) Cancel(ctx context.Context, sender Sender, id string, items []Item) (Stored, error) {
	before, err := s.Get(ctx, id)
	if err != nil {
		return Stored{}, err
	}
	lines, err := encodeReturn(before.OrderID, items)
	if err != nil {
		return Stored{}, err
	}
	if len(items) > 0 {
		if err := s.checkReturn(ctx, lines); err != nil {
			return Stored{}, err
		}
	}
	r, err := s.calls.Ask(ctx, call{sender: sender, ids: []string{before.OrderID}, rows: func(stored claims) []orderLine {
		return stored.giveBack(lines, items)
	}})
	if err = cmp.Or(err, r.err); err != nil {
		return Stored{}, err
	}
	return s.Get(ctx, before.OrderID)
}

// checkReturn checks a return and that the order has or had its items.
func (s *Store) checkReturn(ctx context.Context, lines []orderLine) error {
	if _, err := check(lines); err != nil {
		return err
	}
	id := lines[0].ID
	stored, err := claimsOf(ctx, db.New(s.pool), []string{id})
	if err != nil {
		return err
	}
	var wrong InvalidError
	for i, item := range lines[0].Items {
		if _, known := stored[id][item.Name]; !known {
			wrong = append(wrong, InvalidField{0, fmt.Sprintf("items[%d].name", i), "is not an item of the order"})
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

// Stored is an order in the database.
type Stored struct {
	OrderID    string       `json:"order_id"`
	OrderedAt  *time.Time   `json:"ordered_at,omitempty"`
	CustomerID string       `json:"customer_id,omitempty"`
	Items      []StoredItem `json:"items" doc:"Purchased items by name. Empty if all were cancelled."`
	LoadID     int64        `json:"load_id" doc:"The load that brought the order in."`
	Pending    bool         `json:"pending" doc:"The active build does not include the order's current state."`
}

// StoredItem is a line of a stored order.
type StoredItem struct {
	Name     string  `json:"name"`
	Quantity float64 `json:"quantity"`
}

// Get returns an order, or ErrNotFound.
func (s *Store) Get(ctx context.Context, id string) (Stored, error) { return Get(ctx, s.pool, id) }

// Get returns an order, or ErrNotFound.
func Get(ctx context.Context, database db.DBTX, id string) (Stored, error) {
	id, err := clean(id)
	if err != nil {
		return Stored{}, err
	}
	row, err := db.New(database).OrderGet(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return Stored{}, fmt.Errorf("order %s %w", strconv.Quote(id), ErrNotFound)
	}
	if err != nil {
		return Stored{}, fmt.Errorf("find order: %w", err)
	}
	s := Stored{
		OrderID: row.ExternalID, OrderedAt: row.OrderedAt, CustomerID: row.CustomerID,
		LoadID: row.LoadID, Pending: row.Pending,
	}
	if err := json.Unmarshal(row.Items, &s.Items); err != nil {
		return Stored{}, fmt.Errorf("read the items of an order: %w", err)
	}
	return s, nil
}

// Delete permanently deletes an order and all that loads and rejects say about it, and returns the audit row. For an
// order that was not completed, use Cancel.
//
// Errors: ErrNotFound, database errors.
func (s *Store) Delete(ctx context.Context, id, reason, by string) (db.OrderDeletion, error) {
	id, err := clean(id)
	if err != nil {
		return db.OrderDeletion{}, err
	}
	return load.DeleteOrders(ctx, s.pool, []string{id}, load.Deletion{Reason: reason, DeletedBy: by, Version: s.version})
}

// clean returns an order id as it is stored, or ErrNotFound if no order can have it.
func clean(id string) (string, error) {
	cleaned := spelling.CleanString(id)
	if !utf8.ValidString(cleaned) || strings.ContainsRune(cleaned, 0) {
		return "", fmt.Errorf("order %s %w", strconv.Quote(id), ErrNotFound)
	}
	return cleaned, nil
}
