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

		IdempotencyKey string `header:"Idempotency-Key" maxLength:"200" doc:"A name of the request, for a day: a repeat is answered like the first."`
		Body           ordersBody
	}

	ordersBody struct {
		OrderFields

		Orders []orderBody `json:"orders,omitempty" minItems:"1" maxItems:"1000" doc:"Many orders, instead of one."`
	}

	orderBody struct {
		OrderFields
	}

	// OrderFields are the fields of one order. (Exported for the same reason as Options.)
	OrderFields struct {
		OrderID    string     `json:"order_id,omitempty" doc:"The order's id as the business knows it." example:"R100001"`
		Items      []itemBody `json:"items,omitempty" minItems:"1" maxItems:"1000" doc:"What was bought: names, or objects of a name and a quantity."`
		OrderedAt  *time.Time `json:"ordered_at,omitempty" doc:"When (RFC 3339). Without it, now."`
		CustomerID string     `json:"customer_id,omitempty" doc:"Whose order it is, as the business knows them."`
	}

	// itemBody is a name or an object.
	itemBody struct {
		Name     string   `json:"name" doc:"The item's name." example:"PID"`
		Quantity *float64 `json:"quantity,omitempty" exclusiveMinimum:"0" doc:"How many, at most 6 decimals."`
	}

	storedInput struct {
		strictQuery

		OrderID string `path:"order_id" doc:"The order's id, raw or percent-encoded, slashes too." example:"R100001"`
	}
	deletedInput struct {
		strictQuery

		OrderID string `path:"order_id" doc:"The order's id, raw or percent-encoded, slashes too." example:"R100001"`
		Reason  string `query:"reason" maxLength:"2000" default:"not given" doc:"Why, for the audit."`
	}

	cancelInput struct {
		strictQuery

		Body cancelBody
	}
	//nolint:lll // tags cannot be broken
	cancelBody struct {
		OrderID string     `json:"order_id" doc:"The order's id." example:"R100001"`
		Items   []itemBody `json:"items,omitempty" minItems:"1" maxItems:"1000" doc:"What was returned, and how many of it so far in all; without a quantity all of it. Without items, the whole order."`
	}

	receiptOutput struct {
		Status int
		Body   orders.Receipt
	}
	storedOutput struct {
		Warning string `header:"Warning" doc:"110 with an order of a replica, which may lag, because the primary does not answer."`
		Body    orders.Stored
	}
	cancelOutput   struct{ Body orders.Stored }
	deletionOutput struct{ Body deletionBody }
	deletionBody   struct {
		DeletionID int64     `json:"deletion_id" doc:"Of the audit."`
		DeletedAt  time.Time `json:"deleted_at"`
		Lines      int64     `json:"lines" doc:"How many items the order had."`
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
	keyed := demand{scope: apikey.Write, room: a.usual, of: a.primary}
	reading := demand{scope: apikey.Read, room: a.usual}
	sending := demand{scope: apikey.Write, body: a.MaxBody, room: a.usual, of: a.primary}
	add := managed(huma.Operation{
		OperationID: "orders-add",
		Method:      http.MethodPost,
		Path:        ordersPath,
		Summary:     "Add orders as they happen",
		Description: "One order or up to 1000, all or none of them; answered when they are durable. 201 if any of them is new, 200 if all " +
			"were known. It may be repeated: an order whose id is known gets the items that it did not have. Answers follow with the next " +
			"build, which `serve` makes by itself.",
	}, http.StatusCreated, "orders")
	known := jsonResponse("All orders were known.", "orders-known")
	known.Content["application/json"].Schema = a.routes.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[orders.Receipt](), true, "")
	add.Responses["200"] = known
	register(a, sending, add, a.addOrders)
	register(a, sending, managed(huma.Operation{
		OperationID: "orders-cancel",
		Method:      http.MethodPost,
		Path:        cancellationsPath,
		Summary:     "Cancel an order, or return items of it",
		Description: "What is cancelled does not count any more; the answer is what is left of the order. It may be repeated: quantities are " +
			"those returned so far in all. An order that is added again afterwards counts again.",
		Errors: []int{http.StatusNotFound},
	}, http.StatusOK, "orders"), a.cancelOrder)
	register(a, reading, managed(huma.Operation{
		OperationID: "orders-get",
		Method:      http.MethodGet,
		Path:        ordersPath + "/{order_id}",
		Summary:     "One order",
		Description: "As the database has it now: the primary, where there is a replica. While that is away, as the replica has it, with a Warning.",
		Errors:      []int{http.StatusNotFound},
	}, http.StatusOK, "orders"), a.storedOrder)
	register(a, keyed, managed(huma.Operation{
		OperationID: "orders-delete",
		Method:      http.MethodDelete,
		Path:        ordersPath + "/{order_id}",
		Summary:     "Delete an order for good",
		Description: "With all that loads and rejects say of it. The audit says that an order was deleted, not which.",
		Errors:      []int{http.StatusNotFound},
	}, http.StatusOK, "orders"), func(ctx context.Context, in *deletedInput) (*deletionOutput, error) {
		if a.Orders == nil {
			return nil, errNoOrders
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
