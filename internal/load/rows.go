package load

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/orderfile"
)

// WriteRows writes the rows of a load that had one outcome, Rejected or NotBought, as CSV that can be mended and
// loaded. It pages through them: there may be millions. The columns that can be loaded come first, under names that a
// load knows, and a column that none of them has a value for is left out: an empty quantity would be refused again.
func WriteRows(ctx context.Context, database db.DBTX, to io.Writer, loadID int64, outcome string) error {
	const page = 1000
	q := db.New(database)
	has, err := q.LoadRejectFields(ctx, loadID, outcome)
	if err != nil {
		return fmt.Errorf("look at rows: %w", err)
	}
	w := csv.NewWriter(to)
	columns := valueColumns(has)
	if err := w.Write(append(slices.Clone(columns), orderfile.RejectColumns...)); err != nil {
		return err
	}
	for after := int64(0); ; {
		rejects, err := q.LoadRejectList(ctx, db.LoadRejectListParams{
			LoadID: loadID, Outcome: outcome, After: after, Lim: page,
		})
		if err != nil {
			return fmt.Errorf("list rejects: %w", err)
		}
		for _, r := range rejects {
			row, err := rejectRow(r, columns)
			if err == nil {
				err = w.Write(row)
			}
			if err != nil {
				return err
			}
			after = r.RowNumber
		}
		w.Flush()
		if err := w.Error(); err != nil || len(rejects) < page {
			return err
		}
	}
}

func valueColumns(has db.LoadRejectFieldsRow) []string {
	columns := []string{"order_id", "item_name"}
	for _, optional := range []struct {
		name string
		has  bool
	}{{"quantity", has.Quantity}, {"ordered_at", has.OrderedAt}, {"customer_id", has.CustomerID}} {
		if optional.has {
			columns = append(columns, optional.name)
		}
	}
	return columns
}

// rejectRow is a row as a table of such rows has it: nothing in it runs in a spreadsheet.
func rejectRow(r db.LoadReject, columns []string) ([]string, error) {
	parsed := map[string]string{}
	if r.Parsed != nil {
		if err := json.Unmarshal(r.Parsed, &parsed); err != nil {
			return nil, fmt.Errorf("reject of row %d: %w", r.RowNumber, err)
		}
		if _, given := parsed["quantity"]; !given {
			parsed["quantity"] = "1" // another file of the load has quantities, this one does not
		}
	}
	row := make([]string, 0, len(columns)+len(orderfile.RejectColumns))
	for _, name := range columns {
		row = append(row, parsed[name])
	}
	row = append(row, strconv.Itoa(int(r.FileNumber)), strconv.FormatInt(r.LineNumber, 10), r.Reason,
		r.Detail, Readable(r.Raw))
	for i, cell := range row {
		row[i] = orderfile.Inert(cell)
	}
	return row, nil
}
