// Package catalogue loads the attributes of items: category, label, URLs, price, and whether they are for sale.
//
// A load is one transaction: COPY stages its rows and SQL merges them, or, if a row is wrong, nothing changes. Half of
// the orders are still useful, but half of a catalogue is not: nobody could tell which half is in force. The package
// never parses files (package datafile does), never counts and never recommends.
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

// ErrNoRows means that the sources contain no rows. An empty catalogue is more likely a mistake.
var ErrNoRows = errors.New("no rows")

// Source is one file or stream of a load.
type Source = datafile.Source

// Progress is how far a load has got.
type Progress = datafile.Progress

// Options of a load. The zero value detects the format of every source from its content.
type Options struct {
	File      datafile.Options // how to read the sources: Format, Columns and Encoding
	Columns   Columns
	Replace   bool   // the sources are the whole catalogue: remove items they do not contain
	ChangedBy string // user

	SkipRejected bool // omit wrong rows; of contradicting rows use the first

	// Progress is called every few thousand rows, in the goroutine that reads, so it should return quickly.
	Progress func(Progress)
}

// Columns are the names of columns in the sources: "" finds a column by alias, datafile.NoColumn means that there is
// none.
type Columns struct{ Item, Category, Label, URL, ImageURL, Price, Active string }

// Result describes a finished load.
type Result struct {
	RowsRead       int64  `json:"rows_read"`
	ItemsAdded     int64  `json:"items_added"`
	ItemsChanged   int64  `json:"items_changed"`
	ItemsUnchanged int64  `json:"items_unchanged"`
	ItemsRemoved   int64  `json:"items_removed"` // from the catalogue; orders keep theirs
	ItemsNew       int64  `json:"items_new"`     // added items that neither orders nor catalogues had before
	Files          []File `json:"files"`

	Wrong *WrongError `json:"-"` // the omitted rows; nil if there are none

	// How catalogue and orders overlap now; nil if wrong rows prevented the load.
	OrderedWithoutAttributes *int64 `json:"ordered_without_attributes"` // items of orders that are not in the catalogue
	InNoOrder                *int64 `json:"in_no_order"`                // items of the catalogue that are in no order
}

// File describes one source.
type File struct {
	Name     string  `json:"name"`
	Bytes    int64   `json:"bytes"` // as stored
	RowsRead int64   `json:"rows_read"`
	Mapping  Mapping `json:"mapping"`
}

// Mapping is the column or key of each attribute, as written; "" for none.
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

// MaxWrong is the maximum number of wrong rows that a WrongError lists.
const MaxWrong = 20

// WrongError means that nothing was changed because rows are wrong.
type WrongError struct {
	RowsRead  int64
	RowsWrong int64
	First     []Wrong // at most MaxWrong, in source order
}

// Wrong is one wrong row.
type Wrong struct {
	File       string `json:"file"`
	LineNumber int64  `json:"line_number"` // line of the text on which the row begins, from 1
	Reason     string `json:"reason"`      // one line
}

func (e *WrongError) Error() string {
	const most = 5
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d rows are invalid; nothing was changed: ", e.RowsWrong, e.RowsRead)
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

// Validate returns everything that is wrong with the options.
func (o Options) Validate() error { return o.File.Validate(kind(o.Columns)) }

// Load loads the sources into the catalogue: all rows or, unless SkipRejected is set, none. A value in a row replaces
// the attribute, an empty value removes it, and an attribute that the row does not give stays. Load creates items that
// do not exist yet. Loads of catalogues and of orders may run concurrently; they merge one after the other.
//
// Memory does not grow with the sources: a million rows (124 MB) take about 50 MB.
//
// Errors: *WrongError, with a result that describes how the sources were read; *datafile.FileError for a source that
// cannot be read, ErrNoRows, errors from opening a source, and database errors.
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

// contradictions finds rows that contradict an earlier row about the same item.
func contradictions(ctx context.Context, tx pgx.Tx, stage *stage) error {
	if _, err := tx.Exec(ctx, prepareMerge); err != nil {
		return fmt.Errorf("analyze staged rows: %w", err)
	}
	rows, err := db.New(tx).StagedItemContradictionList(ctx, MaxWrong)
	if err != nil {
		return fmt.Errorf("find contradictions: %w", err)
	}
	for _, r := range rows {
		earlier := fmt.Sprintf("line %d", r.FirstLineNumber)
		if r.FirstFileNumber != r.FileNumber {
			earlier += " of " + stage.files[r.FirstFileNumber-1].Name
		}
		stage.firsts = append(stage.firsts, refused{
			int(r.FileNumber), r.LineNumber,
			fmt.Sprintf("%s %s of %s, which is %s on %s",
				r.Attribute, quoted(r.Value), quoted(r.ItemName), quoted(r.FirstValue), earlier),
		})
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
	// prepareMerge gives sorts more memory, and the planner statistics of the staged rows.
	prepareMerge = "SET LOCAL work_mem = '128MB'; SET LOCAL default_statistics_target = 10; " +
		"ANALYZE staged_items (item_name)"

	analyzeNamed = "ANALYZE named_items (item_id)"
)

// merge merges the staged rows into the tables. The caller holds the merge lock.
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
		{"add attributes", func() (err error) {
			r.ItemsAdded, err = q.ItemAttributesAdd(ctx, names, opts.ChangedBy)
			return err
		}},
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
