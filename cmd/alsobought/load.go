package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/orderfile"
)

type loadCommand struct {
	Files []string `arg:"" optional:"" name:"file" help:"CSV, TSV, JSON lines, basket lists, Excel or Parquet; plain, .gz, .zst or .zip; - for stdin."`

	fromFlags `embed:""`

	Format         string   `placeholder:"FORMAT" help:"csv, tsv, semicolon, pipe, jsonl or baskets (default: detected)."`
	Columns        []string `placeholder:"NAME" help:"Column names, for files without a header."`
	OrderColumn    string   `placeholder:"NAME" help:"Column with order IDs (default: detected), or several that make one ID, such as date,store,receipt."`
	ItemColumn     string   `placeholder:"NAME" help:"Column with item names (default: detected); sku to use the item codes of a known export."`
	QuantityColumn string   `placeholder:"NAME" help:"Column with quantities; - for none."`
	TimeColumn     string   `placeholder:"NAME" help:"Column with order times, or several, such as date,time; - for none."`
	CustomerColumn string   `placeholder:"NAME" help:"Column with customer IDs; - for none."`
	StatusColumn   string   `placeholder:"NAME" help:"Column with order statuses, which decide whether a row counts as bought; - for none."`
	CountStatus    []string `placeholder:"WORD" help:"Statuses to count as bought (repeatable)."`
	SkipStatus     []string `placeholder:"WORD" help:"Statuses to count as not bought (repeatable)."`
	TimeFormat     string   `placeholder:"FORMAT" help:"Time format in strftime notation, such as %d.%m.%Y %H:%M (default: detected)."`
	TimeZone       string   `placeholder:"ZONE" help:"Time zone of times without one, such as Europe/Berlin or +02:00 (default UTC)."`
	Decimal        string   `placeholder:"SIGN" help:"Decimal separator, . or , (default: detected)."`
	Encoding       string   `placeholder:"NAME" help:"utf-8, utf-16, windows-1252, iso-8859-2, cp850, shift-jis, ... (default utf-8)."`
	Sheet          string   `placeholder:"NAME" help:"Excel sheet, by name or number (default: the first with the columns)."`
	Quotes         string   `placeholder:"auto|csv|none" help:"How to read quotes: auto (only where they pair up), csv (always) or none (as letters)."`
	BasketIDs      string   `name:"basket-ids" placeholder:"line|first" help:"Order IDs of a basket list: file name and line number, or the first field."`

	DryRun     bool        `help:"Read the files and report what would happen to each row. Needs no database."`
	Again      bool        `help:"Load files that were already loaded; adds only what is missing."`
	MaxRejects rejectLimit `placeholder:"N|P%" help:"Load nothing if more than N rows, or P percent, are rejected."`
	NoBuild    bool        `help:"Load without building."`
	Strict     bool        `help:"Exit with status 3 if any row was rejected."`
	JSON       bool        `name:"json" help:"Print the summary as JSON."`
}

// loadSummary is the output of load --json.
type loadSummary struct {
	LoadID            int64            `json:"load_id"`
	Status            string           `json:"status"`
	RowsRead          int64            `json:"rows_read"`
	RowsLoaded        int64            `json:"rows_loaded"`
	RowsDuplicate     int64            `json:"rows_duplicate"`
	RowsNotBought     int64            `json:"rows_not_bought"`
	RowsRejected      int64            `json:"rows_rejected"`
	RowsRepeated      int64            `json:"rows_repeated"`
	RejectedByReason  map[string]int64 `json:"rejected_by_reason"`
	NotBoughtByReason map[string]int64 `json:"not_bought_by_reason"`
	Orders            int64            `json:"orders"`
	Items             int64            `json:"items"`
	BuildID           *int64           `json:"build_id"` // null with --no-build
	Seconds           float64          `json:"seconds"`
	CopySeconds       float64          `json:"copy_seconds"`
	MergeSeconds      float64          `json:"merge_seconds"`
	StatsSeconds      float64          `json:"stats_seconds"`
	PairsSeconds      float64          `json:"pairs_seconds"`
	NeighboursSeconds float64          `json:"neighbours_seconds"`
}

