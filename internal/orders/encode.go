package orders

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/orderfile"
	"github.com/alsobought/alsobought/internal/spelling"
)

// format is what encode writes. Package orderfile recognizes its keys without further options.
var format = orderfile.Options{Options: datafile.Options{Format: datafile.JSONLines}}

// mostProblems is how many problems an InvalidError lists.
const mostProblems = 20

// InvalidError lists what is wrong with orders.
type InvalidError []InvalidField

// InvalidField is one problem of an order.
type InvalidField struct {
	Order   int    // index from 0; -1: all orders
	Field   string // path in the order, e.g. items[0].quantity
	Problem string
}

func (e InvalidError) Error() string {
	problems := make([]string, len(e))
	for i, f := range e {
		problems[i] = fmt.Sprintf("order %d: %s %s", f.Order, f.Field, f.Problem)
	}
	return strings.Join(problems, "; ")
}

type (
	orderLine struct {
		ID         string     `json:"order_id"`
		OrderedAt  *time.Time `json:"ordered_at,omitempty"`
		CustomerID string     `json:"customer_id,omitempty"`
		Status     string     `json:"status,omitempty"`
		Items      []itemLine `json:"items"`
	}
	itemLine struct {
		Name     string      `json:"item_name"`
		Quantity json.Number `json:"quantity,omitempty"`
		Status   string      `json:"item_status,omitempty"`
		Returned json.Number `json:"refunded_quantity,omitempty"`
	}
)

// encode converts orders to lines.
func encode(orders []Order) ([]orderLine, error) {
	if len(orders) == 0 || len(orders) > Most {
		return nil, InvalidError{{-1, "orders", fmt.Sprintf("are %d: send 1 to %d", len(orders), Most)}}
	}
	lines := make([]orderLine, len(orders))
	for i, o := range orders {
		if len(o.Items) == 0 || len(o.Items) > MostItems {
			return nil, InvalidError{{i, "items", fmt.Sprintf("are %d: send 1 to %d", len(o.Items), MostItems)}}
		}
		// In files, unreadable times are dropped. In a single order, that would hide a mistake.
		if t := o.OrderedAt; t != nil && (t.IsZero() || t.UTC().Year() < 1 || t.UTC().Year() > 9999) {
			return nil, InvalidError{{i, "ordered_at", "is out of range: use a year from 1 to 9999"}}
		}
		line := orderLine{ID: o.ID, OrderedAt: o.OrderedAt, CustomerID: o.CustomerID}
		for j, item := range o.Items {
			if q := item.Quantity; q != nil && !(*q > 0) {
				return nil, InvalidError{{i, fmt.Sprintf("items[%d].quantity", j), "is not above 0"}}
			}
			line.Items = append(line.Items, itemLine{Name: item.Name, Quantity: number(item.Quantity, "1", "")})
		}
		lines[i] = line
	}
	return lines, nil
}

// encodeReturn writes a return of items, or the cancellation of the whole order if items is empty. It only validates:
// what is loaded also depends on what was returned before.
func encodeReturn(id string, items []Item) ([]orderLine, error) {
	if len(items) == 0 {
		return []orderLine{{ID: id, Status: "cancelled", Items: []itemLine{}}}, nil
	}
	line := orderLine{ID: id}
	var wrong InvalidError
	for i, item := range items {
		name := spelling.CleanString(item.Name)
		if q := item.Quantity; q != nil && !(*q > 0) {
			wrong = append(wrong, InvalidField{0, fmt.Sprintf("items[%d].quantity", i), "is not above 0"})
		}
		if name == "" { // a load would take it as the status of the whole order
			wrong = append(wrong, InvalidField{0, fmt.Sprintf("items[%d].name", i), "is empty"})
		}
		if slices.ContainsFunc(line.Items, func(l itemLine) bool { return l.Name == name }) {
			wrong = append(wrong, InvalidField{
				0, fmt.Sprintf("items[%d].name", i), "is listed twice: send it once, with the total quantity",
			})
		}
		returned := itemLine{Name: name, Quantity: number(item.Quantity, "", "-")}
		if item.Quantity == nil {
			returned.Status = "refunded"
		}
		line.Items = append(line.Items, returned)
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return []orderLine{line}, nil
}

func number(n *float64, missing, sign string) json.Number {
	if n == nil {
		return json.Number(missing)
	}
	return json.Number(sign + strconv.FormatFloat(*n, 'f', -1, 64))
}

// written returns orders as JSON lines, as they are loaded.
func written(lines []orderLine) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	for _, l := range lines {
		if err := encoder.Encode(l); err != nil {
			return nil, fmt.Errorf("write an order: %w", err)
		}
	}
	return text.Bytes(), nil
}

// check reads orders like a load does and returns their ids. What a load would reject is an InvalidError.
func check(orders []orderLine) ([]string, error) {
	lines, err := written(orders)
	if err != nil {
		return nil, err
	}
	reader, err := orderfile.Open(bytes.NewReader(lines), format)
	if err != nil {
		return nil, fmt.Errorf("read orders: %w", err)
	}
	ids := make([]string, len(orders))
	var wrong InvalidError
	var item int
	for number := int64(0); len(wrong) < mostProblems; {
		line, reject, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read orders: %w", err)
		}
		at := line.Number
		if reject != nil {
			at = reject.Number
		}
		if item++; at != number {
			number, item = at, 0
		}
		if reject == nil || slices.Contains(orderfile.NotBought(), reject.Reason) {
			ids[at-1] = line.Order
		} else {
			f := InvalidField{int(at) - 1, field(reject.Reason, reject.Detail, item), reject.Detail}
			if len(wrong) == 0 || wrong[len(wrong)-1] != f { // order-level problems repeat for each item
				wrong = append(wrong, f)
			}
		}
	}
	places := make(map[string]int, len(ids))
	for i, id := range ids {
		if first, found := places[id]; !found {
			places[id] = i
		} else if id != "" {
			wrong = append(wrong, InvalidField{i, "order_id", fmt.Sprintf("is that of orders[%d]: send all items in one order", first)})
		}
	}
	if len(wrong) > 0 {
		return nil, wrong[:min(len(wrong), mostProblems)]
	}
	return ids, nil
}

func field(reason datafile.Reason, detail string, item int) string {
	switch reason {
	case orderfile.MissingOrder, orderfile.DamagedOrder:
		return "order_id"
	case orderfile.BadTime:
		return "ordered_at"
	case orderfile.MissingItem:
		return fmt.Sprintf("items[%d].name", item)
	case orderfile.BadQuantity:
		return fmt.Sprintf("items[%d].quantity", item)
	default: // too long, or with characters that cannot be stored: only the detail says which value
		isOf := func(value string) bool {
			return strings.HasPrefix(detail, value+" of ") || strings.HasSuffix(detail, " in the "+value)
		}
		switch {
		case isOf("order"):
			return "order_id"
		case isOf("customer"):
			return "customer_id"
		}
		return fmt.Sprintf("items[%d]", item)
	}
}
