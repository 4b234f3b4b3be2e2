package evaluate_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/evaluate"
	"github.com/alsobought/alsobought/internal/oracle"
	"github.com/alsobought/alsobought/internal/recommend"
)

// TestEqualReports: repeated evaluations give the same report, even if the orders were loaded in another order;
// another seed draws other orders.
func TestEqualReports(t *testing.T) {
	t.Parallel()
	orders := drawOrders(1, oracle.Shapes()[2])
	pool := loaded(t, orders, 1)
	for _, split := range []string{evaluate.Random, evaluate.Time} {
		opts := options(func(o *evaluate.Options) { o.Protocol.Split = split })
		first := mustEvaluate(t, pool, opts)
		if diff := cmp.Diff(first, mustEvaluate(t, pool, opts)); diff != "" {
			t.Errorf("%s, again:\n%s", split, diff)
		}
		if diff := cmp.Diff(first, mustEvaluate(t, loaded(t, orders, 2), opts)); diff != "" {
			t.Errorf("%s, loaded in another order:\n%s", split, diff)
		}
		opts.Protocol.Seed = "2"
		other := mustEvaluate(t, pool, opts)
		if cmp.Equal(first.Grades, other.Grades) {
			t.Errorf("%s: another seed makes the same grades: %+v", split, other)
		}
	}
}

// TestMeasures: the default is affinity and count; named measures are graded once each, in order.
func TestMeasures(t *testing.T) {
	t.Parallel()
	pool := loaded(t, drawOrders(1, oracle.Shapes()[1]), 1)
	for _, c := range []struct {
		name     string
		measures []recommend.Measure
		want     []string
	}{
		{"none", nil, []string{"affinity", "count", "popularity"}},
		{"some", []recommend.Measure{"lift", "affinity"}, []string{"lift", "affinity", "popularity"}},
		{"twice", []recommend.Measure{"count", "lift", "count"}, []string{"count", "lift", "popularity"}},
	} {
		report := mustEvaluate(t, pool, options(func(o *evaluate.Options) { o.Measures = c.measures }))
		var got []string
		for _, g := range report.Grades {
			got = append(got, g.Method)
			if of, found := report.Of(g.Method); !found || of != g {
				t.Errorf("%s: of %s: %+v, %t", c.name, g.Method, of, found)
			}
			if want := math.Sqrt(g.HR10 * (1 - g.HR10) / float64(g.Cases)); g.HR10Error != want {
				t.Errorf("%s: the error of %s is %v, want %v", c.name, g.Method, g.HR10Error, want)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if _, found := report.Of("cosine"); found {
			t.Errorf("%s: a grade that nobody asked for", c.name)
		}
	}
}

// TestUnknownHidden: an item that occurs only in held-out orders is a miss, ranked last.
func TestUnknownHidden(t *testing.T) {
	t.Parallel()
	orders := dated{oracle.Orders{}, nil}
	for id := range strings.FieldsSeq("a b c d e f g h i j k l m n o p q r s t") {
		orders.items.Add(id, "only in "+id)
		orders.items.Add(id, "also only in "+id)
	}
	report := mustEvaluate(t, loaded(t, orders, 1), options(nil))
	for _, g := range report.Grades {
		if g.HR5 != 0 || g.HR10 != 0 || g.HR10Error != 0 || g.MRR10 != 0 || g.NDCG10 != 0 || g.MPR != 1 {
			t.Errorf("%+v of items that are unknown", g)
		}
	}
}

// TestLargeBaskets: an order may have more items than a basket in a request.
func TestLargeBaskets(t *testing.T) {
	t.Parallel()
	orders := drawOrders(1, oracle.Shape{Orders: 30, Items: 400, MaxSize: 250})
	report := mustEvaluate(t, loaded(t, orders, 1), options(func(o *evaluate.Options) { o.Settings.MaxBasket = 1000 }))
	if g, _ := report.Of("affinity"); report.Cases == 0 || g.MPR >= 1 {
		t.Errorf("%+v", report)
	}
}

func TestNothingToGrade(t *testing.T) {
	t.Parallel()
	byTime := func(o *evaluate.Options) { o.Protocol.Split = evaluate.Time }
	for name, c := range map[string]struct {
		orders dated
		change func(*evaluate.Options)
		says   string
	}{
		"no orders":        {dated{}, nil, "no held-out order has two items"},
		"no orders, dated": {dated{}, byTime, "no order has a time"},
		"single items":     {drawOrders(1, oracle.Shapes()[4]), nil, "no held-out order has two items"},
		"no times":         {drawOrders(1, oracle.Shapes()[1]).undated(), byTime, "no order has a time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			if len(c.orders.items) > 0 {
				c.orders.loadInto(t, pool, random(1))
			}
			before := state(t, pool)
			if _, err := evaluate.Run(t.Context(), pool, options(c.change)); !errors.Is(err, evaluate.ErrNoCases) ||
				!strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
			if diff := cmp.Diff(before, state(t, pool)); diff != "" {
				t.Errorf("left behind:\n%s", diff)
			}
		})
	}
}