func (c *loadCommand) Run(ctx context.Context, term *terminal, d *database) error {
	began := time.Now()
	query, err := c.query()
	if err == nil {
		err = c.options().Validate()
	}
	if err != nil {
		return usageError{err}
	}
	sources, total, err := sources(ctx, term, c.Files)
	if err != nil {
		return err
	}
	if query != nil {
		sources = []datafile.Source{query.Source(ctx)}
	}
	if c.DryRun {
		return c.dryRun(ctx, term, sources, total)
	}
	pool, closeAll, err := d.openToWrite(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()

	options := c.loadOptions()
	if c.Since != "" {
		if err := c.sinceLast(ctx, pool, query, &options); err != nil {
			return err
		}
	}
	shown := watch(term, c.JSON, "", total)
	options.Progress = shown.report
	loaded, err := load.Run(ctx, pool, sources, options)
	shown.stop()
	if c.Since != "" && errors.Is(err, load.ErrNoRows) {
		return c.nothingNew(term, err)
	}
	if err != nil {
		return err
	}
	return c.finish(ctx, term, pool, loaded, began)
}

// finish reports the result of the load and builds.
func (c *loadCommand) finish(
	ctx context.Context, term *terminal, pool *pgxpool.Pool, loaded load.Result, began time.Time,
) error {
	reasons, err := db.New(pool).LoadRejectCountByReason(ctx, loaded.LoadID)
	if err != nil {
		return fmt.Errorf("count rejects: %w", err)
	}
	if !c.JSON {
		printLoad(term.stdout, loaded.Load, reasons)
		if err := printNotes(term.stdout, loaded.Files); err != nil {
			return err
		}
	}
	built := db.Build{}
	if !c.NoBuild {
		if built, err = c.build(ctx, term, pool, loaded.LoadID); err != nil {
			return err
		}
	}
	if c.JSON {
		s := summary(loaded.Load, reasons, built)
		s.Seconds = time.Since(began).Seconds()
		if err := printJSON(term.stdout, s); err != nil {
			return err
		}
	}
	if c.Strict && loaded.RowsRejected > 0 {
		return exitError(exitRejected)
	}
	return nil
}

// build makes the build after the load.
func (c *loadCommand) build(ctx context.Context, term *terminal, pool *pgxpool.Pool, loadID int64) (db.Build, error) {
	shown := watch(term, c.JSON, "building", 0)
	built, err := (&buildCommand{}).build(ctx, pool)
	shown.stop()
	if err != nil {
		return built, fmt.Errorf("load %d succeeded, but the build after it failed; run alsobought build: %w", loadID, err)
	}
	if !c.JSON {
		printBuild(term.stdout, built)
	}
	return built, nil
}

func (c *loadCommand) loadOptions() load.Options {
	return load.Options{
		File: c.options(), Again: c.Again, MaxRejects: c.MaxRejects.rows, MaxRejectShare: c.MaxRejects.share,
		LoadedBy: whoami(), Version: version,
	}
}

func (c *loadCommand) options() orderfile.Options {
	return orderfile.Options{
		Options: datafile.Options{
			Format: datafile.Format(c.Format), Columns: c.Columns, Sheet: c.Sheet,
			Quotes: datafile.Quotes(c.Quotes), Encoding: c.Encoding,
		},
		OrderColumn:    c.OrderColumn,
		ItemColumn:     c.ItemColumn,
		QuantityColumn: c.QuantityColumn,
		TimeColumn:     c.TimeColumn,
		CustomerColumn: c.CustomerColumn,
		StatusColumn:   c.StatusColumn,
		CountStatus:    c.CountStatus,
		SkipStatus:     c.SkipStatus,
		TimeFormat:     c.TimeFormat,
		TimeZone:       c.TimeZone,
		Decimal:        c.Decimal,
		BasketIDs:      c.BasketIDs,
	}
}

// sources makes the checks of files that need no database. total is their size in bytes, or 0 unless all are regular
// files.
func sources(ctx context.Context, term *terminal, names []string) (list []datafile.Source, total int64, err error) {
	known := true
	for _, name := range names {
		if name == "-" {
			known = false
			list = append(list, datafile.Source{Name: "stdin", Open: func() (io.ReadCloser, error) {
				return interruptible(ctx, func() (io.ReadCloser, error) { return io.NopCloser(term.stdin), nil }), nil
			}})
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, 0, err
		}
		if info.IsDir() {
			return nil, 0, fmt.Errorf("%s is a directory: name the files in it", name)
		}
		if info.Mode().IsRegular() {
			total += info.Size()
			list = append(list, datafile.Source{Name: name, Open: func() (io.ReadCloser, error) { return os.Open(name) }})
			continue
		}
		known = false
		list = append(list, datafile.Source{Name: name, Open: func() (io.ReadCloser, error) {
			return interruptible(ctx, func() (io.ReadCloser, error) { return os.Open(name) }), nil
		}})
	}
	if !known {
		total = 0
	}
	return list, total, nil
}

// rejectLimit is the maximum number or share of rejected rows; the zero value is no limit.
type rejectLimit struct {
	rows  *int64
	share *float64 // 0 to 1
}

// UnmarshalText parses 10, 0, 2% and 0.5%.
func (l *rejectLimit) UnmarshalText(text []byte) error {
	number, percent := strings.CutSuffix(string(text), "%")
	wrong := fmt.Errorf("%q is not a reject limit: use a number of rows (10) or a percentage of them (0.5%%)", text)
	if strings.Trim(number, "0123456789.") != "" { // ParseFloat would accept signs, exponents and NaN
		return wrong
	}
	if percent {
		share, err := strconv.ParseFloat(number+"e-2", 64)
		if err != nil || share > 1 {
			return wrong
		}
		l.share = &share
		return nil
	}
	rows, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return wrong
	}
	l.rows = &rows
	return nil
}

