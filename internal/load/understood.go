package load

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/orderfile"
)

// ErrNotUnderstood means that no rows of a file could be read, or hardly any.
var ErrNotUnderstood = errors.New("not understood")

// understoodShare is the share of a file's rows that must be valid, bought or not. In a dirty file, rows are wrong one
// by one: the dirtiest exports seen had a quarter of their rows rejected. If nine rows in ten are wrong, they share a
// cause, such as the wrong columns, format or encoding, and the rest are valid by chance.
const understoodShare = 0.1

// refusals summarises the rejects of one file by reason: their number, and the first.
type refusals map[datafile.Reason]*refusal

type refusal struct {
	rows   int64
	line   int64
	detail string
}

func (r refusals) note(reject *orderfile.Reject) {
	if r[reject.Reason] == nil {
		r[reject.Reason] = &refusal{line: reject.Number, detail: reject.Detail}
	}
	r[reject.Reason].rows++
}

// judge returns an ErrNotUnderstood with the most frequent reason and a remedy unless enough rows of the file are
// valid. A table of an earlier load's rejects may have only a few corrected rows.
func (r refusals) judge(f datafile.File, columns []string) error {
	good := f.RowsRead - f.RowsRejected
	if f.RowsRejected == 0 || float64(good) >= understoodShare*float64(f.RowsRead) ||
		good > 0 && orderfile.IsRejects(columns) {
		return nil
	}
	most := slices.MaxFunc(slices.Collect(maps.Keys(r)), func(a, b datafile.Reason) int {
		return cmp.Or(cmp.Compare(r[a].rows, r[b].rows), cmp.Compare(b, a))
	})
	return fmt.Errorf("%s: %w: %d of %d rows are valid; %d are %s, such as line %d (%s): %s",
		storable(f.Name), ErrNotUnderstood,
		good, f.RowsRead, r[most].rows, most, r[most].line, r[most].detail, remedy(most))
}

// remedy suggests what to try if most rows are rejected for a reason.
func remedy(reason datafile.Reason) string {
	switch reason {
	case datafile.BadQuote:
		return "quotes may be ordinary characters: try --quotes none"
	case datafile.NULByte, datafile.NotUTF8:
		return "set the encoding with --encoding"
	case datafile.BadJSON, datafile.WrongColumns:
		return "set --format, or --quotes"
	case datafile.RepeatedHeader:
		return "the file contains only headers"
	case orderfile.MissingOrder:
		return "name the column with order IDs in --order-column"
	case orderfile.MissingItem:
		return "name the column with items in --item-column"
	case orderfile.TooLong:
		return "name the columns in --order-column and --item-column, or set --quotes"
	case orderfile.BadQuantity:
		return "name the column with quantities in --quantity-column, or - for none"
	case orderfile.BadTime:
		return "set --time-format, or ignore times with --time-column -"
	}
	return "--dry-run shows the rows"
}
