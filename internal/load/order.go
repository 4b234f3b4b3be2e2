package load

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/alsobought/alsobought/internal/orderfile"
)

// order collects consecutive lines of one order.
type order struct {
	id        string
	orderedAt time.Time // earliest time of its lines
	customer  string    // smallest customer id of its lines, by bytes
	lines     []orderLine
	places    map[int64]int // index into lines by item, once there are many
}

type orderLine struct {
	item     int64
	quantity orderfile.Quantity
}

// Up to fewLines items are searched linearly, and at most mostLines are held in memory: a longer run of lines is cut,
// and the merge joins the parts.
const (
	fewLines  = 32
	mostLines = 100_000
)

// add adds a line to the current order, or starts the next one.
func (s *stage) add(line orderfile.Line) {
	o := &s.order
	if line.Order != o.id {
		s.flush()
		o.id = strings.Clone(line.Order)
	}
	item, known := s.items[line.Item]
	if !known {
		item = int64(len(s.items) + 1)
		name := strings.Clone(line.Item)
		s.items[name] = item
		rows := &s.written.items
		rows.begin(2)
		rows.bigint(item)
		rows.text(name)
	}
	quantity := line.Quantity
	if quantity.IsZero() {
		quantity.Whole = 1
	}
	if !o.put(item, quantity) {
		s.flush()
		o.id = strings.Clone(line.Order)
		o.put(item, quantity)
	}
	if !line.OrderedAt.IsZero() && (o.orderedAt.IsZero() || line.OrderedAt.Before(o.orderedAt)) {
		o.orderedAt = line.OrderedAt
	}
	if line.Customer != "" && (o.customer == "" || line.Customer < o.customer) {
		o.customer = strings.Clone(line.Customer)
	}
}

// put adds a quantity of an item. It returns false if there are too many items, or the sum is too large.
func (o *order) put(item int64, quantity orderfile.Quantity) bool {
	place, found := o.find(item)
	if !found {
		if len(o.lines) == mostLines {
			return false
		}
		o.lines = append(o.lines, orderLine{item, quantity})
		if o.places != nil {
			o.places[item] = len(o.lines) - 1
		}
		return true
	}
	sum := &o.lines[place].quantity
	micros := sum.Micros + quantity.Micros
	carry := int64(micros / 1_000_000)
	if sum.Whole > math.MaxInt64-quantity.Whole-carry {
		return false
	}
	sum.Whole, sum.Micros = sum.Whole+quantity.Whole+carry, micros%1_000_000
	return true
}

func (o *order) find(item int64) (place int, found bool) {
	if len(o.lines) <= fewLines {
		place = slices.IndexFunc(o.lines, func(l orderLine) bool { return l.item == item })
		return place, place >= 0
	}
	if o.places == nil {
		o.places = make(map[int64]int, 2*fewLines)
		for i, l := range o.lines {
			o.places[l.item] = i
		}
	}
	place, found = o.places[item]
	return place, found
}

// flush writes the current order, if any, and clears it.
func (s *stage) flush() {
	o := &s.order
	if len(o.lines) == 0 {
		return
	}
	s.orders++
	s.lines += int64(len(o.lines))
	slices.SortFunc(o.lines, func(a, b orderLine) int { return cmp.Compare(a.item, b.item) })
	s.written.order(s.orders, s.loadID, o)
	*o = order{lines: o.lines[:0]}
}

// chunk is a part of what was read, encoded as rows of the tables.
type chunk struct {
	items, orders, lines, rejects, returns copyRows

	ids []int64 // item ids of one order
}

// full reports whether the chunk is large enough to copy.
func (c *chunk) full() bool {
	const size = 1 << 20
	return len(c.lines.bytes)+len(c.orders.bytes)+len(c.items.bytes)+len(c.rejects.bytes)+len(c.returns.bytes) > size
}

func (c *chunk) reset() {
	for _, r := range []*copyRows{&c.items, &c.orders, &c.lines, &c.rejects, &c.returns} {
		r.bytes = r.bytes[:0]
	}
}

func (c *chunk) order(number, loadID int64, o *order) {
	c.ids = c.ids[:0]
	for _, l := range o.lines {
		c.ids = append(c.ids, l.item)
		c.lines.begin(4)
		c.lines.bigint(number)
		c.lines.bigint(l.item)
		c.lines.quantity(l.quantity)
		c.lines.bigint(loadID)
	}
	c.orders.begin(6)
	c.orders.bigint(number)
	c.orders.text(o.id)
	c.orders.timestamp(o.orderedAt)
	c.orders.textOrNull(o.customer)
	c.orders.bigint(loadID)
	c.orders.bigints(c.ids)
}

// giveBack writes what a row takes back of an order.
func (c *chunk) giveBack(line orderfile.Line) {
	r := &c.returns
	r.begin(3)
	r.text(line.Order)
	r.textOrNull(line.Item)
	if line.Returned.All {
		r.null()
		return
	}
	r.quantity(line.Returned.Quantity)
}

// Outcomes of rows that do not become lines.
const (
	Rejected  = "rejected"
	NotBought = "not_bought"
)

// reject writes a row that does not become a line.
func (c *chunk) reject(loadID, row int64, file int, outcome string, reject *orderfile.Reject) error {
	r := &c.rejects
	r.begin(9)
	r.bigint(loadID)
	r.bigint(row)
	r.integer(file)
	r.bigint(reject.Number)
	r.text(string(reject.Reason))
	r.text(reject.Detail)
	r.bytea(reject.Raw)
	if reject.Said == nil {
		r.null()
	} else {
		parsed, err := json.Marshal(reject.Said)
		if err != nil {
			return fmt.Errorf("keep reject: %w", err)
		}
		r.jsonb(parsed)
	}
	r.text(outcome)
	return nil
}
