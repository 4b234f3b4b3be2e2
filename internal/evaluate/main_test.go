package evaluate_test

import (
	"encoding/csv"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/evaluate"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/oracle"
	"github.com/alsobought/alsobought/internal/recommend"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// random returns a separate source for each test, so that tests do not affect each other's draws.
func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// dated are orders with the times of those that have one.
type dated struct {
	items oracle.Orders
	at    map[string]time.Time
}

// drawOrders draws orders of a shape. One in eight has no time, and some share theirs.
func drawOrders(seed uint64, shape oracle.Shape) dated {
	rnd := random(seed)
	d := dated{oracle.Random(rnd, shape), map[string]time.Time{}}
	for _, id := range slices.Sorted(maps.Keys(d.items)) {
		if rnd.IntN(8) > 0 {
			d.at[id] = time.Date(2026, 1, 1+rnd.IntN(60), 12, 0, 0, 0, time.UTC)
		}
	}
	return d
}

// undated returns the same orders without times.
func (d dated) undated() dated { return dated{d.items, nil} }

// without returns the orders except some.
func (d dated) without(ids []string) dated {
	left := dated{maps.Clone(d.items), d.at}
	for _, id := range ids {
		delete(left.items, id)
	}
	return left
}

// loadInto loads the orders, with their lines shuffled.
func (d dated) loadInto(t *testing.T, pool *pgxpool.Pool, rnd *rand.Rand) {
	t.Helper()
	var lines [][]string
	for _, id := range slices.Sorted(maps.Keys(d.items)) {
		at := ""
		if when, found := d.at[id]; found {
			at = when.Format(time.RFC3339)
		}
		for _, item := range slices.Sorted(maps.Keys(d.items[id])) {
			lines = append(lines, []string{id, item, at})
		}
	}
	rnd.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	var text strings.Builder
	w := csv.NewWriter(&text)
	_ = w.Write([]string{"order_id", "item_name", "ordered_at"}) // a strings.Builder never fails
	_ = w.WriteAll(lines)
	_, err := load.Run(t.Context(), pool, []load.Source{{
		Name: "orders",
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text.String())), nil },
	}}, load.Options{LoadedBy: "test", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
}

// loaded returns a database with the orders.
func loaded(t *testing.T, orders dated, seed uint64) *pgxpool.Pool {
	t.Helper()
	pool := dbtest.New(t)
	orders.loadInto(t, pool, random(seed))
	return pool
}

func mustBuild(t *testing.T, pool *pgxpool.Pool, settings builds.Settings) db.Build {
	t.Helper()
	built, err := builds.Run(t.Context(), pool, builds.Options{
		Settings: settings, Keep: builds.DefaultKeep, BuiltBy: "test", Version: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	return built
}

func options(change func(*evaluate.Options)) evaluate.Options {
	opts := evaluate.Options{
		Protocol: evaluate.DefaultProtocol(), Settings: builds.DefaultSettings(),
		Measures: []recommend.Measure{recommend.Affinity, recommend.Count},
	}
	if change != nil {
		change(&opts)
	}
	return opts
}

func mustEvaluate(t *testing.T, pool *pgxpool.Pool, opts evaluate.Options) evaluate.Report {
	t.Helper()
	report, err := evaluate.Run(t.Context(), pool, opts)
	if err != nil {
		t.Fatal(err)
	}
	return report
}
