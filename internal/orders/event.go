package orders

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
)

// Event is the state of an order as a shop reports it: all items, or only those that changed.
type Event struct {
	Shop        string    // namespace of the ids
	ShopOrderID string    // id inside the shop's software
	At          time.Time // when the order was in this state
	ID          string    // order number for people; "": that of an earlier event
	Cancelled   bool      // the whole order

	OrderedAt  *time.Time
	CustomerID string
	Items      []EventItem
}

// EventItem is an item of an event.
type EventItem struct {
	Name     string
	Quantity float64 // as ordered
	Returned float64 // so far
}

// Take loads the state of an order that a shop reports, and returns when it is durable. Events may be repeated and come
// in any order: one older than the stored state is stale and changes nothing.
//
// Errors: InvalidError, database errors. After a database error, the event may have been stored; send it again.
func (t *Taker) Take(ctx context.Context, sender Sender, e Event) (receipt Receipt, stale bool, err error) {
	c := call{sender: sender, event: &e}
	if e.ID == "" {
		e.ID, err = db.New(t.pool).ShopOrderFind(ctx, e.Shop, e.ShopOrderID)
		if errors.Is(err, pgx.ErrNoRows) {
			// Returns for an unknown order are kept in the audit under the only id we have.
			e.ID, c.event, err = e.ShopOrderID, nil, nil
		}
		if err != nil {
			return receipt, false, fmt.Errorf("find the order of an event: %w", err)
		}
	}
	if c.lines, c.ids, err = encodeEvent(e, c.event != nil); err != nil {
		return receipt, false, err
	}
	r, err := t.calls.Ask(ctx, c)
	if err != nil {
		return receipt, false, err
	}
	return r.receipt, r.stale, r.err
}

// encodeEvent writes the state of an order as a JSON line. Of an unknown order, it writes only the returns.
func encodeEvent(e Event, known bool) (text []byte, ids []string, err error) {
	line := orderLine{ID: e.ID, OrderedAt: e.OrderedAt, CustomerID: e.CustomerID, Items: []itemLine{}}
	if e.Cancelled {
		line.Status = "cancelled"
	}
	for _, item := range e.Items {
		if item.Quantity <= 0 {
			continue // the shop keeps the line of a removed item
		}
		l := itemLine{Name: item.Name, Quantity: number(&item.Quantity, "", "")}
		switch {
		case !known:
			l.Quantity = number(&item.Returned, "", "-")
		case item.Returned > 0:
			l.Returned = number(&item.Returned, "", "")
		}
		line.Items = append(line.Items, l)
	}
	if len(line.Items) == 0 && !e.Cancelled {
		return nil, nil, InvalidError{{0, "items", "are none: an order without items is nothing to count"}}
	}
	if text, err = written(line); err == nil {
		ids, err = check(text, 1)
	}
	return text, ids, err
}
