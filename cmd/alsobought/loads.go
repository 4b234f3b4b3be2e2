package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/load"
)

type loadsCommand struct {
	List      loadsListCommand      `cmd:"" default:"withargs" help:"List loads, newest first."`
	Show      loadsShowCommand      `cmd:"" help:"Show what became of every row of a load."`
	Rejects   loadsRejectsCommand   `cmd:"" help:"Print the rejected rows of a load as CSV, to fix and load again."`
	NotBought loadsNotBoughtCommand `cmd:"" help:"Print the rows of a load that do not count as bought, as CSV."`
	Revert    loadsRevertCommand    `cmd:"" help:"Remove what a load added, then build."`
}

type loadsListCommand struct {
	Limit int32 `default:"20" help:"Maximum number of results (default ${default})."`
	Each  bool  `help:"Show every load of orders over HTTP, instead of one line per sender and day."`
	JSON  bool  `name:"json" help:"Print JSON, one object per load."`
}

func (c *loadsListCommand) Run(ctx context.Context, term *terminal, d *database) error {
	pool, closeAll, err := d.openToReport(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	q := db.New(pool)
	if !c.Each && !c.JSON {
		days, err := q.LoadListByDay(ctx, c.Limit)
		if err != nil {
			return fmt.Errorf("list loads: %w", err)
		}
		printLoads(term.stdout, days)
		return nil
	}
	loads, err := q.LoadList(ctx, c.Limit)
	if err != nil {
		return fmt.Errorf("list loads: %w", err)
	}
	if c.JSON {
		return printJSON(term.stdout, loads)
	}
	each := make([]db.LoadListByDayRow, len(loads))
	for i, l := range loads {
		each[i] = db.LoadListByDayRow{
			LoadID: l.LoadID, Loads: 1, StartedAt: l.StartedAt, Source: l.Source, Status: l.Status,
			LoadedBy: l.LoadedBy, RowsRead: l.RowsRead, RowsLoaded: l.RowsLoaded, RowsDuplicate: l.RowsDuplicate,
			RowsNotBought: l.RowsNotBought, RowsRejected: l.RowsRejected,
		}
	}
	printLoads(term.stdout, each)
	return nil
}

func printLoads(w io.Writer, loads []db.LoadListByDayRow) {
	t := newTable(w)
	t.row("LOAD", "STARTED (UTC)", "STATUS", "READ", "LOADED", "DUPLICATE", "NOT BOUGHT", "REJECTED", "SOURCE")
	for _, l := range loads {
		source := l.Source
		if l.Loads > 1 {
			source += fmt.Sprintf(" by %s, %s loads", l.LoadedBy, grouped(l.Loads))
		}
		t.row(strconv.FormatInt(l.LoadID, 10), instant(&l.StartedAt), l.Status,
			grouped(l.RowsRead), grouped(l.RowsLoaded), grouped(l.RowsDuplicate), grouped(l.RowsNotBought),
			grouped(l.RowsRejected), source)
	}
	t.flush()
}

type loadsShowCommand struct {
	ID   int64  `arg:"" help:"Load ID."`
	JSON bool   `name:"json" help:"Print JSON."`
	HTML string `name:"html" placeholder:"FILE" help:"Write the report as a self-contained HTML page."`
}

// loadReport is the output of loads show --json: the summary and all other details of a load.
type loadReport struct {
	loadSummary

	Error      *string           `json:"error"`
	StartedAt  time.Time         `json:"started_at"`
	FinishedAt *time.Time        `json:"finished_at"`
	RevertedAt *time.Time        `json:"reverted_at"`
	RevertedBy *string           `json:"reverted_by"`
	LoadedBy   string            `json:"loaded_by"`
	Version    string            `json:"version"`
	Files      []fileReport      `json:"files"`
	Quality    db.LoadQualityRow `json:"quality"`
}

type fileReport struct {
	Name          string          `json:"name"`
	Bytes         int64           `json:"bytes"`
	SHA256        string          `json:"sha256"`
	RowsRead      int64           `json:"rows_read"`
	RowsNotBought int64           `json:"rows_not_bought"`
	RowsRejected  int64           `json:"rows_rejected"`
	Mapping       json.RawMessage `json:"mapping"`
}

func newLoadReport(
	l db.Load, files []db.LoadFile, reasons []db.LoadRejectCountByReasonRow, quality db.LoadQualityRow,
) loadReport {
	r := loadReport{
		loadSummary: summary(l, reasons, db.Build{}),
		Error:       l.Error, StartedAt: l.StartedAt, FinishedAt: l.FinishedAt, RevertedAt: l.RevertedAt,
		RevertedBy: l.RevertedBy, LoadedBy: l.LoadedBy, Version: l.Version, Files: []fileReport{}, Quality: quality,
	}
	if l.FinishedAt != nil {
		r.Seconds = l.FinishedAt.Sub(l.StartedAt).Seconds()
	}
	for _, f := range files {
		r.Files = append(r.Files, fileReport{
			f.Name, f.Bytes, hex.EncodeToString(f.SHA256), f.RowsRead, f.RowsNotBought, f.RowsRejected, f.Mapping,
		})
	}
	return r
}

func (c *loadsShowCommand) Run(ctx context.Context, term *terminal, d *database) error {
	pool, closeAll, err := d.openToReport(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	q := db.New(pool)
	l, err := findLoad(ctx, q, c.ID)
	if err != nil {
		return err
	}
	reasons, err := q.LoadRejectCountByReason(ctx, c.ID)
	if err != nil {
		return fmt.Errorf("count rejects: %w", err)
	}
	files, err := q.LoadFileList(ctx, c.ID, 1000)
	if err != nil {
		return fmt.Errorf("list files: %w", err)
	}
	quality, err := q.LoadQuality(ctx, c.ID)
	if err != nil {
		return fmt.Errorf("read quality of load: %w", err)
	}
	switch {
	case c.HTML != "":
		if err := writeReport(c.HTML, l, files, reasons, quality); err != nil {
			return err
		}
		fmt.Fprintf(term.stdout, "report of load %d written to %s\n", c.ID, c.HTML)
		return nil
	case c.JSON:
		return printJSON(term.stdout, newLoadReport(l, files, reasons, quality))
	}
	printLoad(term.stdout, l, reasons)
	fmt.Fprintf(term.stdout, "  started %s, ended %s, by %s with alsobought %s\n",
		instant(&l.StartedAt), instant(l.FinishedAt), l.LoadedBy, l.Version)
	if l.RevertedBy != nil {
		fmt.Fprintf(term.stdout, "  reverted %s by %s\n", instant(l.RevertedAt), *l.RevertedBy)
	}
	for _, f := range files {
		fmt.Fprintf(term.stdout, "  file %d: %s\n    %s bytes, %s rows, %s not bought, %s rejected, sha256 %x\n"+
			"    read as %s\n",
			f.FileNumber, printable(f.Name), grouped(f.Bytes), grouped(f.RowsRead), grouped(f.RowsNotBought),
			grouped(f.RowsRejected), f.SHA256, f.Mapping)
	}
	if err := printNotes(term.stdout, files); err != nil {
		return err
	}
	return printQuality(term.stdout, quality)
}

type loadsRejectsCommand struct {
	ID int64 `arg:"" help:"Load ID."`
}

func (c *loadsRejectsCommand) Run(ctx context.Context, term *terminal, d *database) error {
	return listRows(ctx, term, d, c.ID, load.Rejected)
}

type loadsNotBoughtCommand struct {
	ID int64 `arg:"" help:"Load ID."`
}

func (c *loadsNotBoughtCommand) Run(ctx context.Context, term *terminal, d *database) error {
	return listRows(ctx, term, d, c.ID, load.NotBought)
}

// listRows prints the rows of a load with one outcome.
func listRows(ctx context.Context, term *terminal, d *database, loadID int64, outcome string) error {
	pool, closeAll, err := d.open(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	q := db.New(pool)
	if _, err := findLoad(ctx, q, loadID); err != nil {
		return err
	}
	return load.WriteRows(ctx, pool, term.stdout, loadID, outcome)
}

type loadsRevertCommand struct {
	ID      int64 `arg:"" help:"Load ID."`
	NoBuild bool  `help:"Revert without building; answers change with the next build."`
}

func (c *loadsRevertCommand) Run(ctx context.Context, term *terminal, d *database) error {
	pool, closeAll, err := d.openToWrite(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	reverted, err := load.Revert(ctx, pool, c.ID, whoami())
	if err != nil {
		return err
	}
	fmt.Fprintf(term.stdout, "reverted load %d of %s: everything that only this load had added was removed\n",
		reverted.LoadID, printable(reverted.Source))
	return buildAfter(ctx, term, pool, c.NoBuild)
}

// buildAfter makes a build after orders have changed, so that answers reflect the change.
func buildAfter(ctx context.Context, term *terminal, pool *pgxpool.Pool, noBuild bool) error {
	if noBuild {
		fmt.Fprintln(term.stdout, "answers will change with the next build: run alsobought build")
		return nil
	}
	built, err := (&buildCommand{}).build(ctx, pool)
	if err != nil {
		return fmt.Errorf("done, but the build after it failed; run alsobought build: %w", err)
	}
	printBuild(term.stdout, built)
	return nil
}

func findLoad(ctx context.Context, q *db.Queries, id int64) (db.Load, error) {
	l, err := q.LoadGet(ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return l, fmt.Errorf("there is no load %d: see alsobought loads list", id)
	}
	if err != nil {
		return l, fmt.Errorf("find load: %w", err)
	}
	return l, nil
}
