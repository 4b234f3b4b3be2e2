package recommend_test

import (
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/oracle"
	"github.com/alsobought/alsobought/internal/recommend"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// loadText loads a file of order lines.
func loadText(t testing.TB, pool *pgxpool.Pool, text string) {
	t.Helper()
	_, err := load.Run(t.Context(), pool, []load.Source{{
		Name: "orders",
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
	}}, load.Options{LoadedBy: "test", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
}

func mustBuild(t testing.TB, pool *pgxpool.Pool, settings builds.Settings) db.Build {
	t.Helper()
	built, err := builds.Run(t.Context(), pool, builds.Options{
		Settings: settings, Keep: builds.DefaultKeep, BuiltBy: "test", Version: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	return built
}

// scene is a database of random orders with at least one build.
type scene struct {
	pool      *pgxpool.Pool
	orders    oracle.Orders
	times     oracle.Times
	counts    *oracle.Counts // of built
	built     db.Build       // the active build
	older     map[int64]version
	catalogue map[string]oracle.Attributes
	rules     []oracle.Rule // in force
	*recommend.Recommender
}

// version is a build and the oracle's counts under its settings.
type version struct {
	built  db.Build
	counts *oracle.Counts
}

func newScene(t *testing.T, shape oracle.Shape, seed uint64, settings ...builds.Settings) *scene {
	t.Helper()
	s := &scene{pool: dbtest.New(t), orders: oracle.Random(random(seed), shape), older: map[int64]version{}}
	s.times = oracle.RandomTimes(random(seed), s.orders)
	loadText(t, s.pool, s.orders.TimedCSV(random(seed), s.times))
	for _, of := range settings {
		if s.counts != nil {
			s.older[s.built.BuildID] = version{s.built, s.counts}
		}
		s.built = mustBuild(t, s.pool, of)
		s.counts = oracle.CountTimed(s.orders, s.times, oracle.Settings(of))
	}
	s.Recommender = recommend.New(s.pool)
	return s
}

// of returns a build by id; 0 is the active one.
func (s *scene) of(id int64) version {
	if v, found := s.older[id]; found {
		return v
	}
	return version{s.built, s.counts}
}

// rule adds a rule that is in force.
func (s *scene) rule(t *testing.T, kind, item string, items ...string) int64 {
	t.Helper()
	r := oracle.Rule{Kind: kind, Item: item, Items: items}
	err := s.pool.QueryRow(t.Context(), `INSERT INTO rules (kind, item, items, reason, author)
		VALUES ($1, nullif($2, ''), $3, 'why', 'tester')
		RETURNING rule_id`, kind, item, items).Scan(&r.ID)
	if err != nil {
		t.Fatal(err)
	}
	s.rules = append(s.rules, r)
	return r.ID
}

// repeal ends all rules.
func (s *scene) repeal(t *testing.T) {
	t.Helper()
	s.exec(t, "UPDATE rules SET valid_until = greatest(now(), valid_from)")
	s.rules = nil
}

// describe adds an item to the catalog.
func (s *scene) describe(t *testing.T, item string, a oracle.Attributes) {
	t.Helper()
	s.exec(t, `INSERT INTO item_attributes (item_id, category, label, active, source, changed_by)
		SELECT i.item_id, nullif($2, ''), nullif($3, ''), $4, 'items.csv', 'tester' FROM items AS i WHERE i.name = $1`,
		item, a.Category, labelOf(a), !a.Inactive)
	if s.catalogue == nil {
		s.catalogue = map[string]oracle.Attributes{}
	}
	s.catalogue[item] = a
}

func labelOf(a oracle.Attributes) string {
	if a.Category == "" {
		return ""
	}
	return "one of " + a.Category
}

func (s *scene) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := s.pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// bread is a database of five orders, small enough to count by hand.
func bread(t *testing.T) *scene {
	t.Helper()
	s := &scene{pool: dbtest.New(t)}
	loadText(t, s.pool,
		"order_id,item_name\n1,bread\n1,butter\n2,bread\n2,butter\n2,jam\n3,bread\n3,jam/red\n4,milk\n5,bread\n")
	s.built = mustBuild(t, s.pool, builds.DefaultSettings())
	s.Recommender = recommend.New(s.pool)
	return s
}

// rowsOf converts the recommendations to the oracle's type.
func rowsOf(answer recommend.Answer) []oracle.Row {
	rows := make([]oracle.Row, 0, len(answer.Recommendations))
	for _, r := range answer.Recommendations {
		row := oracle.Row{
			Item: r.ItemName, Source: r.Source, Score: r.SimilarityScore, PopularityRank: r.PopularityRank,
			OrdersTogether: r.OrdersTogether, Confidence: r.Confidence, Lift: r.Lift,
		}
		if r.Source != recommend.SourcePopular {
			var orders bool
			if _, row.With, orders = strings.Cut(r.Reason, " orders with "); !orders {
				_, row.With, _ = strings.Cut(r.Reason, " items with ")
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// items returns the names of the recommendations.
func items(answer recommend.Answer) []string {
	names := make([]string, 0, len(answer.Recommendations))
	for _, r := range answer.Recommendations {
		names = append(names, r.ItemName)
	}
	return names
}
