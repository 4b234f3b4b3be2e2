package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/catalogue"
	"github.com/alsobought/alsobought/internal/datafile"
)

type itemsCommand struct {
	List       itemsListCommand       `cmd:"" default:"withargs" help:"List items and their attributes, by name."`
	Categories itemsCategoriesCommand `cmd:"" help:"List categories."`
	Load       itemsLoadCommand       `cmd:"" help:"Load item attributes into the catalogue."`
}

type itemsListCommand struct {
	Category string `placeholder:"NAME" help:"Only items of this category."`
	Limit    int32  `default:"20" help:"Maximum number of results (default ${default})."`
	JSON     bool   `name:"json" help:"Print JSON."`
}

func (c *itemsListCommand) Run(ctx context.Context, term *terminal, d *database) error {
	if err := checkLimit(c.Limit); err != nil {
		return err
	}
	pool, closeAll, err := d.open(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	items, err := db.New(pool).ItemAttributesList(ctx, c.Category, c.Limit)
	if err != nil {
		return fmt.Errorf("list items: %w", err)
	}
	if c.JSON {
		return printJSON(term.stdout, items)
	}
	t := newTable(term.stdout)
	t.row("ITEM", "CATEGORY", "LABEL", "PRICE", "ACTIVE", "URL", "IMAGE")
	for _, i := range items {
		t.row(i.ItemName, orDash(i.Category), orDash(i.Label), decimal(i.Price), yesNo(i.Active),
			orDash(i.URL), orDash(i.ImageURL))
	}
	t.flush()
	return nil
}

type itemsCategoriesCommand struct {
	Limit int32 `default:"100" help:"Maximum number of results (default ${default})."`
	JSON  bool  `name:"json" help:"Print JSON."`
}

func (c *itemsCategoriesCommand) Run(ctx context.Context, term *terminal, d *database) error {
	if err := checkLimit(c.Limit); err != nil {
		return err
	}
	pool, closeAll, err := d.open(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	categories, err := db.New(pool).ItemAttributesCategoryList(ctx, c.Limit)
	if err != nil {
		return fmt.Errorf("list categories: %w", err)
	}
	if c.JSON {
		return printJSON(term.stdout, categories)
	}
	t := newTable(term.stdout)
	t.row("CATEGORY", "ITEMS", "ACTIVE")
	for _, x := range categories {
		t.row(orDash(x.Category), grouped(x.Items), grouped(x.Active))
	}
	t.flush()
	return nil
}

type itemsLoadCommand struct {
	Files []string `arg:"" name:"file" help:"Item attributes as CSV, TSV, JSON lines, Excel or Parquet; plain, .gz, .zst or .zip; - for stdin."`

	Format         string   `placeholder:"FORMAT" help:"csv, tsv, semicolon, pipe or jsonl (default: detected)."`
	Columns        []string `placeholder:"NAME" help:"Column names, for files without a header."`
	ItemColumn     string   `placeholder:"NAME" help:"Column with item names, as in the orders (default: detected)."`
	CategoryColumn string   `placeholder:"NAME" help:"Column with categories; - for none."`
	LabelColumn    string   `placeholder:"NAME" help:"Column with display names; - for none."`
	URLColumn      string   `name:"url-column" placeholder:"NAME" help:"Column with product page URLs; - for none."`
	ImageURLColumn string   `name:"image-url-column" placeholder:"NAME" help:"Column with image URLs; - for none."`
	PriceColumn    string   `placeholder:"NAME" help:"Column with prices; - for none."`
	ActiveColumn   string   `placeholder:"NAME" help:"Column that says whether an item may be recommended; - for none."`
	Encoding       string   `placeholder:"NAME" help:"utf-8, utf-16, windows-1252, iso-8859-2, cp850, shift-jis, ... (default utf-8)."`
	Sheet          string   `placeholder:"NAME" help:"Excel sheet, by name or number (default: the first with the columns)."`
	Quotes         string   `placeholder:"auto|csv|none" help:"How to read quotes: auto (only where they pair up), csv (always) or none (as letters)."`

	Replace bool `help:"Replace the catalogue: remove items that are not in the files."`
	JSON    bool `name:"json" help:"Print the summary and the invalid rows as JSON."`

	SkipRejected bool `help:"Load the valid rows and report the others. Without it, one invalid row fails the load."`
}

// itemsSummary is the output of items load --json.
type itemsSummary struct {
	catalogue.Result

	RowsWrong  int64             `json:"rows_wrong"`
	FirstWrong []catalogue.Wrong `json:"first_wrong"` // at most catalogue.MaxWrong; if there are any, nothing was changed
	Seconds    float64           `json:"seconds"`
}

func (c *itemsLoadCommand) Run(ctx context.Context, term *terminal, d *database) error {
	began := time.Now()
	options := c.options()
	if err := options.Validate(); err != nil {
		return usageError{err}
	}
	files, total, err := sources(ctx, term, c.Files)
	if err != nil {
		return err
	}
	pool, closeAll, err := d.openToWrite(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()

	shown := watch(term, c.JSON, "", total)
	options.Progress = shown.report
	result, err := catalogue.Load(ctx, pool, files, options)
	shown.stop()
	wrong := result.Wrong
	if wrong == nil {
		wrong = new(catalogue.WrongError)
	}
	switch {
	case err != nil && (!c.JSON || !errors.As(err, &wrong)):
		return err
	case !c.JSON:
		printCatalogue(term.stdout, result)
		return nil
	}
	s := itemsSummary{
		Result: result, RowsWrong: wrong.RowsWrong, FirstWrong: []catalogue.Wrong{}, Seconds: time.Since(began).Seconds(),
	}
	s.FirstWrong = append(s.FirstWrong, wrong.First...)
	return errors.Join(err, printJSON(term.stdout, s))
}

func (c *itemsLoadCommand) options() catalogue.Options {
	return catalogue.Options{
		File: datafile.Options{
			Format: datafile.Format(c.Format), Columns: c.Columns, Sheet: c.Sheet,
			Quotes: datafile.Quotes(c.Quotes), Encoding: c.Encoding,
		},
		Columns: catalogue.Columns{
			Item: c.ItemColumn, Category: c.CategoryColumn, Label: c.LabelColumn, URL: c.URLColumn, ImageURL: c.ImageURLColumn,
			Price: c.PriceColumn, Active: c.ActiveColumn,
		},
		Replace: c.Replace, SkipRejected: c.SkipRejected, ChangedBy: whoami(),
	}
}

func printCatalogue(w io.Writer, r catalogue.Result) {
	for _, f := range r.Files {
		m := f.Mapping
		fmt.Fprintf(w, "%s: %s\n", printable(f.Name), strings.Join(m.Words(), ", "))
		printColumns(w, m.Columns, [][2]string{
			{"item", m.Item},
			{"category", m.Category},
			{"label", m.Label},
			{"url", m.URL},
			{"image_url", m.ImageURL},
			{"price", m.Price},
			{"active", m.Active},
		}).flush()
	}
	fmt.Fprintln(w, "catalogue")
	t := newTable(w)
	t.row("  rows read", grouped(r.RowsRead))
	t.row("  added", grouped(r.ItemsAdded), fmt.Sprintf("items, %s of them never seen before", grouped(r.ItemsNew)))
	t.row("  changed", grouped(r.ItemsChanged))
	t.row("  unchanged", grouped(r.ItemsUnchanged))
	t.row("  removed", grouped(r.ItemsRemoved))
	if r.Wrong != nil {
		t.row("  skipped", grouped(r.Wrong.RowsWrong), "invalid rows")
	}
	t.flush()
	if r.Wrong != nil {
		for _, x := range r.Wrong.First {
			fmt.Fprintf(w, "  %s: line %d: %s\n", printable(x.File), x.LineNumber, x.Reason)
		}
		if more := r.Wrong.RowsWrong - int64(len(r.Wrong.First)); more > 0 {
			fmt.Fprintf(w, "  and %s more\n", grouped(more))
		}
	}
	fmt.Fprintf(w, "  ordered items without attributes: %s; items with attributes but without orders: %s\n",
		grouped(*r.OrderedWithoutAttributes), grouped(*r.InNoOrder))
}

// printColumns starts a table of the columns of each role.
func printColumns(w io.Writer, columns []string, roles [][2]string) *table {
	t := newTable(w)
	var used []string
	for _, r := range roles {
		if r[1] != "" {
			t.row("  "+r[0], r[1])
			used = append(append(used, r[1]), strings.Split(r[1], ", ")...)
		}
	}
	unused := slices.DeleteFunc(slices.Clone(columns), func(name string) bool { return slices.Contains(used, name) })
	if len(unused) > 0 {
		t.row("  unused", shortened(strings.Join(unused, ", ")))
	}
	return t
}

func checkLimit(limit int32) error {
	if limit < 1 {
		return usageError{fmt.Errorf("limit is %d: choose 1 or more", limit)}
	}
	return nil
}

func orDash(text *string) string {
	if text == nil {
		return "-"
	}
	return *text
}

func decimal(n pgtype.Numeric) string {
	text, err := n.MarshalJSON()
	if err != nil || !n.Valid {
		return "-"
	}
	return string(text)
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
