package webhook

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/alsobought/alsobought/internal/orders"
)

type wooOrder struct {
	ID         json.Number `json:"id"`
	Number     string      `json:"number"`
	Status     string      `json:"status"`
	CreatedAt  wooTime     `json:"date_created_gmt"`
	ModifiedAt wooTime     `json:"date_modified_gmt"`
	CustomerID int64       `json:"customer_id"` // 0 for a guest
	LineItems  []struct {
		Name     string  `json:"name"`
		Quantity float64 `json:"quantity"`
	} `json:"line_items"`
}

// wooTime is a UTC time in JSON without a time zone.
type wooTime struct{ time.Time }

// UnmarshalJSON decodes null as the zero time.
func (t *wooTime) UnmarshalJSON(text []byte) (err error) {
	if string(text) == "null" {
		return nil
	}
	t.Time, err = time.Parse(`"2006-01-02T15:04:05"`, string(text))
	return err
}

// notBought are the statuses of orders that do not count as purchases.
var notBought = map[string]bool{"cancelled": true, "refunded": true, "failed": true, "trash": true}

// WooCommerce returns the state of an order that a webhook of a shop reports. at is when the webhook arrived, for
// topics whose body has no time. WooCommerce does not say which items a partial refund is for.
//
// Errors: ErrIgnored, InvalidError.
func WooCommerce(shop, topic string, at time.Time, body []byte) (orders.Event, error) {
	switch topic {
	case "order.created", "order.updated", "order.restored", "order.deleted":
	default:
		return orders.Event{}, ErrIgnored
	}
	o, err := decode[wooOrder](body)
	if err != nil {
		return orders.Event{}, err
	}
	e := orders.Event{
		Shop: shop, ShopOrderID: o.ID.String(), At: o.ModifiedAt.Time, ID: o.Number, Cancelled: notBought[o.Status],
	}
	if topic == "order.deleted" {
		e.At, e.Cancelled = at, true
		return whole(e)
	}
	if !o.CreatedAt.IsZero() {
		e.OrderedAt = &o.CreatedAt.Time
	}
	if o.CustomerID != 0 {
		e.CustomerID = strconv.FormatInt(o.CustomerID, 10)
	}
	for _, l := range o.LineItems {
		e.Items = append(e.Items, orders.EventItem{Name: l.Name, Quantity: l.Quantity})
	}
	return whole(e)
}