// state lists everything that an evaluation could leave behind.
func state(t *testing.T, pool *pgxpool.Pool) (left struct{ Tables, Builds, Sequence, Days string }) {
	t.Helper()
	err := pool.QueryRow(t.Context(), `SELECT
		(SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace),
		(SELECT coalesce(string_agg(b::text, ' ' ORDER BY build_id), '') FROM builds AS b),
		(SELECT last_value || ' ' || is_called FROM builds_build_id_seq),
		(SELECT coalesce(string_agg(d::text, ' ' ORDER BY d::text), '')
		FROM order_days AS d)`).Scan(&left.Tables, &left.Builds, &left.Sequence, &left.Days)
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// TestNothingIsLeft evaluates other settings and queries the active build meanwhile.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	pool := loaded(t, drawOrders(1, oracle.Shapes()[2]), 1)
	mustBuild(t, pool, builds.DefaultSettings())
	before, r := state(t, pool), recommend.New(pool)
	answer := func() recommend.Answer {
		a, err := r.Ask(t.Context(), recommend.Basket([]string{"item 0", "item 1"}, recommend.Options{}))
		if err != nil {
			t.Error(err)
		}
		return a
	}
	first := answer()
	if len(first.Recommendations) == 0 {
		t.Fatal("nothing is recommended")
	}
	reported := []float64{0}
	mustEvaluate(t, pool, options(func(o *evaluate.Options) {
		o.Settings.NeighboursKept, o.Settings.Shrinkage = 1, 1e6
		o.Progress = func(done float64) {
			if last := reported[len(reported)-1]; done <= last || done > 1 {
				t.Errorf("progress %v after %v", done, last)
			}
			reported = append(reported, done)
			if diff := cmp.Diff(first, answer()); diff != "" {
				t.Errorf("the active build answers meanwhile:\n%s", diff)
			}
			if diff := cmp.Diff(before, state(t, pool)); diff != "" {
				t.Errorf("seen meanwhile:\n%s", diff)
			}
		}
	}))
	if reported[len(reported)-1] != 1 {
		t.Errorf("progress ended at %v", reported)
	}
	if diff := cmp.Diff(before, state(t, pool)); diff != "" {
		t.Errorf("left behind:\n%s", diff)
	}
	if diff := cmp.Diff(first, answer()); diff != "" {
		t.Errorf("the active build answers afterwards:\n%s", diff)
	}
	if next := mustBuild(t, pool, builds.DefaultSettings()); next.BuildID != 2 {
		t.Errorf("the next build is %d, want 2: no number is lost", next.BuildID)
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	pool := loaded(t, drawOrders(1, oracle.Shapes()[1]), 1)
	mustBuild(t, pool, builds.DefaultSettings())
	before := state(t, pool)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := evaluate.Run(ctx, pool, options(func(o *evaluate.Options) { o.Progress = func(float64) { cancel() } }))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if diff := cmp.Diff(before, state(t, pool)); diff != "" {
		t.Errorf("left behind:\n%s", diff)
	}
	mustEvaluate(t, pool, options(nil)) // the lock is free
}

func TestRefused(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	for name, c := range map[string]struct {
		change func(*evaluate.Options)
		says   []string
	}{
		"split": {
			func(o *evaluate.Options) { o.Protocol.Split = "moo" }, []string{`split is "moo": choose random or time`},
		},
		"share 0":   {func(o *evaluate.Options) { o.Protocol.Share = 0 }, []string{"share is 0: choose 0.01 to 0.9"}},
		"share 1":   {func(o *evaluate.Options) { o.Protocol.Share = 1 }, []string{"share is 1:"}},
		"share NaN": {func(o *evaluate.Options) { o.Protocol.Share = math.NaN() }, []string{"share is NaN:"}},
		"cases":     {func(o *evaluate.Options) { o.Protocol.Cases = -1 }, []string{"cases is -1:"}},
		"seed":      {func(o *evaluate.Options) { o.Protocol.Seed = "a\x00" }, []string{"seed is"}},
		"no UTF-8":  {func(o *evaluate.Options) { o.Protocol.Seed = "\xff" }, []string{"seed is"}},
		"measure":   {func(o *evaluate.Options) { o.Measures = []recommend.Measure{"moo"} }, []string{"measure"}},
		"popularity": {
			func(o *evaluate.Options) { o.Measures = []recommend.Measure{evaluate.Popularity} }, []string{"measure"},
		},
		"settings": {func(o *evaluate.Options) { o.Settings.MaxBasket = 1 }, []string{"max_basket is 1"}},
		"all at once": {
			func(o *evaluate.Options) { o.Protocol = evaluate.Protocol{Cases: -1} },
			[]string{`split is ""`, "share is 0", "cases is -1"},
		},
	} {
		_, err := evaluate.Run(t.Context(), pool, options(c.change))
		for _, says := range c.says {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: error %v, want %q in it", name, err, says)
			}
		}
	}
}
