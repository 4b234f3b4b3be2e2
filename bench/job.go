package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

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

// runJob does the main job, from the file to the active build, as alsobought load does it, and adds its phases to t. Those of the load and
// the build as a whole add up to the total; the steps of the build, which are listed too, overlap.
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
	began := time.Now()
	source := load.Source{Name: orders, Open: func() (io.ReadCloser, error) { return os.Open(orders) }}
	loaded, err := load.Run(ctx, pool, []load.Source{source}, load.Options{LoadedBy: by})
	if err != nil {
		return jobDone{}, err
	}
	loadSeconds := time.Since(began).Seconds()
	peak := peakBytes()
	if loaded.RowsRejected > 0 {
		return jobDone{}, fmt.Errorf("%s: %d rows were rejected", orders, loaded.RowsRejected)
	}

	buildBegan := time.Now()
	built, err := builds.Run(ctx, pool, builds.Options{Settings: builds.DefaultSettings(), Keep: builds.DefaultKeep, BuiltBy: by})
	if err != nil {
		return jobDone{}, err
	}
	buildSeconds := time.Since(buildBegan).Seconds()

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
