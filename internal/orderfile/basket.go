package orderfile

import (
	"path/filepath"
	"strconv"
)

// baskets reads one order per line. Empty fields are no items: programs pad baskets with them to equal width.
type baskets struct {
	scan     *scanner
	checks   *checks
	firstIDs bool   // the first field is the order id
	prefix   string // else it is the line number behind this: the same line of another file is another order

	row   *row
	order []byte
	item  int // the next field of row to look at
}

func newBaskets(text *window, separator byte, opts Options, c *checks, m *Mapping) *baskets {
	split := splitBlanks
	if separator != ' ' {
		split = splitOn(separator)
	}
	b := &baskets{scan: newScanner(text, split, opts), checks: c, firstIDs: opts.BasketIDs == "first", prefix: filepath.Base(opts.name()) + ":"}
	m.Delimiter = string(separator)
	m.Order, m.Item = "file name and line number", "every field"
	if b.firstIDs {
		m.Order, m.Item = "first field", "every other field"
	}
	return b
}

func (b *baskets) next() (Line, *Reject, error) {
	if !b.more() {
		if reject, err := b.open(); reject != nil || err != nil {
			return Line{}, reject, err
		}
	}
	v := values{orderRole: b.order}
	if b.more() {
		v[itemRole] = b.row.text(b.item)
		b.item++
	}
	line, reject := b.checks.line(b.row, &v)
	return line, reject, nil
}

// open goes to the next basket. The reject, if any, is of the basket as a whole.
func (b *baskets) open() (*Reject, error) {
	row, err := b.scan.next()
	if err != nil {
		return nil, err
	}
	b.row, b.item = row, len(row.fields)
	if reject := row.check(); reject != nil {
		return reject, nil
	}
	if !b.firstIDs {
		b.order, b.item = strconv.AppendInt(append(b.order[:0], b.prefix...), row.line, 10), 0
		return nil, nil //nolint:nilnil // nothing to refuse
	}
	b.order = row.text(0)
	if reject := b.checks.common(row, values{orderRole: b.order}); reject != nil {
		return reject, nil
	}
	b.item = 1
	return nil, nil //nolint:nilnil // nothing to refuse
}

// more skips empty fields and reports whether an item is left in the basket.
func (b *baskets) more() bool {
	if b.row == nil {
		return false
	}
	for b.item < len(b.row.fields) && len(trim(b.row.text(b.item))) == 0 {
		b.item++
	}
	return b.item < len(b.row.fields)
}
