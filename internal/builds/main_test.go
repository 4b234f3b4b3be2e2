package builds_test

import (
	"context"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/doctor"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/oracle"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// random returns a separate source for each test, so that tests do not affect each other's draws.
func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// loadText loads one file of order lines.
func loadText(t *testing.T, pool *pgxpool.Pool, text string) {
	t.Helper()
	_, err := load.Run(t.Context(), pool, []load.Source{{
		Name: "orders",
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
	}}, load.Options{LoadedBy: "test", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
}

// defaults returns the options of the command line.
func defaults() builds.Options {
	return builds.Options{Settings: builds.DefaultSettings(), Keep: builds.DefaultKeep, BuiltBy: "test", Version: "test"}
}

func mustBuild(t *testing.T, pool *pgxpool.Pool, opts builds.Options) db.Build {
	t.Helper()
	built, err := builds.Run(t.Context(), pool, opts)
	if err != nil {
		t.Fatal(err)
	}
	return built
}

// startBuild inserts the row of a running or killed build.
func startBuild(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	_, err := pool.Exec(t.Context(), `INSERT INTO builds (max_basket, neighbours_kept, shrinkage, popularity_exponent,
		similar_exponent, built_by, version) VALUES (2, 1, 0, 0, 0, 'test', 'test')`)
	if err != nil {
		t.Fatal(err)
	}
}

// small returns a database with a few random orders and no build.
func small(t *testing.T, seed uint64) (*pgxpool.Pool, oracle.Orders) {
	t.Helper()
	pool := dbtest.New(t)
	orders := oracle.Random(random(seed), oracle.Shapes()[0])
	loadText(t, pool, orders.CSV(random(seed)))
	return pool, orders
}

// states lists every build as "running", "ready", "active", "failed" or "pruned", by ID.
func states(t *testing.T, pool *pgxpool.Pool) map[int64]string {
	t.Helper()
	builds, err := db.New(pool).BuildList(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	got := map[int64]string{}
	for _, b := range builds {
		got[b.BuildID] = b.Status
		if b.Active {
			got[b.BuildID] = "active"
		}
	}
	return got
}

func wantStates(t *testing.T, pool *pgxpool.Pool, want map[int64]string) {
	t.Helper()
	if diff := cmp.Diff(want, states(t, pool)); diff != "" {
		t.Errorf("builds (-want +got):\n%s", diff)
	}
}

// wantHealthy fails for each finding of the doctor.
func wantHealthy(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	findings, checks, err := doctor.Run(t.Context(), pool)
	if err != nil || checks == 0 {
		t.Fatalf("doctor: %d checks, %v", checks, err)
	}
	for _, f := range findings {
		t.Errorf("doctor: %s: %s %s", f.Check, f.Subject, f.Problem)
	}
}

// waitFor polls until the query returns true, for at most half a minute.
func waitFor(t *testing.T, what string, ask func(context.Context) (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		yes, err := ask(ctx)
		if err != nil {
			t.Fatalf("wait until %s: %v", what, err)
		}
		if yes {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("wait until %s: %v", what, ctx.Err())
		case <-tick.C:
		}
	}
}
