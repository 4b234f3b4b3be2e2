package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/orders"
)

const (
	ordersPath        = "/api/v1/orders"
	cancellationsPath = "/api/v1/cancellations"
)

// errNoOrders is the error of all orders routes on a server without Config.Orders.
var errNoOrders = errors.New("this server may not change orders: give it a database role that may load, see docs/orders.md")

// A test compares the limits in the tags with those of package orders.
type (
	ordersInput struct {
		strictQuery

		IdempotencyKey string `header:"Idempotency-Key" maxLength:"200" doc:"Identifies the request for a day. A repeated request gets the first one's response."`
		Body           ordersBody
	}

	ordersBody struct {
		OrderFields

		Orders []orderBody `json:"orders,omitempty" minItems:"1" maxItems:"1000" doc:"Several orders, instead of a single one."`
	}

	orderBody struct {
		OrderFields
	}

	// OrderFields are the fields of one order. (Exported for the same reason as Options.)
	OrderFields struct {
		OrderID    string     `json:"order_id,omitempty" doc:"Your order ID." example:"R100001"`
		Items      []itemBody `json:"items,omitempty" minItems:"1" maxItems:"1000" doc:"Purchased items: names, or objects with name and quantity."`
		OrderedAt  *time.Time `json:"ordered_at,omitempty" doc:"Time of the order (RFC 3339); default: now."`
		CustomerID string     `json:"customer_id,omitempty" doc:"Your customer ID."`
	}

	// itemBody is a name or an object.
	itemBody struct {
		Name     string   `json:"name" doc:"The item's name." example:"PID"`
		Quantity *float64 `json:"quantity,omitempty" exclusiveMinimum:"0" doc:"Quantity, with at most 6 decimals."`
	}

	storedInput struct {
		strictQuery

		OrderID string `path:"order_id" doc:"The order ID, raw or percent-encoded, including any slashes." example:"R100001"`
	}
	deletedInput struct {
		strictQuery

		OrderID string `path:"order_id" doc:"The order ID, raw or percent-encoded, including any slashes." example:"R100001"`
		Reason  string `query:"reason" maxLength:"2000" default:"not given" doc:"Reason, for the audit."`
	}

	cancelInput struct {
		strictQuery

		Body cancelBody
	}
	//nolint:lll // tags cannot be broken
	cancelBody struct {
		OrderID string     `json:"order_id" doc:"The order ID." example:"R100001"`
		Items   []itemBody `json:"items,omitempty" minItems:"1" maxItems:"1000" doc:"Returned items with the total quantity returned so far; without a quantity, all of it. Without items, the whole order is cancelled."`
	}

	receiptOutput struct {
		Status int
		Body   orders.Receipt
	}
	storedOutput struct {
		Warning string `header:"Warning" doc:"Code 110 if the order comes from a replica, which may lag, because the primary is unavailable."`
		Body    orders.Stored
	}
	cancelOutput   struct{ Body orders.Stored }
	deletionOutput struct{ Body deletionBody }
	deletionBody   struct {
		DeletionID int64     `json:"deletion_id" doc:"ID of the deletion in the audit."`
		DeletedAt  time.Time `json:"deleted_at"`
		Lines      int64     `json:"lines" doc:"Number of items the order had."`
	}
)

// Schema documents an item as a name or an object.
func (itemBody) Schema(r huma.Registry) *huma.Schema {
	type object itemBody // without this method
	return &huma.Schema{OneOf: []*huma.Schema{
		{Type: huma.TypeString, Description: "The item's name.", Examples: []any{"PID"}},
		huma.SchemaFromType(r, reflect.TypeFor[object]()),
	}}
}

// UnmarshalJSON accepts a name or an object.
func (i *itemBody) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(text, []byte(`"`)) {
		return json.Unmarshal(text, &i.Name)
	}
	type object itemBody // without this method
	return json.Unmarshal(text, (*object)(i))
}

// list returns the orders of the body, or what is wrong with its form.
func (b *ordersBody) list() ([]orders.Order, error) {
	bodies := b.Orders
	if bodies == nil {
		bodies = []orderBody{{b.OrderFields}}
	} else if b.OrderID != "" || b.Items != nil || b.OrderedAt != nil || b.CustomerID != "" {
		return nil, orders.InvalidError{{Order: -1, Field: "orders", Problem: "come instead of the fields of one order, not beside them"}}
	}
	list := make([]orders.Order, len(bodies))
	for i, body := range bodies {
		o := orders.Order{ID: body.OrderID, OrderedAt: body.OrderedAt, CustomerID: body.CustomerID}
		o.Items = itemsOf(body.Items)
		list[i] = o
	}
	return list, nil
}

func itemsOf(bodies []itemBody) []orders.Item {
	items := make([]orders.Item, len(bodies))
	for i, b := range bodies {
		items[i] = orders.Item(b)
	}
	return items
}

