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

	row  *datafile.Row
	v    values
	item int // index of the next field to look at
}

func newBaskets(rows *datafile.Reader, lineage *Lineage, c *checks) *baskets {
	b := &baskets{rows: rows, checks: c, firstIDs: lineage == nil}
	if lineage != nil {
		b.prefix = spelling.CleanString(lineage.Prefix)
	}
	return b
}

func (b *baskets) next(l *Line) (*Reject, error) {
	if !b.more() {
		if reject, err := b.open(); reject != nil || err != nil {
			return reject, err
		}
		b.more() // or the row is rejected for its missing item
	}
	return b.checks.line(b.row, &b.v, l), nil
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
		b.v[orderRole], b.item = strconv.AppendInt(append(b.v[orderRole][:0], b.prefix...), row.Line, 10), 0
		return nil, nil //nolint:nilnil // nothing to refuse
	}
	b.v[orderRole] = row.Value(0)
	if reject := b.checks.common(row, b.v); reject != nil {
		return reject, nil
	}
	b.item = 1
	return nil, nil //nolint:nilnil // nothing to refuse
}

// more moves to the next field that is not empty and reports whether the basket has one.
func (b *baskets) more() bool {
	b.v[itemRole] = nil
	for b.row != nil && b.item < b.row.Len() {
		item := b.row.Value(b.item)
		b.item++
		if len(item) > 0 {
			b.v[itemRole] = item
			return true
		}
	}
	return false
}
