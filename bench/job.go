package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/pg"
)

// by is who the audit of the measured database names.
const by = "bench"

// jobDone is what one run of the main job leaves to say.
type jobDone struct {
	counts
	peak int64 // resident bytes of this process while it loaded
}

// runJob does the main job, from the file to the active build, as alsobought load does it, and adds its phases to t.
// Those of the load and the build as a whole add up to the total; the steps of the build, which are listed too,
// overlap.
func runJob(ctx context.Context, databaseURL, orders string, t *timings) (jobDone, error) {
	pool, err := pg.Open(ctx, databaseURL, 0)
	if err != nil {
		return jobDone{}, err
	}
	defer pool.Close()
	if _, err := pg.MigrateUp(ctx, pool); err != nil {
		return jobDone{}, err
	}

	resetPeak()
	loaded, loadSeconds, err := loadFile(ctx, pool, orders)
	if err != nil {
		return jobDone{}, err
	}
	peak := peakBytes()
	built, buildSeconds, err := build(ctx, pool)
	if err != nil {
		return jobDone{}, err
	}

	t.add("copy", loaded.CopySeconds)
	t.add("merge", loaded.MergeSeconds)
	t.add("load, rest", loadSeconds-loaded.CopySeconds-loaded.MergeSeconds)
	t.add("build", buildSeconds)
	t.add("statistics", built.StatsSeconds)
	t.add("pairs", built.PairsSeconds)
	t.add("neighbours", built.NeighboursSeconds)
	t.add(total, loadSeconds+buildSeconds)
	return jobDone{
		counts: counts{Lines: loaded.RowsLoaded, Items: built.Items, Pairs: built.Pairs, Neighbours: built.Neighbours},
		peak:   peak,
	}, nil
}

// more is a file of a few orders more.
type more struct {
	path   string
	orders int64
}

// runDelta loads more orders into the database of a job that is done, and has a build count what changed.
func runDelta(ctx context.Context, databaseURL string, more more, t *timings) error {
	pool, err := pg.Open(ctx, databaseURL, 0)
	if err != nil {
		return err
	}
	defer pool.Close()
	_, loadSeconds, err := loadFile(ctx, pool, more.path)
	if err != nil {
		return err
	}
	built, buildSeconds, err := build(ctx, pool)
	if err != nil {
		return err
	}
	if built.BaseBuild == nil || *built.ChangedOrders != more.orders {
		return fmt.Errorf("build %d counted all orders, not the %d that were loaded last", built.BuildID, more.orders)
	}
	t.add("load", loadSeconds)
	t.add("delta build", buildSeconds)
	t.add(total, loadSeconds+buildSeconds)
	return nil
}

func loadFile(ctx context.Context, pool *pg.Pool, path string) (loaded load.Result, seconds float64, err error) {
	began := time.Now()
	source := load.Source{Name: path, Open: func() (io.ReadCloser, error) { return os.Open(path) }}
	loaded, err = load.Run(ctx, pool, []load.Source{source}, load.Options{LoadedBy: by})
	if err == nil && loaded.RowsRejected > 0 {
		err = fmt.Errorf("%s: %d rows were rejected", path, loaded.RowsRejected)
	}
	return loaded, time.Since(began).Seconds(), err
}

func build(ctx context.Context, pool *pg.Pool) (built db.Build, seconds float64, err error) {
	began := time.Now()
	opts := builds.Options{Settings: builds.DefaultSettings(), Keep: builds.DefaultKeep, BuiltBy: by}
	built, err = builds.Run(ctx, pool, opts)
	return built, time.Since(began).Seconds(), err
}
