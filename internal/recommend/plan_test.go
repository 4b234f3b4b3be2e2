package recommend_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/recommend"
	"github.com/alsobought/alsobought/internal/sample"
)

// scans counts the scans of each table: sequential and by index.
type scans struct{ whole, indexed map[string]int64 }

// No question reads a large table sequentially. EXPLAIN does not look inside PL/pgSQL functions, so this counts the
// scans of the transaction that asks.
func TestPlans(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	if _, err := sample.Write(&text, sample.Config{Scale: 1, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	s := &scene{pool: dbtest.New(t)}
	// A fifth of the orders is enough for realistic plans.
	fifth := text.String()[:text.Len()/5]
	loadText(t, s.pool, fifth[:strings.LastIndex(fifth, "\n")+1])
	mustBuild(t, s.pool, builds.DefaultSettings())
	first, _, _ := strings.Cut(strings.Split(fifth, "\n")[1], ",")
	const calKit = "Cal Kit - Std - 34L Regulator 100PPM/Tedlar Bag"
	answer, err := recommend.New(s.pool).Ask(t.Context(), recommend.Similar("PID", recommend.Options{}))
	if err != nil || answer.Recommendations[0].ItemName != calKit {
		t.Fatalf("%+v, %v", answer, err)
	}
	neighbours, pairs := []string{"item_neighbours_1"}, []string{"item_pairs_1"}
	spared := []string{
		"item_pairs_1", "item_neighbours_1", "item_stats_1", "items", "orders", "order_lines", "item_days_1",
	}
	// Measures other than affinity look at all pairs of an item. If there are many, a sequential scan of the statistics
	// is faster.
	except := func(table string) []string {
		return slices.DeleteFunc(slices.Clone(spared), func(s string) bool { return s == table })
	}
	basket := []string{"PID", calKit, "Gloves"}
	rules := drafts("hide nobody ever bought it, PID; pin Water Level Meter for Gloves; apart PID, Gloves")
	for name, c := range map[string]struct {
		ask    func(context.Context, *recommend.Recommender) error
		read   []string // by an index
		spared []string // not sequentially
		rules  []draft
	}{
		"similar":     {similar("PID", recommend.Options{}), neighbours, spared, nil},
		"basket":      {together(basket, recommend.Options{}), neighbours, spared, nil},
		"order":       {orderOf(first, recommend.Options{}), neighbours, spared, nil},
		"min support": {similar("PID", recommend.Options{MinSupport: 5}), pairs, except("item_stats_1"), nil},
		"exclude": {
			together(basket, recommend.Options{Exclude: []string{"Water Level Meter"}}), pairs, except("item_stats_1"), nil,
		},
		"exclude what is no neighbour": {
			similar("PID", recommend.Options{Exclude: []string{"PID", "nobody ever bought it"}}), neighbours, spared, nil,
		},
		"count":      {similar("PID", recommend.Options{Measure: recommend.Count}), pairs, except("item_stats_1"), nil},
		"confidence": {similar("PID", recommend.Options{Measure: recommend.Confidence}), pairs, except("item_stats_1"), nil},
		"cosine":     {together(basket, recommend.Options{Measure: recommend.Cosine}), pairs, except("item_stats_1"), nil},
		"jaccard":    {similar("PID", recommend.Options{Measure: recommend.Jaccard}), pairs, except("item_stats_1"), nil},
		"lift":       {similar("PID", recommend.Options{Measure: recommend.Lift}), pairs, except("item_stats_1"), nil},
		"popular": {func(ctx context.Context, r *recommend.Recommender) error {
			_, err := r.Ask(ctx, recommend.Popular(recommend.Options{}))
			return err
		}, []string{"item_stats_1"}, spared, nil},
		"batch": {func(ctx context.Context, r *recommend.Recommender) error {
			_, err := r.AskEach(ctx, basket, recommend.Options{})
			return err
		}, neighbours, spared, nil},
		"explain": {func(ctx context.Context, r *recommend.Recommender) error {
			_, err := r.Explain(ctx, "Gloves", "Water Level Meter", 0)
			return err
		}, pairs, spared, nil},
		// Rules find their items by name, and find what they remove within twice the limit plus a hundred places.
		"rules":                         {similar("Gloves", recommend.Options{}), pairs, except("item_stats_1"), rules},
		"rules that touch no neighbour": {similar("PID", recommend.Options{}), neighbours, except("item_pairs_1"), rules},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.wantIndexed(t, c.ask, c.read, c.spared, c.rules)
		})
	}
}

func similar(item string, opts recommend.Options) func(context.Context, *recommend.Recommender) error {
	return func(ctx context.Context, r *recommend.Recommender) error {
		_, err := r.Ask(ctx, recommend.Similar(item, opts))
		return err
	}
}

func together(items []string, opts recommend.Options) func(context.Context, *recommend.Recommender) error {
	return func(ctx context.Context, r *recommend.Recommender) error {
		_, err := r.Ask(ctx, recommend.Basket(items, opts))
		return err
	}
}

func orderOf(id string, opts recommend.Options) func(context.Context, *recommend.Recommender) error {
	return func(ctx context.Context, r *recommend.Recommender) error {
		_, err := r.Ask(ctx, recommend.Order(id, opts))
		return err
	}
}

// wantIndexed asks until PostgreSQL switches to generic plans, and a few times more.
func (s *scene) wantIndexed(
	t *testing.T, ask func(context.Context, *recommend.Recommender) error, read, spared []string, rules []draft,
) {
	t.Helper()
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	// as docs/operations.md recommends, whatever the server's setting is
	if _, err := tx.Exec(t.Context(), "SET LOCAL random_page_cost = 1.1"); err != nil {
		t.Fatal(err)
	}
	for _, l := range rules {
		_, err := tx.Exec(t.Context(), "INSERT INTO rules (kind, item, items, reason, author) VALUES ($1, nullif($2, "+
			"''), $3, 'why', 'tester')", l.kind, l.item, l.items)
		if err != nil {
			t.Fatal(err)
		}
	}
	before := scansOf(t, tx)
	for range 8 {
		if err := ask(t.Context(), recommend.New(tx)); err != nil {
			t.Fatal(err)
		}
	}
	after := scansOf(t, tx)
	for _, table := range spared {
		if n := after.whole[table] - before.whole[table]; n > 0 {
			t.Errorf("%s is read whole, %d times", table, n)
		}
	}
	for _, table := range read {
		if after.indexed[table] == before.indexed[table] {
			t.Errorf("%s is not looked up: %v", table, after.indexed)
		}
	}
}

// scansOf returns the scans of the transaction so far.
func scansOf(t *testing.T, tx pgx.Tx) scans {
	t.Helper()
	rows, err := tx.Query(t.Context(), "SELECT s.relname::text, s.seq_scan, coalesce(s.idx_scan, "+
		"0) FROM pg_stat_xact_user_tables AS s")
	if err != nil {
		t.Fatal(err)
	}
	got := scans{map[string]int64{}, map[string]int64{}}
	var table string
	var whole, indexed int64
	_, err = pgx.ForEachRow(rows, []any{&table, &whole, &indexed}, func() error {
		got.whole[table], got.indexed[table] = whole, indexed
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}
