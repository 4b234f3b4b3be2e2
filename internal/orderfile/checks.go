package orderfile

import (
	"bytes"
	"hash/maphash"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/spelling"
)

// values holds the fields of one row as written. nil means that the source does not give the value.
type values [roles][]byte

// checks turns values into lines and rejects, in the same way for every format.
type checks struct {
	times   timeFormat
	decimal decimal
	fates   *fates
	profile *profile // of the source; nil if not recognised
	without []role   // columns that were found but turned out to hold something else
	before  *values  // the previous row, in exports that give an order's values on its first row only

	// Values of earlier rows: consecutive rows share order, customer and time, and items recur.
	order, customer string
	time            []byte
	at              time.Time
	zone            *time.Location
	items           interner
}

func newChecks(opts Options) (*checks, error) {
	times, err := parseTimeFormat(opts.TimeFormat)
	if opts.TimeZone != "" {
		times.zone = zoneNamed(opts.TimeZone)
	}
	return &checks{times: times, fates: newFates(opts), items: interner{seed: maphash.MakeSeed()}}, err
}

// line checks the values of a row. A row that does not count as bought needs an order but nothing else.
func (c *checks) line(r *datafile.Row, v *values) (Line, *Reject) {
	l := Line{Number: r.Line}
	for i, text := range v {
		if len(text) > 0 && !r.Fits(text) {
			v[i] = spelling.Clean(text)
		}
	}
	for _, role := range c.without {
		v[role] = nil
	}
	if c.before != nil {
		c.carryDown(v)
	}
	if c.profile != nil && c.profile.prefix {
		v[itemRole] = withoutPrefix(v[itemRole])
	}
	reason, why := c.fates.judge(v)
	switch {
	case len(v[orderRole]) == 0 && reason != NoSale:
		return Line{}, v.reject(r, MissingOrder, "no order id")
	case string(v[orderRole]) != c.order && isDamaged(v[orderRole]):
		return Line{}, v.reject(r, DamagedOrder, "order %s: a spreadsheet cut the id, export it as text", datafile.Excerpt(v[orderRole]))
	case len(v[itemRole]) == 0 && reason == "":
		return Line{}, v.reject(r, MissingItem, "no item")
	}
	for _, role := range []role{orderRole, itemRole, customerRole} {
		if len(v[role]) > MaxText {
			return Line{}, v.reject(r, TooLong, "%s of %d bytes, the maximum is %d", role, len(v[role]), MaxText)
		}
	}
	c.name(&l, v)
	if reason != "" {
		c.takeBack(&l, v, reason)
		return l, v.reject(r, reason, "%s", why)
	}
	if reject := c.quantities(r, v, &l); reject != nil {
		return l, reject
	}
	if at := v[timeRole]; len(at) > 0 && !isNull(at) {
		var zone *time.Location
		if name := v[zoneRole]; len(name) > 0 {
			zone = zoneNamed(string(name))
		}
		if !bytes.Equal(at, c.time) || zone != c.zone {
			parsed, _, ok := c.times.look(at, zone)
			if !ok {
				return Line{}, v.reject(r, BadTime, "time %s: %s", datafile.Excerpt(at), c.times.advice())
			}
			c.time, c.at, c.zone = append(c.time[:0], at...), parsed, zone
		}
		l.OrderedAt = c.at
	}
	return l, nil
}

// takeBack sets what a line that is not bought takes back. A line without a sale, such as a product view, takes back
// nothing: its order may still have been bought later. A negative quantity, or the quantity of a refund event, is the
// amount given back. Next to a status, the quantity is the amount bought, so the line takes back everything.
func (c *checks) takeBack(l *Line, v *values, reason datafile.Reason) {
	l.Returned.All = true
	if reason == NoSale {
		l.Order, l.Item = "", ""
		return
	}
	q, negative, problem := parseNumber(v[quantityRole], c.decimal)
	if problem == "" && !q.IsZero() && (negative || reason == Refunded && c.fates.events) {
		l.Returned = Return{Quantity: q}
	}
}