func (a *API) orders() {
	keyed := requirements{scope: apikey.Write, slots: a.queries, of: a.primary}
	reading := requirements{scope: apikey.Read, slots: a.queries}
	sending := requirements{scope: apikey.Write, body: a.MaxBody, slots: a.queries, of: a.primary}
	add := managed(huma.Operation{
		OperationID: "orders-add",
		Method:      http.MethodPost,
		Path:        ordersPath,
		Summary:     "Add orders",
		Description: "Adds one order or up to 1000, all or none. The response is sent once they are durable: 201 if any is new, 200 if all " +
			"were known. Requests are safe to repeat: a known order gains only the items it does not have yet. Recommendations change with the next " +
			"build, which `serve` starts automatically.",
	}, http.StatusCreated, "orders")
	known := jsonResponse("All orders were already known.", "orders-known")
	known.Content["application/json"].Schema = a.routes.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[orders.Receipt](), true, "")
	add.Responses["200"] = known
	register(a, sending, add, a.addOrders)
	register(a, sending, managed(huma.Operation{
		OperationID: "orders-cancel",
		Method:      http.MethodPost,
		Path:        cancellationsPath,
		Summary:     "Cancel an order or return items",
		Description: "Cancelled items no longer count. The response is what remains of the order. Requests are safe to repeat: quantities are " +
			"totals returned so far. To undo a cancellation, revert its load.",
		Errors: []int{http.StatusNotFound},
	}, http.StatusOK, "orders"), a.cancelOrder)
	register(a, reading, managed(huma.Operation{
		OperationID: "orders-get",
		Method:      http.MethodGet,
		Path:        ordersPath + "/{order_id}",
		Summary:     "One order",
		Description: "Reads the order from the primary or, while that is unavailable, from the replica, with a Warning.",
		Errors:      []int{http.StatusNotFound},
	}, http.StatusOK, "orders"), a.storedOrder)
	register(a, keyed, managed(huma.Operation{
		OperationID: "orders-delete",
		Method:      http.MethodDelete,
		Path:        ordersPath + "/{order_id}",
		Summary:     "Permanently delete an order",
		Description: "Also deletes its data in loads and rejects. The audit records that an order was deleted, but not which.",
		Errors:      []int{http.StatusNotFound},
	}, http.StatusOK, "orders"), func(ctx context.Context, in *deletedInput) (*deletionOutput, error) {
		if a.Orders == nil {
			return nil, errNoOrders
		}
		if isNoText(in.Reason) {
			return nil, noText("query.reason")
		}
		deleted, err := a.Orders.Delete(ctx, in.OrderID, in.Reason, signer(ctx))
		return &deletionOutput{deletion(deleted)}, err
	})
}

func deletion(d db.OrderDeletion) deletionBody {
	return deletionBody{DeletionID: d.DeletionID, DeletedAt: moment(d.DeletedAt), Lines: d.Lines}
}

func (a *API) addOrders(ctx context.Context, in *ordersInput) (*receiptOutput, error) {
	if a.Orders == nil {
		return nil, errNoOrders
	}
	if isNoText(in.IdempotencyKey) {
		return nil, noText("header.Idempotency-Key")
	}
	var receipt orders.Receipt
	list, err := in.Body.list()
	if err == nil {
		sender := orders.Sender{Source: http.MethodPost + " " + ordersPath, Name: signer(ctx)}
		receipt, err = a.Orders.Add(ctx, sender, in.IdempotencyKey, list)
	}
	if err != nil {
		return nil, invalidOrders(err, in.Body.Orders != nil)
	}
	out := &receiptOutput{http.StatusOK, receipt}
	if receipt.Added() {
		out.Status = http.StatusCreated
	}
	return out, nil
}

func (a *API) cancelOrder(ctx context.Context, in *cancelInput) (*cancelOutput, error) {
	if a.Orders == nil {
		return nil, errNoOrders
	}
	sender := orders.Sender{Source: http.MethodPost + " " + cancellationsPath, Name: signer(ctx)}
	left, err := a.Orders.Cancel(ctx, sender, in.Body.OrderID, itemsOf(in.Body.Items))
	if err != nil {
		return nil, invalidOrders(err, false)
	}
	return &cancelOutput{left}, nil
}

// invalidOrders turns an InvalidError into a problem whose locations refer to the request's body: many orders or a
// single one.
func invalidOrders(err error, many bool) error {
	var invalid orders.InvalidError
	if !errors.As(err, &invalid) {
		return err
	}
	p := newProblem(http.StatusUnprocessableEntity, "")
	for _, f := range invalid {
		location := "body." + f.Field
		if many && f.Order >= 0 {
			location = fmt.Sprintf("body.orders[%d].%s", f.Order, f.Field)
		}
		p.Errors = append(p.Errors, &huma.ErrorDetail{Location: location, Message: f.Problem})
	}
	return p
}
