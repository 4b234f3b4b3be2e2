package orders

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/spelling"
)

// Event is the state of an order as a shop reports it, or one refund of it.
type Event struct {
	Shop        string    // namespace of the ids
	ShopOrderID string    // id inside the shop's software
	At          time.Time // when the order was in this state, or was refunded
	ID          string    // order number for people; "": that of an earlier event
	Cancelled   bool      // the whole order
	RefundID    string    // of a refund, whose Items are what it takes back; "": Items are all of the order

	OrderedAt  *time.Time
	CustomerID string
	Items      []EventItem
}

// EventItem is an item of an event. Items of one name add up.
type EventItem struct {
	Name     string
	Quantity float64 // as ordered
	Returned float64 // so far or, in a refund, by it
}

// Outcome is what became of an event.
type Outcome string

// Outcomes of events.
const (
	Taken   Outcome = "taken"   // stored
	Stale   Outcome = "stale"   // a later state, or this refund, is stored already
	Ignored Outcome = "ignored" // there is nothing to store
)

// Apply loads an event of a shop and returns when it is durable. Events may be repeated and come in any order: the
// newest state of an order, less the refunds after it, is what is stored.
//
// Errors: InvalidError, database errors. After a database error, the event may have been stored; send it again.
func (s *Store) Apply(ctx context.Context, sender Sender, e Event) (Receipt, Outcome, error) {
	for i, item := range e.Items {
		// A load would take it as the status of the whole order.
		if spelling.CleanString(item.Name) == "" {
			return Receipt{}, "", InvalidError{{0, fmt.Sprintf("items[%d].name", i), "is empty"}}
		}
	}
	// The ID may be known only when it is loaded.
	nominal := eventState{event: &e, id: cmp.Or(e.ID, e.ShopOrderID)}
	if lines := nominal.lines(nil); len(lines[0].Items) > 0 {
		if _, err := check(lines); err != nil {
			return Receipt{}, "", err
		}
	}
	r, err := s.calls.Ask(ctx, call{sender: sender, event: &e})
	if err != nil {
		return Receipt{}, "", err
	}
	return r.receipt, r.outcome, r.err
}

// eventState is an event and what is stored about its order.
type eventState struct {
	event    *Event
	id       string // of the order
	version  int64  // of the stored state; 0: none
	refunded map[string]float64
}

// stateOf returns what is stored about the order of an event. outcome is not "" if the event is not to be loaded.
func stateOf(ctx context.Context, q *db.Queries, e *Event) (s eventState, outcome Outcome, err error) {
	stored, err := q.ShopOrderGet(ctx, e.Shop, e.ShopOrderID)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return s, "", fmt.Errorf("find the order of an event: %w", err)
	}
	s = eventState{event: e, id: spelling.CleanString(cmp.Or(e.ID, stored.ExternalID, e.ShopOrderID)), version: stored.Version}
	order := e.At.Compare(stored.UpdatedAt)
	if e.RefundID != "" {
		done, err := q.ShopRefundExists(ctx, e.Shop, e.ShopOrderID, e.RefundID)
		if err != nil {
			return s, "", fmt.Errorf("find a refund: %w", err)
		}
		if done || s.version > 0 && order <= 0 {
			return s, Stale, nil
		}
		return s, "", nil
	}
	if s.version > 0 && (order < 0 || order == 0 && stored.Cancelled && !e.Cancelled) {
		return s, Stale, nil
	}
	later, err := q.ShopRefundList(ctx, e.Shop, e.ShopOrderID, e.At)
	if err != nil {
		return s, "", fmt.Errorf("find the refunds of an order: %w", err)
	}
	s.refunded = map[string]float64{}
	for _, r := range later {
		var items map[string]float64
		if err := json.Unmarshal(r.Items, &items); err != nil {
			return s, "", fmt.Errorf("read refund %s: %w", r.RefundID, err)
		}
		for name, quantity := range items {
			s.refunded[name] += quantity
		}
	}
	return s, "", nil
}

// lines returns the rows that bring the stored lines of the order to the state.
func (s eventState) lines(stored map[string]claim) []orderLine {
	e := s.event
	line := orderLine{ID: s.id, OrderedAt: e.OrderedAt, CustomerID: e.CustomerID, Items: []itemLine{}}
	if e.Cancelled {
		line.Status = "cancelled"
	}
	items := byName(e.Items)
	if e.RefundID != "" {
		line.Items = refundRows(items, stored)
		return []orderLine{line}
	}
	for _, name := range slices.Sorted(maps.Keys(items)) {
		item := items[name]
		if item.Quantity <= 0 && stored[name].quantity == 0 {
			continue // the shop keeps the line of a removed item
		}
		is, known := stored[name]
		if !known {
			is = claim{quantity: item.Quantity}
		}
		line.Items = append(line.Items, is.row(name, rounded(item.Quantity-item.Returned-s.refunded[name])))
	}
	for _, name := range slices.Sorted(maps.Keys(stored)) {
		if _, still := items[name]; !still {
			line.Items = append(line.Items, stored[name].row(name, 0))
		}
	}
	return []orderLine{line}
}

// refundRows returns the rows of a refund. Of an unknown order they are only kept in the audit.
func refundRows(items map[string]EventItem, stored map[string]claim) []itemLine {
	var rows []itemLine
	for _, name := range slices.Sorted(maps.Keys(items)) {
		is, known := stored[name]
		if !known {
			is = claim{items[name].Returned, items[name].Returned}
		}
		if items[name].Returned > 0 {
			rows = append(rows, is.returnRow(name, rounded(is.left-items[name].Returned)))
		}
	}
	return rows
}

func byName(items []EventItem) map[string]EventItem {
	sums := make(map[string]EventItem, len(items))
	for _, item := range items {
		name := spelling.CleanString(item.Name)
		sum := sums[name]
		sums[name] = EventItem{name, sum.Quantity + item.Quantity, sum.Returned + item.Returned}
	}
	return sums
}

// note stores the event, or returns errChanged if what was stored about its order is no longer s.
func (s eventState) note(ctx context.Context, q *db.Queries) error {
	e := s.event
	var noted int64
	var err error
	if e.RefundID == "" {
		noted, err = q.ShopOrderNote(ctx, db.ShopOrderNoteParams{
			Shop: e.Shop, ShopOrderID: e.ShopOrderID, ExternalID: s.id, UpdatedAt: e.At, Cancelled: e.Cancelled, Version: s.version,
		})
	} else {
		quantities := map[string]float64{}
		for name, item := range byName(e.Items) {
			quantities[name] = item.Returned
		}
		var items []byte
		if items, err = json.Marshal(quantities); err != nil {
			return fmt.Errorf("store a refund: %w", err)
		}
		noted, err = q.ShopRefundInsert(ctx, db.ShopRefundInsertParams{
			Shop: e.Shop, ShopOrderID: e.ShopOrderID, RefundID: e.RefundID, RefundedAt: e.At, Items: items, Version: s.version,
		})
	}
	if err != nil {
		return fmt.Errorf("store the state of an order: %w", err)
	}
	if noted == 0 {
		return errChanged
	}
	return nil
}
