package recommend_test

import (
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/build"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/oracle"
	"github.com/alsobought/alsobought/internal/recommend"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

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

func mustBuild(t *testing.T, pool *pgxpool.Pool, settings build.Settings) db.Build {
	t.Helper()
	built, err := build.Run(t.Context(), pool, build.Options{Settings: settings, Keep: build.DefaultKeep, BuiltBy: "test", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return built
}

// scene is a database of random orders with one build of them.
type scene struct {
	pool   *pgxpool.Pool
	orders oracle.Orders
	counts *oracle.Counts
	built  db.Build
	*recommend.Recommender
}

func newScene(t *testing.T, shape oracle.Shape, seed uint64, settings build.Settings) scene {
	t.Helper()
	s := scene{pool: dbtest.New(t), orders: oracle.Random(random(seed), shape)}
	loadText(t, s.pool, s.orders.CSV(random(seed)))
	s.built = mustBuild(t, s.pool, settings)
	s.counts = oracle.Count(s.orders, oracle.Settings(settings))
	s.Recommender = recommend.New(s.pool)
	return s
}

// bread is a database of five orders that can be counted by hand.
func bread(t *testing.T) scene {
	t.Helper()
	s := scene{pool: dbtest.New(t)}
	loadText(t, s.pool, "order_id,item_name\n1,bread\n1,butter\n2,bread\n2,butter\n2,jam\n3,bread\n3,jam/red\n4,milk\n5,bread\n")
	s.built = mustBuild(t, s.pool, build.DefaultSettings())
	s.Recommender = recommend.New(s.pool)
	return s
}

// rowsOf are the recommendations as the oracle takes them.
func rowsOf(answer recommend.Answer) []oracle.Row {
	rows := make([]oracle.Row, 0, len(answer.Recommendations))
	for _, r := range answer.Recommendations {
		row := oracle.Row{
			Item: r.ItemName, Source: r.Source, Score: r.SimilarityScore, PopularityRank: r.PopularityRank,
			OrdersTogether: r.OrdersTogether, Confidence: r.Confidence, Lift: r.Lift,
		}
		if r.Source == recommend.SourcePair {
			_, row.With, _ = strings.Cut(r.Reason, " orders with ")
		}
		rows = append(rows, row)
	}
	return rows
}

// items are the names of the recommendations.
func items(answer recommend.Answer) []string {
	names := make([]string, 0, len(answer.Recommendations))
	for _, r := range answer.Recommendations {
		names = append(names, r.ItemName)
	}
	return names
}
