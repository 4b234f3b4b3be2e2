package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/orderfile"
)

// plan is what to measure.
type plan struct {
	orders string // a CSV file with the columns of the sample
	more   more   // loaded after them
	runs   int
	each   time.Duration // per kind of question
	duckdb string        // the program of bench/duckdb, or "" to leave it out
	note   func(string)
}

// The names of what is timed beside the phases.
const (
	total  = "file to active build"
	floor  = "floor: COPY of two integer columns"
	simple = "simple: COPY, self-join, row_number"
)

// measure does everything once per run, one after the other, so that a machine that others use is as unfair to one as
// to the other.
func measure(ctx context.Context, on *server, p plan) (report, error) {
	r := report{GoVersion: runtime.Version(), Processors: runtime.GOMAXPROCS(0), Runs: p.runs, MoreOrders: p.more.orders}
	var err error
	if r.PostgreSQL, err = on.version(ctx); err != nil {
		return r, err
	}
	if info, err := os.Stat(p.orders); err == nil {
		r.FileBytes = info.Size()
	}
	var phases, delta, compared timings
	for n := range p.runs {
		p.note(fmt.Sprintf("run %d of %d", n+1, p.runs))
		if err := phases.time("read", func() error { return readOnly(p.orders) }); err != nil {
			return r, err
		}
		counted, err := runOthers(ctx, on, p, r.Processors, &compared)
		if err != nil {
			return r, err
		}
		err = on.withDatabase(ctx, func(databaseURL string) error {
			done, err := runJob(ctx, databaseURL, p.orders, &phases)
			if err != nil {
				return err
			}
			if err := same(done.counts, counted); err != nil {
				return err
			}
			r.counts, r.PeakLoadBytes = done.counts, max(r.PeakLoadBytes, done.peak)
			if n == p.runs-1 {
				p.note("asking questions")
				if r.Questions, err = askAll(ctx, databaseURL, p.each); err != nil {
					return err
				}
			}
			return runDelta(ctx, databaseURL, p.more, &delta)
		})
		if err != nil {
			return r, err
		}
	}
	r.Phases, r.Delta, r.Compared = phases.summary(r.Lines), delta.summary(r.Lines), compared.summary(r.Lines)
	r.compare()
	return r, nil
}

// runOthers does what the job is compared with, and returns what it counted.
func runOthers(ctx context.Context, on *server, p plan, processors int, compared *timings) (counted counts, err error) {
	err = on.withDatabase(ctx, func(databaseURL string) error { return runFloor(ctx, databaseURL, p.orders, compared) })
	if err != nil {
		return counted, fmt.Errorf("floor: %w", err)
	}
	err = on.withDatabase(ctx, func(databaseURL string) error {
		counted, err = runSimple(ctx, databaseURL, p.orders, compared)
		return err
	})
	if err != nil {
		return counted, fmt.Errorf("simple: %w", err)
	}
	if p.duckdb != "" {
		err = runDuckDB(ctx, p, processors, counted, compared)
	}
	return counted, err
}

// counts of what a run found: two ways of counting are compared only when they count the same.
type counts struct {
	Lines      int64 `json:"lines"` // as merged: one per order and item
	Items      int64 `json:"items"`
	Pairs      int64 `json:"pairs"`
	Neighbours int64 `json:"neighbours"`
}

func same(one, other counts) error {
	if one != other {
		return fmt.Errorf("one counts %+v, the other %+v: they do not do the same, so their times say nothing", one, other)
	}
	return nil
}

// readOnly parses and checks every row and keeps none: what of a load is not PostgreSQL's.
func readOnly(path string) error {
	return eachLine(path, func(orderfile.Line) {})
}

// eachLine reads an order file that is known to be sound.
func eachLine(path string, do func(orderfile.Line)) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // read only
	reader, err := orderfile.Open(file, orderfile.Options{Options: datafile.Options{Name: path}})
	if err != nil {
		return err
	}
	for {
		line, reject, err := reader.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case reject != nil:
			return fmt.Errorf("%s: line %d: %s", path, reject.Number, reject.Detail)
		}
		do(line)
	}
}
