package orderfile

import (
	"bytes"
	"hash/maphash"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/spelling"
)

// values holds the fields of one row, cleaned by package spelling. nil means that the source does not give the value.
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

// line checks the values of a row and makes a zero line theirs. A row that does not count as bought needs an order but
// nothing else.
func (c *checks) line(r *datafile.Row, v *values, l *Line) *Reject {
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
		return v.reject(r, MissingOrder, "no order id")
	case string(v[orderRole]) != c.order && isDamaged(v[orderRole]):
		return v.reject(r, DamagedOrder, "order %s: a spreadsheet cut the id, export it as text", datafile.Excerpt(v[orderRole]))
	case len(v[itemRole]) == 0 && reason == "":
		return v.reject(r, MissingItem, "no item")
	case max(len(v[orderRole]), len(v[itemRole]), len(v[customerRole])) > MaxText:
		return v.tooLong(r)
	}
	l.Number = r.Line
	c.name(l, v)
	if reason != "" {
		c.takeBack(l, v, reason)
		return v.reject(r, reason, "%s", why)
	}
	if reject := c.quantity(r, v, l); reject != nil {
		return reject
	}
	if len(v[returnedRole]) > 0 || len(v[keptRole]) > 0 {
		if reject := c.givenBack(r, v, l); reject != nil {
			return reject
		}
	}
	return c.orderedAt(r, v, l)
}

// orderedAt reads the time. It zeroes the line if it rejects the row.
func (c *checks) orderedAt(r *datafile.Row, v *values, l *Line) *Reject {
	at := v[timeRole]
	if len(at) == 0 {
		return nil
	}
	var zone *time.Location
	if name := v[zoneRole]; len(name) > 0 {
		zone = zoneNamed(string(name))
	}
	if !bytes.Equal(at, c.time) || zone != c.zone {
		if isNull(at) {
			return nil
		}
		parsed, _, ok := c.times.look(at, zone)
		if !ok {
			*l = Line{}
			return v.reject(r, BadTime, "time %s: %s", datafile.Excerpt(at), c.times.advice())
		}
		c.time, c.at, c.zone = append(c.time[:0], at...), parsed, zone
	}
	l.OrderedAt = c.at
	return nil
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

// quantity reads the quantity bought. It rejects a row whose quantity cannot be read, and then zeroes the line, and a
// row whose quantity was given back.
func (c *checks) quantity(r *datafile.Row, v *values, l *Line) *Reject {
	quantity := v[quantityRole]
	if quantity == nil {
		return nil
	}
	q, negative, problem := parseNumber(quantity, c.decimal)
	switch {
	case problem != "":
		return v.badQuantity(r, l, quantityRole, problem)
	case q.IsZero():
		return v.badQuantity(r, l, quantityRole, "not above 0")
	case negative:
		l.Returned.Quantity = q
		return v.reject(r, Negative, "quantity %s", datafile.Excerpt(quantity))
	}
	l.Quantity = q
	return nil
}

// badQuantity zeroes the line and rejects the row for the quantity in one of its columns.
func (v *values) badQuantity(r *datafile.Row, l *Line, role role, problem string) *Reject {
	*l = Line{}
	return v.reject(r, BadQuantity, "%s %s: %s", role, datafile.Excerpt(v[role]), problem)
}

// givenBack reads how much of the quantity was given back. It rejects a row that cannot be read, and then zeroes the
// line, and a row that leaves nothing bought.
func (c *checks) givenBack(r *datafile.Row, v *values, l *Line) *Reject {
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
			return v.badQuantity(r, l, role, problem)
		case role == keptRole && negative:
			return v.badQuantity(r, l, role, "below 0")
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

func (v *values) tooLong(r *datafile.Row) *Reject {
	checked := []role{orderRole, itemRole, customerRole}
	first := checked[slices.IndexFunc(checked, func(role role) bool { return len(v[role]) > MaxText })]
	return v.reject(r, TooLong, "%s of %d bytes, the maximum is %d", first, len(v[first]), MaxText)
}

// common checks the values that all items of a row share. If one is wrong, the whole row gets one reject instead of one
// per item.
func (c *checks) common(r *datafile.Row, v values) *Reject {
	v[itemRole] = []byte("any item")
	var line Line
	reject := c.line(r, &v, &line)
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
