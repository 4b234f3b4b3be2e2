package webhook

import (
	"encoding/json"
	"time"

	"github.com/alsobought/alsobought/internal/orders"
)

type (
	shopifyOrder struct {
		ID          json.Number               `json:"id"`
		Name        string                    `json:"name"` // e.g. #1001
		CreatedAt   *time.Time                `json:"created_at"`
		UpdatedAt   time.Time                 `json:"updated_at"`
		CancelledAt *time.Time                `json:"cancelled_at"`
		Customer    *struct{ ID json.Number } `json:"customer"`
		LineItems   []shopifyLine             `json:"line_items"`
		Refunds     []shopifyRefund           `json:"refunds"`
	}

	// shopifyLine has names as in Shopify's export, with the variant. CurrentQuantity is what is left after refunds and
	// edits; older versions of the API leave it out.
	shopifyLine struct {
		ID              json.Number `json:"id"`
		Name            string      `json:"name"`
		Quantity        float64     `json:"quantity"`
		CurrentQuantity *float64    `json:"current_quantity"`
	}

	shopifyRefund struct {
		ID        json.Number `json:"id"`
		OrderID   json.Number `json:"order_id"`
		CreatedAt time.Time   `json:"created_at"`
		Lines     []struct {
			Quantity float64     `json:"quantity"`
			Line     shopifyLine `json:"line_item"`
		} `json:"refund_line_items"`
	}
)

// Shopify returns the state of an order that a webhook of a shop reports. at is when the webhook was sent, for topics
// whose body has no time.
//
// Errors: ErrIgnored, InvalidError.
func Shopify(shop, topic string, at time.Time, body []byte) (orders.Event, error) {
	switch topic {
	case "orders/create", "orders/updated", "orders/edited", "orders/paid", "orders/cancelled", "orders/fulfilled",
		"orders/partially_fulfilled":
		o, err := decode[shopifyOrder](body)
		if err != nil {
			return orders.Event{}, err
		}
		return whole(o.event(shop))
	case "orders/delete":
		o, err := decode[shopifyOrder](body)
		if err != nil {
			return orders.Event{}, err
		}
		return whole(orders.Event{Shop: shop, ShopOrderID: o.ID.String(), At: at, Cancelled: true})
	case "refunds/create":
		r, err := decode[shopifyRefund](body)
		switch {
		case err != nil:
			return orders.Event{}, err
		case r.ID == "":
			return orders.Event{}, InvalidError{"the body is not a refund: it has no id"}
		case len(r.Lines) == 0: // of shipping, say
			return orders.Event{}, ErrIgnored
		}
		return whole(r.event(shop))
	}
	return orders.Event{}, ErrIgnored
}

func (o shopifyOrder) event(shop string) orders.Event {
	e := orders.Event{
		Shop: shop, ShopOrderID: o.ID.String(), At: o.UpdatedAt, ID: o.Name,
		Cancelled: o.CancelledAt != nil, OrderedAt: o.CreatedAt,
	}
	if o.Customer != nil {
		e.CustomerID = o.Customer.ID.String()
	}
	refunded := map[json.Number]float64{}
	for _, r := range o.Refunds {
		for _, l := range r.Lines {
			refunded[l.Line.ID] += l.Quantity
		}
	}
	for _, l := range o.LineItems {
		returned := refunded[l.ID]
		if l.CurrentQuantity != nil {
			returned = l.Quantity - *l.CurrentQuantity
		}
		e.Items = append(e.Items, orders.EventItem{Name: l.Name, Quantity: l.Quantity, Returned: returned})
	}
	return e
}

func (r shopifyRefund) event(shop string) orders.Event {
	e := orders.Event{Shop: shop, ShopOrderID: r.OrderID.String(), At: r.CreatedAt, RefundID: r.ID.String()}
	for _, l := range r.Lines {
		e.Items = append(e.Items, orders.EventItem{Name: l.Line.Name, Returned: l.Quantity})
	}
	return e
}
