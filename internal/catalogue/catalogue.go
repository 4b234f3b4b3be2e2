// Package catalogue brings in what the business says of its items beside their names: category, label, addresses, price, and whether they
// are for sale.
//
// A load of it is one transaction: its rows are staged by COPY and merged by SQL, or, if one of them is wrong, nothing changes at all. Half of
// the orders are worth something; of a catalogue nobody could say which half is in force. The package never parses a file itself (package
// datafile does), never counts anything, and never recommends.
package catalogue

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/pg"
)

// ErrNoRows says that the sources held not one row: a catalogue of nothing is more likely to be a mistake.
var ErrNoRows = errors.New("no rows")

// Source is one file or stream of a load.
type Source = datafile.Source

// Progress is how far a load has come.
type Progress = datafile.Progress

// Options of a load. The zero value reads every source by its content.
type Options struct {
	File      datafile.Options // how to read the sources: Format, Columns and Encoding
	Columns   Columns
	Replace   bool   // the sources are the whole catalogue: what they do not name is taken out of it
	ChangedBy string // who

	SkipRejected bool // wrong rows are left out; of those that contradict each other the first counts

	// Progress is told every few thousand rows how far the load is, in the goroutine that reads: it should be quick.
	Progress func(Progress)
}

// Columns are the columns of the sources as they call them: "" finds one by alias, datafile.NoColumn says that there is none.
type Columns struct{ Item, Category, Label, URL, ImageURL, Price, Active string }

// Result is what a load did.
type Result struct {
	RowsRead       int64  `json:"rows_read"`
	ItemsAdded     int64  `json:"items_added"`
	ItemsChanged   int64  `json:"items_changed"`
	ItemsUnchanged int64  `json:"items_unchanged"`
	ItemsRemoved   int64  `json:"items_removed"` // from the catalogue; orders keep theirs
	ItemsNew       int64  `json:"items_new"`     // of those added, that nothing had named before
	Files          []File `json:"files"`

	Wrong *WrongError `json:"-"` // the rows that were left out, nil when there are none

	// How catalogue and orders fit together now; nil when nothing was changed because rows are wrong.
	OrderedWithoutAttributes *int64 `json:"ordered_without_attributes"` // items of orders that the catalogue does not name
	InNoOrder                *int64 `json:"in_no_order"`                // items of the catalogue that no order holds
}

// File is one source as it was read.
type File struct {
	Name     string  `json:"name"`
	Bytes    int64   `json:"bytes"` // as it is stored
	RowsRead int64   `json:"rows_read"`
	Mapping  Mapping `json:"mapping"`
}

// Mapping is what was understood of a source: the column or key of each attribute as written, "" for none.
type Mapping struct {
	datafile.Shape

	Item     string `json:"item"`
	Category string `json:"category,omitempty"`
	Label    string `json:"label,omitempty"`
	URL      string `json:"url,omitempty"`
	ImageURL string `json:"image_url,omitempty"`
	Price    string `json:"price,omitempty"`
	Active   string `json:"active,omitempty"`
}

// MaxWrong is how many wrong rows a WrongError names.
const MaxWrong = 20

// WrongError says that rows are wrong, and that nothing was changed for that.
type WrongError struct {
	RowsRead  int64
	RowsWrong int64
	First     []Wrong // at most MaxWrong, in the order of the sources
}

// Wrong is one row that is wrong.
type Wrong struct {
	File       string `json:"file"`
	LineNumber int64  `json:"line_number"` // of the text on which the row begins, from 1
	Reason     string `json:"reason"`      // one line
}

func (e *WrongError) Error() string {
	const most = 5
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d rows are wrong, nothing was changed: ", e.RowsWrong, e.RowsRead)
	for i, w := range e.First[:min(len(e.First), most)] {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s: line %d: %s", w.File, w.LineNumber, w.Reason)
	}
	if more := e.RowsWrong - most; more > 0 {
		fmt.Fprintf(&b, "; and %d more", more)
	}
	return b.String()
}

// Validate returns all that is wrong with the options at once.
func (o Options) Validate() error { return o.File.Validate(kind(o.Columns)) }

