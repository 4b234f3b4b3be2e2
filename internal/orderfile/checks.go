package orderfile

import (
	"bytes"
	"hash/maphash"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alsobought/alsobought/internal/datafile"
)

// values are what one row says, as written. nil means that the source does not say.
type values [roles][]byte

// checks makes lines and rejects out of values, the same way for every format.
type checks struct {
	times timeFormat

	// What the rows before said: consecutive rows share order, customer and time, and items come again.
	order, customer string
	time            []byte
	at              time.Time
	items           interner
}

func newChecks(opts Options) (*checks, error) {
	times, err := parseTimeFormat(opts.TimeFormat)
	return &checks{times: times, items: interner{seed: maphash.MakeSeed()}}, err
}

// line makes the checks of what the row says.
func (c *checks) line(r *datafile.Row, v *values) (Line, *Reject) {
	l := Line{Number: r.Line}
	for i := range v {
		v[i] = datafile.Trim(v[i])
	}
	order, item, customer := v[orderRole], v[itemRole], v[customerRole]
	switch {
	case len(order) == 0:
		return Line{}, v.reject(r, MissingOrder, "no order id")
	case len(item) == 0:
		return Line{}, v.reject(r, MissingItem, "no item")
	}
	for _, role := range []role{orderRole, itemRole, customerRole} {
		if len(v[role]) > MaxText {
			return Line{}, v.reject(r, TooLong, "%s of %d bytes, the most is %d", role, len(v[role]), MaxText)
		}
	}
	if quantity := v[quantityRole]; quantity != nil {
		var problem string
		if l.Quantity, problem = parseQuantity(quantity); problem != "" {
			return Line{}, v.reject(r, BadQuantity, "quantity %s: %s", datafile.Excerpt(quantity), problem)
		}
	}
	if at := v[timeRole]; len(at) > 0 {
		if !bytes.Equal(at, c.time) {
			parsed, ok := c.times.parse(at)
			if !ok {
				return Line{}, v.reject(r, BadTime, "time %s: %s", datafile.Excerpt(at), c.times.advice())
			}
			c.time, c.at = append(c.time[:0], at...), parsed
		}
		l.OrderedAt = c.at
	}
	if c.order != string(order) {
		c.order = string(order)
	}
	if c.customer != string(customer) {
		c.customer = string(customer)
	}
	l.Order, l.Item, l.Customer = c.order, c.items.string(item), c.customer
	return l, nil
}

// common checks what all items of a row share. What is wrong there is wrong with the row as a whole: one reject, not one
// for each item.
func (c *checks) common(r *datafile.Row, v values) *Reject {
	v[itemRole] = []byte("any item")
	_, reject := c.line(r, &v)
	if reject != nil {
		reject.Said = nil // the row is more than one line
	}
	return reject
}

func (v *values) reject(r *datafile.Row, reason datafile.Reason, detail string, args ...any) *Reject {
	reject := &Reject{*r.Reject(reason, detail, args...), &Said{}}
	for i, said := range []**string{
		orderRole: &reject.Said.Order, itemRole: &reject.Said.Item, quantityRole: &reject.Said.Quantity,
		timeRole: &reject.Said.OrderedAt, customerRole: &reject.Said.Customer,
	} {
		if v[i] != nil {
			text := strings.ToValidUTF8(string(v[i][:min(len(v[i]), MaxText+utf8.UTFMax)]), "")
			*said = &text
		}
	}
	return reject
}

func (f timeFormat) advice() string {
	if f.steps == "" {
		return "not like 2006-01-02 15:04:05; say how times are written with --time-format"
	}
	return "not in the given time format"
}

// interner gives equal names the same string as far as its slots allow. Its memory is bounded: a slot holds one short
// name, the last that fell to it.
type interner struct {
	seed  maphash.Seed
	slots [4096]string
}

const maxInterned = 128

func (in *interner) string(b []byte) string {
	if len(b) > maxInterned {
		return string(b)
	}
	slot := &in.slots[maphash.Bytes(in.seed, b)%uint64(len(in.slots))]
	if *slot != string(b) {
		*slot = string(b)
	}
	return *slot
}

// whole is the reject of a row of which nobody can tell what it says; nil stays nil.
func whole(r *datafile.Reject) *Reject {
	if r == nil {
		return nil
	}
	return &Reject{Reject: *r}
}
