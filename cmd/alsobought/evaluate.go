package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/evaluate"
	"github.com/alsobought/alsobought/internal/recommend"
)

// protocolFlags define which orders are held out.
type protocolFlags struct {
	Split string  `default:"random" enum:"random,time" help:"Hold out random orders or the newest: ${enum}."`
	Share float64 `default:"0.2" placeholder:"0..1" help:"Share of orders to hold out (default ${default})."`
	Seed  string  `default:"1" help:"Seed of the random choice; the same seed holds out the same orders (default ${default})."`
	Cases int     `default:"5000" placeholder:"N" help:"Held-out orders to test; 0 for all (default ${default})."`
}

func (f *protocolFlags) protocol() (evaluate.Protocol, error) {
	p := evaluate.Protocol{Split: f.Split, Share: f.Share, Seed: f.Seed, Cases: f.Cases}
	if err := p.Validate(); err != nil {
		return p, usageError{err}
	}
	return p, nil
}

type evaluateCommand struct {
	protocolFlags
	settingsFlags
	Build   int64    `placeholder:"ID" help:"Grade this build's settings (default: the active build)."`
	Measure []string `placeholder:"NAME" help:"Grade this measure (repeatable; default affinity and count)."`
	JSON    bool     `name:"json" help:"Print JSON."`
}

func (c *evaluateCommand) Run(ctx context.Context, term *terminal, d *database) error {
	protocol, err := c.protocol()
	if err != nil {
		return err
	}
	measures := make([]recommend.Measure, 0, len(c.Measure))
	for _, name := range c.Measure {
		m := recommend.Measure(name)
		if err := m.Validate(); err != nil {
			return err
		}
		measures = append(measures, m)
	}
	pool, closeAll, err := d.openToWrite(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	graded, err := c.graded(ctx, pool)
	if err != nil {
		return err
	}
	base := builds.DefaultSettings()
	if graded.BuildID != 0 && !c.Defaults {
		base = builds.SettingsOf(graded)
	}
	settings, err := c.settings(base)
	if err != nil {
		return err
	}
	opts := evaluate.Options{Protocol: protocol, Settings: settings, Measures: measures}
	report, err := runEvaluation(ctx, term, pool, opts, c.JSON)
	if err != nil {
		return err
	}
	// Grades for other settings or measures do not belong to the build.
	stored := graded.BuildID != 0 && settings == builds.SettingsOf(graded) && len(measures) == 0
	if stored {
		if err := evaluate.Store(ctx, pool, graded.BuildID, report); err != nil {
			return err
		}
	}
	if c.JSON {
		return printJSON(term.stdout, report)
	}
	printReport(term.stdout, report)
	if stored {
		fmt.Fprintf(term.stdout, "stored with build %d\n", graded.BuildID)
	}
	return nil
}

// graded returns the build whose settings are graded, or the zero value if there is none.
func (c *evaluateCommand) graded(ctx context.Context, pool *pgxpool.Pool) (db.Build, error) {
	if c.Build == 0 {
		return activeBuild(ctx, pool)
	}
	b, err := db.New(pool).BuildGet(ctx, c.Build)
	if errors.Is(err, pgx.ErrNoRows) {
		return b, fmt.Errorf("there is no build %d: see alsobought builds list", c.Build)
	}
	if err != nil {
		return b, fmt.Errorf("find build: %w", err)
	}
	return b, nil
}

func runEvaluation(
	ctx context.Context, term *terminal, pool *pgxpool.Pool, opts evaluate.Options, quiet bool,
) (evaluate.Report, error) {
	shown := watch(term, quiet, "evaluating", 0)
	defer shown.stop()
	return evaluate.Run(ctx, pool, opts)
}

func printReport(w io.Writer, r evaluate.Report) {
	split := "held out at random"
	if r.Protocol.Split == evaluate.Time {
		split = "held out, the newest"
	}
	fmt.Fprintf(w, "%s %s; %s graded\n", counted(r.HeldOut, "order"), split, grouped(r.Cases))
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', 4, 64) }
	t := newTable(w)
	t.row("METHOD", "CASES", "HR@5", "HR@10", "+-", "MRR@10", "NDCG@10", "MPR", "COVERAGE", "POPULARITY SHARE")
	for _, g := range r.Grades {
		t.row(g.Method, grouped(g.Cases), number(g.HR5), number(g.HR10), number(g.HR10Error),
			number(g.MRR10), number(g.NDCG10), number(g.MPR), number(g.Coverage), number(g.PopularityShare))
	}
	t.flush()
}
