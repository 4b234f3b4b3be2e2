package orders

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
)

// Event is the state of an order as a shop tells it, whole or the items that changed.
type Event struct {
	Shop        string    // whose ids these are
	ShopOrderID string    // the order's id inside the shop's software
	At          time.Time // when the order was in this state
	ID          string    // as people know it; "": the one that came with an earlier event
	Cancelled   bool      // the whole order

	OrderedAt  *time.Time
	CustomerID string
	Items      []EventItem
}

// EventItem is an item of the order.
type EventItem struct {
	Name     string
	Quantity float64 // as ordered
	Returned float64 // of these so far
}

// Take loads the state of an order that a shop tells, and returns when it is durable. Events may come twice and in any order: one that is
// older than what was taken is stale, and changes nothing.
//
// Errors: InvalidError, database errors; after one of those, the event may be taken or not, and should be sent again.
func (t *Taker) Take(ctx context.Context, sender Sender, e Event) (receipt Receipt, stale bool, err error) {
	c := call{sender: sender, event: &e}
	if e.ID == "" {
		e.ID, err = db.New(t.pool).ShopOrderFind(ctx, e.Shop, e.ShopOrderID)
		if errors.Is(err, pgx.ErrNoRows) {
			// What is taken back of an order that nobody told of is kept in the audit, under the id that we have.
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

// encodeEvent writes the state of an order as a JSON line; of one that is not known, what is taken back.
func encodeEvent(e Event, known bool) (text []byte, ids []string, err error) {
	line := orderLine{ID: e.ID, OrderedAt: e.OrderedAt, CustomerID: e.CustomerID, Items: []itemLine{}}
	if e.Cancelled {
		line.Status = "cancelled"
	}
	for _, item := range e.Items {
		if item.Quantity <= 0 {
			continue // a place that the shop keeps for an item that was taken off
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
