package orderfile

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// doubts collects signs that rows which can be loaded may not mean what they seem to. It looks at the first rows of a
// source only, which bounds its memory.
type doubts struct {
	lines        int64
	orders       map[string]*heldOrder
	last         *heldOrder       // order of the last line
	items        map[string]int64 // lines per item
	settled      *tally           // summary of orders and items, which it replaces after mostDoubted lines
	days, buyers examples         // orders whose lines have several days, or several customers
	named        bool             // an item contains a letter
}

// tally summarises all orders and items.
type tally struct {
	orders, items int64
	commonest     string // the most frequent item
	lines         int64  // that have it

	placeholders map[string]int64 // lines per placeholder, keyed like: item "n/a"
}

// heldOrder holds the first time and the first customer that the lines of an order give.
type heldOrder struct {
	id       string
	lines    int64
	at       time.Time
	customer string
	doubted  [2]bool // already counted in days, in buyers
}

type examples struct {
	count int64
	first string
}

func (e *examples) add(order string) {
	if e.count++; e.count == 1 {
		e.first = order
	}
}

// mostDoubted is the number of lines to look at.
const mostDoubted = 20_000

// placeholders are what programs write for missing values, and the labels of total rows.
var placeholders = []string{
	"(not set)", "(other)", "(none)", "nan", "null", "none", "nil", "undefined", "unknown", "n/a", "na", "#n/a", "#ref!", "#value!", "#name?",
	"-", "--", "?", "total", "grand total", "subtotal", "sum", "summe", "gesamt", "test",
}

const longestPlaceholder = 11

func newDoubts() *doubts {
	return &doubts{orders: map[string]*heldOrder{}, items: map[string]int64{}, last: &heldOrder{}}
}

func (d *doubts) take(l *Line) {
	d.lines++
	d.items[l.Item]++
	d.named = d.named || strings.ContainsFunc(l.Item, func(r rune) bool { return r >= 'A' })
	held := d.order(l.Order)
	held.lines++
	const apart = 12 * time.Hour // one night at a till raises no doubt
	switch {
	case held.at.IsZero():
		held.at = l.OrderedAt
	case !l.OrderedAt.IsZero() && l.OrderedAt.Sub(held.at).Abs() > apart && !held.doubted[0]:
		held.doubted[0] = true
		d.days.add(l.Order)
	}
	switch {
	case held.customer == "":
		held.customer = l.Customer
	case l.Customer != "" && l.Customer != held.customer && !held.doubted[1]:
		held.doubted[1] = true
		d.buyers.add(l.Order)
	}
	if d.lines == mostDoubted {
		d.settle()
	}
}

// order returns what is held of an order.
func (d *doubts) order(id string) *heldOrder {
	if d.last.id == id {
		return d.last
	}
	held := d.orders[id]
	if held == nil {
		held = &heldOrder{id: id}
		d.orders[id] = held
	}
	d.last = held
	return held
}

// settle replaces orders and items by their summary, so that they take no memory during the rest of a long read.
func (d *doubts) settle() {
	t := d.tally()
	d.settled, d.orders, d.last, d.items = &t, nil, nil, nil
}

func (d *doubts) tally() tally {
	if d.settled != nil {
		return *d.settled
	}
	t := tally{orders: int64(len(d.orders)), items: int64(len(d.items)), placeholders: map[string]int64{}}
	for id, held := range d.orders {
		t.hold("order", id, held.lines)
	}
	for item, lines := range d.items {
		t.hold("item", item, lines)
		if lines > t.lines || lines == t.lines && item < t.commonest {
			t.commonest, t.lines = item, lines
		}
	}
	return t
}

// hold notes the value if it is a placeholder.
func (t *tally) hold(what, value string, lines int64) {
	if len(value) <= longestPlaceholder && slices.Contains(placeholders, strings.ToLower(value)) {
		t.placeholders[fmt.Sprintf("%s %q", what, value)] = lines
	}
}

// say returns what looks wrong, one line each. columns are the source's columns; found is the column of each role.
func (d *doubts) say(found, columns []string) (notes []string) {
	item := found[itemRole]
	advice := "if numbers begin anew, make the order of several columns: --order-column date,number"
	if order, at := found[orderRole], found[timeRole]; order != "" && at != "" && !strings.ContainsAny(order+at, ", ") {
		advice = strings.Replace(advice, "date,number", at+","+order, 1)
	}
	if d.days.count > 0 {
		notes = append(notes, fmt.Sprintf("%s with lines of several days, such as %q: %s", plural(d.days.count, "order"), short(d.days.first), advice))
	}
	if d.buyers.count > 0 {
		notes = append(notes, fmt.Sprintf("%s with lines of several customers, such as %q: %s",
			plural(d.buyers.count, "order"), short(d.buyers.first), advice))
	}
	const few, many = 4, 50                             // lines
	numbers := !d.named && d.lines >= few && item != "" // baskets have no column to name
	t := d.tally()
	if different := t.items == d.lines; different && item != "" && (numbers || d.lines >= many) {
		notes = append(notes, fmt.Sprintf("every line has another item (%s): nothing is bought together twice; "+
			"if these are numbers of lines, name the column of items with --item-column", item))
	}
	if i := slices.IndexFunc(columns, isNameColumn); numbers && i >= 0 && columns[i] != item {
		notes = append(notes, fmt.Sprintf("items are numbers only (%s): --item-column %q takes names", item, columns[i]))
	}
	for _, what := range sorted(t.placeholders) {
		notes = append(notes, fmt.Sprintf("%s in %s: a placeholder, or a sum", what, plural(t.placeholders[what], "line")))
	}
	const most = 20 // the minimum number of orders; the item has to be in nine of ten
	if t.orders >= most && 10*t.lines >= 9*t.orders && t.items > 1 {
		notes = append(notes, fmt.Sprintf("item %q is in nearly every order (%d lines of %d orders)", short(t.commonest), t.lines, t.orders))
	}
	return notes
}

func isNameColumn(column string) bool {
	c := strings.ToLower(column)
	return strings.Contains(c, "name") && !strings.Contains(c, "customer") || strings.Contains(c, "description") || strings.Contains(c, "title")
}

// sorted returns at most ten keys of counts, in descending order of count.
func sorted(counts map[string]int64) []string {
	keys := make([]string, 0, len(counts))
	for key := range counts {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int {
		if counts[a] != counts[b] {
			return int(counts[b] - counts[a])
		}
		return strings.Compare(a, b)
	})
	return keys[:min(len(keys), 10)]
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// short truncates text that would make a note unreadable.
func short(text string) string {
	const most = 60
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
