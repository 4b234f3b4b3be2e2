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

// values are what one row says, as written. nil means that the source does not say.
type values [roles][]byte

// checks makes lines and rejects out of values, the same way for every format.
type checks struct {
	times   timeFormat
	decimal decimal
	fates   *fates
	profile *profile // of the source, nil if it is none that is known
	without []role   // what was found, but holds something else
	before  *values  // the row before, where orders say things on their first row only

	// What the rows before said: consecutive rows share order, customer and time, and items come again.
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

// line makes the checks of what the row says. A row that does not count as bought has an order and need have nothing else.
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

// takeBack says what a line takes back that is not bought. One that tells of no sale, as that an item was looked at, takes back
// nothing: its order may well have been bought later. A negative quantity, and that of an event, as of a refund, is what was given
// back, and no more; beside a status it is what had been bought.
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

// carryDown fills what an order says on its first row only into the others.
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

// isDamaged knows ids that spreadsheets have made numbers of: 1.23E+12.
func isDamaged(order []byte) bool {
	at := bytes.IndexByte(order, '+') - 1
	if at < 1 || order[at] != 'E' || at+4 > len(order) || leadingDigits(order[at+2:]) != len(order)-at-2 {
		return false
	}
	digits := leadingDigits(order[:at])
	return digits == at || digits == 1 && (order[1] == '.' || order[1] == ',') && leadingDigits(order[2:at]) == at-2
}

// withoutPrefix takes [SKU] off the beginning of an item.
func withoutPrefix(item []byte) []byte {
	if len(item) > 0 && item[0] == '[' {
		if end := bytes.IndexByte(item, ']'); end > 0 && len(spelling.Clean(item[end+1:])) > 0 {
			return spelling.Clean(item[end+1:])
		}
	}
	return item
}

// name gives the line its texts.
func (c *checks) name(l *Line, v *values) {
	if c.order != string(v[orderRole]) {
		c.order = string(v[orderRole])
	}
	if c.customer != string(v[customerRole]) {
		c.customer = string(v[customerRole])
	}
	l.Order, l.Item, l.Customer = c.order, c.items.string(v[itemRole]), c.customer
}

// quantities reads how much was bought and how much of that was given back. The reject is of a row that cannot be read, with a
// zero line, or of one of which nothing is left.
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

// common checks what all items of a row share. What is wrong there is wrong with the row as a whole: one reject, not one
// for each item.
func (c *checks) common(r *datafile.Row, v values) *Reject {
	v[itemRole] = []byte("any item")
	line, reject := c.line(r, &v)
	if reject == nil || line.Returned.Any() {
		return nil
	}
	reject.Said = nil // the row is more than one line
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