// Load brings the sources into the catalogue, all of their rows or none unless SkipRejected is set.
// What a row says of an attribute counts from then on; what it says
// to be empty is taken out; what it does not say stays. Items that nothing has named yet are made. Loads of catalogues and of orders may
// run at the same time; they merge one after the other.
//
// Memory does not grow with the sources: a million rows (124 MB) took 52 MB here, and 26 MB the next time. The rest is the database's.
//
// Errors: *WrongError, and then the result says how the sources were read; *datafile.FileError for a source that cannot be read, ErrNoRows,
// whatever Open of a source returns, and database errors.
func Load(ctx context.Context, pool *pgxpool.Pool, sources []Source, opts Options) (Result, error) {
	stage, err := newStage(sources, opts)
	if err != nil {
		return Result{}, err
	}
	defer stage.close()

	var result Result
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := stage.copy(ctx, tx); err != nil {
			return err
		}
		if err := contradictions(ctx, tx, stage); err != nil {
			return err
		}
		if err := stage.verdict(); err != nil {
			return err
		}
		if err := pg.LockTx(ctx, tx, pg.MergeLock, 0); err != nil {
			return err
		}
		result, err = merge(ctx, tx, stage.names(), opts)
		return err
	})
	if wrong := new(WrongError); err != nil && !errors.As(err, &wrong) {
		return Result{}, err
	}
	result.RowsRead, result.Files = stage.walk.Rows(), stage.files
	if err == nil && stage.wrong > 0 {
		result.Wrong = stage.refusal()
	}
	return result, err
}

// contradictions finds the rows that say of an item what an earlier one denies.
func contradictions(ctx context.Context, tx pgx.Tx, stage *stage) error {
	if _, err := tx.Exec(ctx, prepareMerge); err != nil {
		return fmt.Errorf("analyze staged rows: %w", err)
	}
	rows, err := db.New(tx).StagedItemContradictionList(ctx, MaxWrong)
	if err != nil {
		return fmt.Errorf("look for contradictions: %w", err)
	}
	for _, r := range rows {
		earlier := fmt.Sprintf("line %d", r.FirstLineNumber)
		if r.FirstFileNumber != r.FileNumber {
			earlier += " of " + stage.files[r.FirstFileNumber-1].Name
		}
		stage.firsts = append(stage.firsts, refused{int(r.FileNumber), r.LineNumber, fmt.Sprintf("%s %s of %s, which is %s on %s",
			r.Attribute, quoted(r.Value), quoted(r.ItemName), quoted(r.FirstValue), earlier)})
	}
	if len(rows) == 0 {
		return nil
	}
	stage.wrong += rows[0].Rows
	if stage.options.SkipRejected {
		if _, err := db.New(tx).StagedItemContradictionDelete(ctx); err != nil {
			return fmt.Errorf("leave contradictions out: %w", err)
		}
	}
	return nil
}

func quoted(text string) string { return datafile.Excerpt([]byte(text)) }

const (
	// prepareMerge is like that of loads of orders: memory for sorts, and statistics of what was just staged.
	prepareMerge = "SET LOCAL work_mem = '128MB'; SET LOCAL default_statistics_target = 10; ANALYZE staged_items (item_name)"

	analyzeNamed = "ANALYZE named_items (item_id)"
)

// merge brings the staged rows into the tables. The caller holds the lock of merges.
func merge(ctx context.Context, tx pgx.Tx, names []string, opts Options) (r Result, err error) {
	q := db.New(tx)
	var named int64
	var fit db.ItemAttributesCoverageRow
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"add items", func() (err error) { r.ItemsNew, err = q.StagedItemAdd(ctx); return err }},
		{"fold rows", func() (err error) { named, err = q.NamedItemFold(ctx); return err }},
		{"analyze items", func() error { _, err := tx.Exec(ctx, analyzeNamed); return err }},
		{"change attributes", func() (err error) {
			r.ItemsChanged, err = q.ItemAttributesChange(ctx, opts.ChangedBy, names)
			return err
		}},
		{"add attributes", func() (err error) { r.ItemsAdded, err = q.ItemAttributesAdd(ctx, names, opts.ChangedBy); return err }},
		{"remove attributes", func() (err error) {
			if opts.Replace {
				r.ItemsRemoved, err = q.ItemAttributesRemoveUnnamed(ctx)
			}
			return err
		}},
		{"compare with orders", func() (err error) { fit, err = q.ItemAttributesCoverage(ctx); return err }},
	} {
		if err := step.do(); err != nil {
			return r, fmt.Errorf("%s: %w", step.what, err)
		}
	}
	r.ItemsUnchanged = named - r.ItemsAdded - r.ItemsChanged
	r.OrderedWithoutAttributes, r.InNoOrder = &fit.WithoutAttributes, &fit.InNoOrder
	return r, nil
}
