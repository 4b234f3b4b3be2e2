package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
)

type loadsCommand struct {
	List    loadsListCommand    `cmd:"" default:"withargs" help:"Every load, newest first."`
	Show    loadsShowCommand    `cmd:"" help:"What one load did with every row."`
	Rejects loadsRejectsCommand `cmd:"" help:"The rows of one load that were refused, as CSV."`
}

type loadsListCommand struct {
	Limit int32 `default:"20" help:"How many (default ${default})."`
	JSON  bool  `name:"json" help:"Print JSON."`
}

func (c *loadsListCommand) Run(ctx context.Context, term *terminal, d *database) error {
	pool, closeAll, err := d.openToWrite(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	loads, err := db.New(pool).LoadList(ctx, c.Limit)
	if err != nil {
		return fmt.Errorf("list loads: %w", err)
	}
	if c.JSON {
		summaries := make([]loadSummary, 0, len(loads))
		for _, l := range loads {
			summaries = append(summaries, summary(l, nil, db.Build{}))
		}
		return printJSON(term.stdout, summaries)
	}
	t := newTable(term.stdout)
	t.row("LOAD", "STARTED (UTC)", "STATUS", "READ", "LOADED", "DUPLICATE", "REJECTED", "SOURCE")
	for _, l := range loads {
		t.row(strconv.FormatInt(l.LoadID, 10), instant(&l.StartedAt), l.Status,
			grouped(l.RowsRead), grouped(l.RowsLoaded), grouped(l.RowsDuplicate), grouped(l.RowsRejected), l.Source)
	}
	t.flush()
	return nil
}

type loadsShowCommand struct {
	ID   int64 `arg:"" help:"The load."`
	JSON bool  `name:"json" help:"Print JSON."`
}

func (c *loadsShowCommand) Run(ctx context.Context, term *terminal, d *database) error {
	pool, closeAll, err := d.openToWrite(ctx, term)
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
	if c.JSON {
		return printJSON(term.stdout, summary(l, reasons, db.Build{}))
	}
	files, err := q.LoadFileList(ctx, c.ID, 1000)
	if err != nil {
		return fmt.Errorf("list files: %w", err)
	}
	printLoad(term.stdout, l, reasons)
	fmt.Fprintf(term.stdout, "  started %s, ended %s, by %s with alsobought %s\n", instant(&l.StartedAt), instant(l.FinishedAt), l.LoadedBy, l.Version)
	for _, f := range files {
		fmt.Fprintf(term.stdout, "  file %d: %s\n    %s bytes, %s rows, %s rejected, sha256 %x\n    read as %s\n",
			f.FileNumber, printable(f.Name), grouped(f.Bytes), grouped(f.RowsRead), grouped(f.RowsRejected), f.SHA256, f.Mapping)
	}
	return nil
}

type loadsRejectsCommand struct {
	ID int64 `arg:"" help:"The load."`
}

func (c *loadsRejectsCommand) Run(ctx context.Context, term *terminal, d *database) error {
	pool, closeAll, err := d.open(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	if _, err := findLoad(ctx, db.New(pool), c.ID); err != nil {
		return err
	}
	return c.write(ctx, term, pool)
}

// write pages through the rejects: there may be millions.
func (c *loadsRejectsCommand) write(ctx context.Context, term *terminal, pool *pgxpool.Pool) error {
	const page = 1000
	w := csv.NewWriter(term.stdout)
	if err := w.Write([]string{"file_number", "line_number", "reason", "detail", "raw"}); err != nil {
		return err
	}
	for after := int64(0); ; {
		rejects, err := db.New(pool).LoadRejectList(ctx, c.ID, after, page)
		if err != nil {
			return fmt.Errorf("list rejects: %w", err)
		}
		for _, r := range rejects {
			row := []string{strconv.Itoa(int(r.FileNumber)), strconv.FormatInt(r.LineNumber, 10), r.Reason, r.Detail, string(r.Raw)}
			if err := w.Write(row); err != nil {
				return err
			}
			after = r.RowNumber
		}
		w.Flush()
		if err := w.Error(); err != nil {
			return err
		}
		if len(rejects) < page {
			return nil
		}
	}
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
