package orderfile

import (
	"strconv"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/spelling"
)

// baskets reads one order per line. It skips empty fields: programs use them to pad baskets to equal width.
type baskets struct {
	rows     *datafile.Reader
	checks   *checks
	firstIDs bool   // the first field is the order id
	prefix   string // otherwise prefix plus the line number is

	row   *datafile.Row
	order []byte
	item  int // index of the next field to look at
}

func newBaskets(rows *datafile.Reader, lineage *Lineage, c *checks) *baskets {
	b := &baskets{rows: rows, checks: c, firstIDs: lineage == nil}
	if lineage != nil {
		b.prefix = lineage.Prefix
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
		v[itemRole] = b.row.Text(b.item)
		b.item++
	}
	line, reject := b.checks.line(b.row, &v)
	return line, reject, nil
}

// open moves to the next basket. A reject, if any, applies to the basket as a whole.
func (b *baskets) open() (*Reject, error) {
	b.row = nil
	row, reject, err := b.rows.Read()
	if reject != nil || err != nil {
		return whole(reject), err
	}
	b.row, b.item = row, row.Len()
	if !b.firstIDs {
		b.order, b.item = strconv.AppendInt(append(b.order[:0], b.prefix...), row.Line, 10), 0
		return nil, nil //nolint:nilnil // nothing to refuse
	}
	b.order = row.Text(0)
	if reject := b.checks.common(row, values{orderRole: b.order}); reject != nil {
		return reject, nil
	}
	b.item = 1
	return nil, nil //nolint:nilnil // nothing to refuse
}

// more skips empty fields and reports whether the basket has an item left.
func (b *baskets) more() bool {
	if b.row == nil {
		return false
	}
	for b.item < b.row.Len() && len(spelling.Clean(b.row.Text(b.item))) == 0 {
		b.item++
	}
	return b.item < b.row.Len()
}