// summary returns the output of --json, with a null build_id if there was no build.
func summary(l db.Load, reasons []db.LoadRejectCountByReasonRow, built db.Build) loadSummary {
	s := loadSummary{
		LoadID: l.LoadID, Status: l.Status,
		RowsRead: l.RowsRead, RowsLoaded: l.RowsLoaded, RowsDuplicate: l.RowsDuplicate,
		RowsNotBought: l.RowsNotBought, RowsRejected: l.RowsRejected, RowsRepeated: l.RowsRepeated,
		RejectedByReason: map[string]int64{}, NotBoughtByReason: map[string]int64{},
		Orders: l.OrdersAdded, Items: l.ItemsAdded, CopySeconds: l.CopySeconds, MergeSeconds: l.MergeSeconds,
	}
	for _, r := range reasons {
		byReason := s.RejectedByReason
		if r.Outcome == load.NotBought {
			byReason = s.NotBoughtByReason
		}
		byReason[r.Reason] = r.Rows
	}
	if built.BuildID != 0 {
		s.BuildID = &built.BuildID
		s.StatsSeconds, s.PairsSeconds, s.NeighboursSeconds = built.StatsSeconds, built.PairsSeconds, built.NeighboursSeconds
	}
	return s
}

func printLoad(w io.Writer, l db.Load, reasons []db.LoadRejectCountByReasonRow) {
	fmt.Fprintf(w, "load %d of %s: %s\n", l.LoadID, printable(l.Source), l.Status)
	if l.Error != nil {
		fmt.Fprintf(w, "  error: %s\n", printable(*l.Error))
	}
	t := newTable(w)
	t.row("  rows read", grouped(l.RowsRead))
	t.row("  loaded", grouped(l.RowsLoaded), fmt.Sprintf("%s new orders, %s new items",
		grouped(l.OrdersAdded), grouped(l.ItemsAdded)))
	t.row("  duplicate", grouped(l.RowsDuplicate), duplicates(l))
	if l.RowsNotBought > 0 {
		t.row("  not bought", grouped(l.RowsNotBought), why(l.LoadID, reasons, load.NotBought))
	}
	t.row("  rejected", grouped(l.RowsRejected), why(l.LoadID, reasons, load.Rejected))
	t.flush()
	fmt.Fprintf(w, "  copied in %.2f s, merged in %.2f s\n", l.CopySeconds, l.MergeSeconds)
}

// printNotes prints the notes of all files.
func printNotes(w io.Writer, files []db.LoadFile) error {
	for _, f := range files {
		var m orderfile.Mapping
		if err := json.Unmarshal(f.Mapping, &m); err != nil {
			return fmt.Errorf("mapping of %s: %w", f.Name, err)
		}
		for _, note := range m.AllNotes() {
			fmt.Fprintf(w, "  note: %s: %s\n", printable(f.Name), printable(note))
		}
	}
	return nil
}

func duplicates(l db.Load) string {
	if l.RowsDuplicate == 0 {
		return ""
	}
	return fmt.Sprintf("%s repeated in this load, quantities added; %s loaded earlier, unchanged",
		grouped(l.RowsRepeated), grouped(l.RowsDuplicate-l.RowsRepeated))
}

// why formats the number of rows per reason for one outcome, and says where they are listed.
func why(loadID int64, reasons []db.LoadRejectCountByReasonRow, outcome string) string {
	list := make([]string, 0, len(reasons))
	for _, r := range reasons {
		if r.Outcome == outcome {
			list = append(list, fmt.Sprintf("%s %s", r.Reason, grouped(r.Rows)))
		}
	}
	if len(list) == 0 {
		return ""
	}
	command := "rejects"
	if outcome == load.NotBought {
		command = "not-bought"
	}
	return fmt.Sprintf("%s; see alsobought loads %s %d", strings.Join(list, ", "), command, loadID)
}

// interruptible reads from a source that may block, such as a terminal or a pipe, until ctx is done. Even opening a
// pipe may block.
func interruptible(ctx context.Context, open func() (io.ReadCloser, error)) io.ReadCloser {
	reader, writer := io.Pipe()
	stop := context.AfterFunc(ctx, func() { writer.CloseWithError(ctx.Err()) })
	go func() {
		defer stop()
		r, err := open()
		if err == nil {
			_, err = io.Copy(writer, r)
			_ = r.Close() // read only
		}
		writer.CloseWithError(err)
	}()
	return reader
}