// carryDown copies values that only the first row of an order has into its other rows.
func (c *checks) carryDown(v *values) {
	if len(v[orderRole]) == 0 && len(v[itemRole]) > 0 || bytes.Equal(v[orderRole], c.before[orderRole]) {
		for _, r := range []role{orderRole, timeRole, zoneRole, customerRole, statusRole, cancelledRole} {
			if len(v[r]) == 0 {
				v[r] = c.before[r]
			}
		}
	}
	for r := range v {
		c.before[r] = append(c.before[r][:0:0], v[r]...)
	}
}

// isDamaged reports whether a spreadsheet has turned the id into a number, such as 1.23E+12.
func isDamaged(order []byte) bool {
	at := bytes.IndexByte(order, '+') - 1
	if at < 1 || order[at] != 'E' || at+4 > len(order) || leadingDigits(order[at+2:]) != len(order)-at-2 {
		return false
	}
	digits := leadingDigits(order[:at])
	return digits == at || digits == 1 && (order[1] == '.' || order[1] == ',') && leadingDigits(order[2:at]) == at-2
}

// withoutPrefix strips a leading [SKU] from an item.
func withoutPrefix(item []byte) []byte {
	if len(item) > 0 && item[0] == '[' {
		if end := bytes.IndexByte(item, ']'); end > 0 && len(spelling.Clean(item[end+1:])) > 0 {
			return spelling.Clean(item[end+1:])
		}
	}
	return item
}

// name sets the text fields of the line.
func (c *checks) name(l *Line, v *values) {
	if c.order != string(v[orderRole]) {
		c.order = string(v[orderRole])
	}
	if c.customer != string(v[customerRole]) {
		c.customer = string(v[customerRole])
	}
	l.Order, l.Item, l.Customer = c.order, c.items.string(v[itemRole]), c.customer
}

// quantities reads the quantity bought and how much of it was given back. It rejects a row that cannot be read, and
// then zeroes the line, and a row that leaves nothing bought.
func (c *checks) quantities(r *datafile.Row, v *values, l *Line) *Reject {
	refuse := func(role role, problem string) *Reject {
		*l = Line{}
		return v.reject(r, BadQuantity, "%s %s: %s", role, datafile.Excerpt(v[role]), problem)
	}
	if quantity := v[quantityRole]; quantity != nil {
		q, negative, problem := parseNumber(quantity, c.decimal)
		switch {
		case problem != "":
			return refuse(quantityRole, problem)
		case q.IsZero():
			return refuse(quantityRole, "not above 0")
		case negative:
			l.Returned.Quantity = q
			return v.reject(r, Negative, "quantity %s", datafile.Excerpt(quantity))
		}
		l.Quantity = q
	}
	bought := l.Quantity
	if bought.IsZero() {
		bought.Whole = 1
	}
	for _, role := range []role{returnedRole, keptRole} {
		if len(v[role]) == 0 || isNull(v[role]) {
			continue
		}
		q, negative, problem := parseNumber(v[role], c.decimal)
		switch {
		case problem != "":
			return refuse(role, problem)
		case role == keptRole && negative:
			return refuse(role, "below 0")
		case role == keptRole:
			q = bought.minus(q)
		}
		switch {
		case q.IsZero():
		case bought.minus(q).IsZero():
			l.Returned = Return{All: true}
			return v.reject(r, Refunded, "%s %s of %s", role, datafile.Excerpt(v[role]), bought)
		default:
			l.Returned.Quantity = q
		}
	}
	return nil
}

// common checks the values that all items of a row share. If one is wrong, the whole row gets one reject instead of one
// per item.
func (c *checks) common(r *datafile.Row, v values) *Reject {
	v[itemRole] = []byte("any item")
	line, reject := c.line(r, &v)
	if reject == nil || line.Returned.Any() {
		return nil
	}
	reject.Said = nil // the row has several lines
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

func (f *timeFormat) advice() string {
	if f.steps == "" {
		return "not like 2006-01-02 15:04:05; say how times are written with --time-format"
	}
	return "not in the given time format"
}

// interner returns the same string for equal names where possible. Its memory is bounded: each slot holds one short
// name, the last that hashed to it.
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

// whole is the reject of a row whose values cannot be told apart; nil stays nil.
func whole(r *datafile.Reject) *Reject {
	if r == nil {
		return nil
	}
	return &Reject{Reject: *r}
}
