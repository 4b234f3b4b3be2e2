package load

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/orderfile"
)

// Limits on what a rehearsal shows.
const (
	rehearsedRows    = 5  // per file
	rehearsedRejects = 10 // in total
)

// Rehearsal describes what a load of the sources would do, as far as that is known without a database.
type Rehearsal struct {
	Files             []RehearsedFile           `json:"files"`
	RowsRead          int64                     `json:"rows_read"`
	RowsValid         int64                     `json:"rows_valid"` // would be loaded or counted as duplicates
	RowsNotBought     int64                     `json:"rows_not_bought"`
	RowsRejected      int64                     `json:"rows_rejected"`
	NotBoughtByReason map[datafile.Reason]int64 `json:"not_bought_by_reason"`
	RejectedByReason  map[datafile.Reason]int64 `json:"rejected_by_reason"`
	FirstRejects      []RehearsedReject         `json:"first_rejects"` // at most 10
	Refused           *string                   `json:"refused"`       // why a load would fail; null if it would not
}

// RehearsedFile describes one source.
type RehearsedFile struct {
	Name          string            `json:"name"`
	Bytes         int64             `json:"bytes"`
	Mapping       orderfile.Mapping `json:"mapping"`
	RowsRead      int64             `json:"rows_read"`
	RowsNotBought int64             `json:"rows_not_bought"`
	RowsRejected  int64             `json:"rows_rejected"`
	FirstRows     []RehearsedLine   `json:"first_rows"` // at most 5
}

// RehearsedLine is an order line of the rehearsal.
type RehearsedLine struct {
	LineNumber int64       `json:"line_number"`
	OrderID    string      `json:"order_id"`
	ItemName   string      `json:"item_name"`
	Quantity   json.Number `json:"quantity"`
	OrderedAt  *time.Time  `json:"ordered_at"`
	CustomerID *string     `json:"customer_id"`
}

// RehearsedReject is a row that a load would reject.
type RehearsedReject struct {
	FileNumber int             `json:"file_number"`
	LineNumber int64           `json:"line_number"`
	Reason     datafile.Reason `json:"reason"`
	Detail     string          `json:"detail"`
	Raw        string          `json:"raw"` // see Readable
}

// Rehearse reads the sources as Run would and describes the result. It uses no database, and its memory does not grow
// with the sources. Only the options that concern reading and the limits on rejects matter.
//
// It returns the errors of Run that do not need a database. If a load would fail because of rejects, the error wraps
// ErrTooManyRejects or ErrNotUnderstood, and the rehearsal is returned as well.
func Rehearse(ctx context.Context, sources []Source, opts Options) (*Rehearsal, error) {
	r := &Rehearsal{
		NotBoughtByReason: map[datafile.Reason]int64{}, RejectedByReason: map[datafile.Reason]int64{},
		FirstRejects: []RehearsedReject{},
	}
	names := map[string]string{} // of the files so far, by hash
	lines := []RehearsedLine{}   // the first lines of the current file
	notBought := int64(0)        // of the current file
	refused, why := refusals{}, error(nil)
	w := walk(sources, opts, func(f datafile.File, reader *orderfile.Reader) error {
		r.Files = append(r.Files, RehearsedFile{
			f.Name, f.Bytes, reader.Mapping(), f.RowsRead, notBought, f.RowsRejected, lines,
		})
		lines, notBought = []RehearsedLine{}, 0
		why = cmp.Or(why, refused.judge(f, reader.Mapping().Columns))
		clear(refused)
		if earlier, twice := names[string(f.SHA256)]; twice && !opts.Again {
			return &LoadedError{Name: f.Name, Earlier: earlier}
		}
		names[string(f.SHA256)] = f.Name
		return nil
	})
	defer w.Close()
	var line orderfile.Line
	var reject *orderfile.Reject
	read := func(reader *orderfile.Reader) (err error) {
		line, reject, err = reader.Read()
		return err
	}
	for {
		const between = 5000 // rows between two checks of the context
		if w.Rows()%between == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		switch err := w.Next(read); {
		case err == io.EOF:
			return r, r.conclude(w.Rows(), w.Rejected(), sources, opts, why)
		case err != nil:
			return nil, err
		case reject != nil && line.Returned.Any():
			notBought++
			r.RowsNotBought++
			r.NotBoughtByReason[reject.Reason]++
		case reject != nil:
			w.Reject()
			refused.note(reject)
			r.reject(w.Number(), reject)
		case len(lines) < rehearsedRows:
			lines = append(lines, understood(line))
		}
	}
}

// conclude sets how a load would end. refused is the error that would already have ended it, or nil.
func (r *Rehearsal) conclude(rows, rejected int64, sources []Source, opts Options, refused error) error {
	if rows == 0 {
		return fmt.Errorf("%s: %w: at most a header", names(sources), ErrNoRows)
	}
	r.RowsRead, r.RowsRejected, r.RowsValid = rows, rejected, rows-rejected-r.RowsNotBought
	if err := cmp.Or(refused, opts.tooMany(rejected, rows)); err != nil {
		err = fmt.Errorf("a load would be refused: %w", err)
		why := err.Error()
		r.Refused = &why
		return err
	}
	return nil
}

func (r *Rehearsal) reject(fileNumber int, reject *orderfile.Reject) {
	r.RejectedByReason[reject.Reason]++
	if len(r.FirstRejects) < rehearsedRejects {
		r.FirstRejects = append(r.FirstRejects,
			RehearsedReject{fileNumber, reject.Number, reject.Reason, reject.Detail, Readable(reject.Raw)})
	}
}

func understood(line orderfile.Line) RehearsedLine {
	l := RehearsedLine{LineNumber: line.Number, OrderID: line.Order, ItemName: line.Item, Quantity: "1"}
	if !line.Quantity.IsZero() {
		l.Quantity = json.Number(line.Quantity.String())
	}
	if !line.OrderedAt.IsZero() {
		l.OrderedAt = &line.OrderedAt
	}
	if line.Customer != "" {
		l.CustomerID = &line.Customer
	}
	return l
}

// Readable returns the raw bytes of a reject as they are if they are text, and as a quoted ASCII string otherwise.
func Readable(raw []byte) string {
	if utf8.Valid(raw) && !bytes.ContainsFunc(raw,
		func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' }) {
		return string(raw)
	}
	return strconv.QuoteToASCII(string(raw))
}
