package builds_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/oracle"
)

type (
	month struct {
		Month            string
		Orders, Attached int64
		Rate             float64
	}
	bundle struct {
		A, B, C                   string
		Together                  int64
		Support, Confidence, Lift float64
	}
	alone struct {
		Item        string
		Orders      int64
		First, Last *time.Time
	}
	substitute struct {
		A, B           string
		Together       int64
		Expected, Lift float64
		Shared         int64
		Category       *string
	}
)

// TestReports compares the reports on random orders with counts in plain Go. Reports on orders follow them at
// once; those on a build do not change with later orders.
func TestReports(t *testing.T) {
	t.Parallel()
	for seed, change := range map[uint64]func(*builds.Settings){
		1: func(*builds.Settings) {},
		2: func(s *builds.Settings) { s.MaxBasket = 5 },
		3: func(s *builds.Settings) { s.WindowDays = 30 },
		4: func(s *builds.Settings) { s.HalfLifeDays = 7 },
	} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			s := newShop(t, seed)
			loadText(t, s.pool, "order_id,item_name\nalone-1,hermit\nalone-2,hermit\nalone-3,recluse\n")
			_, err := s.pool.Exec(t.Context(), `INSERT INTO item_attributes (item_id, category, source, changed_by)
				SELECT i.item_id, 'evens', 'items.csv', 'tester' FROM items AS i WHERE i.name ~ '[02468]$'`)
			if err != nil {
				t.Fatal(err)
			}
			opts := defaults()
			change(&opts.Settings)
			settings := oracle.Settings(opts.Settings)
			built := mustBuild(t, s.pool, opts)
			s.read()
			of, times := s.orders, s.times
			s.wantReports(built, of, times, settings)
			s.wantFunnel(built)
			s.load()
			s.deleteOrder()
			s.byHand()
			s.deleteNewest()
			s.read()
			s.wantReports(built, of, times, settings)
			s.wantFunnel(built)
			newer := mustBuild(t, s.pool, opts)
			s.wantReports(built, of, times, settings)
			s.wantReports(newer, s.orders, s.times, settings)
			s.wantFunnel(newer)
		})
	}
}

// read reads the current lines of the orders.
func (s *shop) read() {
	s.t.Helper()
	s.orders, s.times = oracle.Orders{}, oracle.Times{}
	rows, err := s.pool.Query(s.t.Context(), `SELECT o.external_id, i.name, o.ordered_at FROM order_lines AS l
		JOIN orders AS o ON o.order_id = l.order_id JOIN items AS i ON i.item_id = l.item_id`)
	if err != nil {
		s.t.Fatal(err)
	}
	var order, item string
	var at *time.Time
	_, err = pgx.ForEachRow(rows, []any{&order, &item, &at}, func() error {
		s.orders.Add(order, item)
		if at != nil {
			s.times[order] = *at
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// Invalid parameters are refused in one line that names them; without a build, and for an unknown item, there
// are no rows.
func TestReportsRefuse(t *testing.T) {
	t.Parallel()
	s := &shop{t: t, pool: dbtest.New(t)}
	for _, question := range []string{
		"attach_rate()", "items_bought_alone()", "bundles()", "substitutes()",
		"load_baskets()", "attach_rate('{}', '{}')",
	} {
		if got := reported[struct{ One int }](s, "SELECT 1 FROM reporting."+question); len(got) > 0 {
			t.Errorf("%s of nothing has %d rows", question, len(got))
		}
	}
	loadText(t, s.pool, "order_id,item_name\n1,bread\n1,butter\n")
	for question, want := range map[string]string{
		"attach_rate('{bread,jam}')":              "no item is called jam: names are case-sensitive",
		"attach_rate(others => '{Bread}')":        "no item is called Bread: names are case-sensitive",
		"attach_rate('{bread,NULL}')":             "no item is called NULL: names are case-sensitive",
		"bundles('jam')":                          "no item is called jam: names are case-sensitive",
		"bundles(min_support => 1)":               "min_support is 1, it must be 2 to 1e+18",
		"bundles(build => 7)":                     "build 7 is not kept: see reporting.builds",
		"substitutes('jam')":                      "no item is called jam: names are case-sensitive",
		"substitutes(popular => 5001)":            "popular is 5001, it must be 2 to 5000",
		"substitutes(max_lift => 'NaN')":          "max_lift is NaN, it must be 0 to 1",
		"substitutes(min_expected => 0)":          "min_expected is 0, it must be 0.001 to 1e+18",
		"substitutes(min_shared_neighbours => 0)": "min_shared_neighbours is 0, it must be 1 to 20",
		"items_bought_alone(0)":                   "lim is 0, it must be 1 to 100000",
		"items_bought_alone(lim => NULL)":         "lim is NULL, it must be 1 to 100000",
		"items_bought_alone(min_orders => 0)":     "min_orders is 0, it must be 1 to 1e+18",
	} {
		_, err := s.pool.Exec(t.Context(), "SELECT 1 FROM reporting."+question)
		if refused := new(pgconn.PgError); !errors.As(err, &refused) || refused.Message != want || refused.Code != "22023" {
			t.Errorf("%s: %v, want %s", question, err, want)
		}
	}
}

// wantReports compares the reports with the current orders and with those that the build saw.
func (s *shop) wantReports(built db.Build, of oracle.Orders, times oracle.Times, settings oracle.Settings) {
	s.t.Helper()
	names := map[string]bool{}
	for _, items := range s.orders {
		maps.Copy(names, items)
	}
	sorted := slices.Sorted(maps.Keys(names))
	main, others := sorted[:len(sorted)/3], sorted[len(sorted)/4:len(sorted)/2] // some are in both
	for _, sets := range [][2][]string{
		{nil, nil},
		{main, nil},
		{nil, others},
		{main, others},
		{main[:1], main[:1]},
		{main, {}},
	} {
		got := reported[month](s,
			`SELECT coalesce(month::text, ''), orders, attached_orders, attach_rate FROM reporting.attach_rate($1, $2)`,
			sets[0], sets[1])
		s.same(fmt.Sprintf("attach rate of %q and %q", sets[0], sets[1]), s.attachRates(sets[0], sets[1]), got)
	}
	s.same("items bought alone", s.boughtAlone(), reported[alone](s, "SELECT item_name, orders, first_ordered_at, "+
		"last_ordered_at FROM reporting.items_bought_alone(1000)"))

	counts := oracle.CountTimed(of, times, settings)
	all := bundlesOf(counts, of, times, 2)
	s.same("bundles", all, reported[bundle](s, `SELECT item_a, item_b, item_c, orders_together, support, confidence, lift
		FROM reporting.bundles(lim => 100000, min_support => 2, build => $1)`, built.BuildID))
	if len(all) > 0 {
		item := all[0].B
		holding := slices.DeleteFunc(slices.Clone(all),
			func(b bundle) bool { return b.A != item && b.B != item && b.C != item })
		s.same("bundles with "+item, holding[:min(3, len(holding))], reported[bundle](s, `SELECT item_a, item_b, item_c,
			orders_together,
			support, confidence, lift FROM reporting.bundles($1, lim => 3, min_support => 2,
			build => $2)`, " "+item, built.BuildID))
	} else if settings.MaxBasket > 5 && settings.WindowDays == 0 {
		s.t.Error("there are no bundles to compare")
	}
	apart := substitutesOf(counts)
	if len(apart) < 10 {
		s.t.Errorf("there are only %d substitutes to compare", len(apart))
	}
	s.same("substitutes", apart, reported[substitute](s, `SELECT item_a, item_b, orders_together, expected_together, lift,
		shared_neighbours, shared_category FROM reporting.substitutes(lim => 1000, max_lift => 0.8, min_expected => 0.5,
		min_shared_neighbours => 2,
		build => $1)`, built.BuildID))
}

// same compares rows. Sums of floats may differ in their last bits, and so may the order of rows that differ
// only by them.
func (s *shop) same(what string, want, got any) {
	s.t.Helper()
	near := gocmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b)) })
	if diff := gocmp.Diff(want, got, near, cmpopts.EquateEmpty()); diff != "" {
		s.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// reported returns the rows of a query by a reader of reports.
func reported[T any](s *shop, sql string, args ...any) []T {
	s.t.Helper()
	var list []T
	err := pgx.BeginFunc(s.t.Context(), s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(s.t.Context(), "SET LOCAL ROLE alsobought_reporting"); err != nil {
			return err
		}
		rows, err := tx.Query(s.t.Context(), sql, args...)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[T])
		return err
	})
	if err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return list
}

func (s *shop) attachRates(main, others []string) []month {
	per := map[string]month{}
	for id, items := range s.orders {
		holds, attached := false, false
		for a := range items {
			if main == nil || slices.Contains(main, a) {
				holds = true
				for b := range items {
					attached = attached || b != a && (others == nil || slices.Contains(others, b))
				}
			}
		}
		if !holds {
			continue
		}
		name := ""
		if at, known := s.times[id]; known {
			name = at.UTC().Format("2006-01-") + "01"
		}
		m := per[name]
		m.Month = name
		m.Orders++
		if attached {
			m.Attached++
		}
		m.Rate = float64(m.Attached) / float64(m.Orders)
		per[name] = m
	}
	return slices.SortedFunc(maps.Values(per), func(a, b month) int {
		return cmp.Or(cmp.Compare(len(b.Month), len(a.Month)), cmp.Compare(a.Month, b.Month))
	})
}

func (s *shop) boughtAlone() []alone {
	per, accompanied := map[string]alone{}, map[string]bool{}
	for id, items := range s.orders {
		for item := range items {
			a := per[item]
			a.Item = item
			a.Orders++
			if at, known := s.times[id]; known {
				if a.First == nil || at.Before(*a.First) {
					a.First = &at
				}
				if a.Last == nil || at.After(*a.Last) {
					a.Last = &at
				}
			}
			per[item] = a
			accompanied[item] = accompanied[item] || len(items) > 1
		}
	}
	maps.DeleteFunc(per, func(item string, _ alone) bool { return accompanied[item] })
	return slices.SortedFunc(maps.Values(per), func(a, b alone) int {
		return cmp.Or(cmp.Compare(b.Orders, a.Orders), cmp.Compare(a.Item, b.Item))
	})
}

// bundlesOf counts all triples of all counted baskets.
func bundlesOf(c *oracle.Counts, of oracle.Orders, times oracle.Times, least int64) []bundle {
	together := map[[3]string]int64{}
	for id, set := range of {
		at, known := times[id]
		old := c.Settings.WindowDays > 0 && (!known || !at.After(c.Newest.AddDate(0, 0, -int(c.Settings.WindowDays))))
		if old || c.Settings.HalfLifeDays > 0 && !known || len(set) > int(c.Settings.MaxBasket) {
			continue
		}
		items := slices.Sorted(maps.Keys(set))
		for i, a := range items {
			for j, b := range items[i+1:] {
				for _, third := range items[i+j+2:] {
					together[[3]string{a, b, third}]++
				}
			}
		}
	}
	var list []bundle
	n := float64(c.Baskets)
	for t, orders := range together {
		if orders < least {
			continue
		}
		x, y, z := c.Items[t[0]].Baskets, c.Items[t[1]].Baskets, c.Items[t[2]].Baskets
		pair := max(c.With(t[0])[t[1]].Orders, c.With(t[0])[t[2]].Orders, c.With(t[1])[t[2]].Orders)
		list = append(list, bundle{
			t[0], t[1], t[2], orders, float64(orders) / n, float64(orders) / float64(pair),
			float64(orders) * n * n / (float64(x) * float64(y) * float64(z)),
		})
	}
	slices.SortFunc(list, func(a, b bundle) int {
		return cmp.Or(cmp.Compare(b.Lift, a.Lift), cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B), cmp.Compare(a.C, b.C))
	})
	return list
}

func substitutesOf(c *oracle.Counts) []substitute {
	closest := func(item string) map[string]bool {
		near := map[string]bool{}
		for _, n := range c.Neighbours(item)[:min(20, len(c.Neighbours(item)))] {
			near[n.Item] = true
		}
		return near
	}
	even := func(item string) bool { return strings.ContainsAny(item[len(item)-1:], "02468") }
	var list []substitute
	for a, x := range c.Items {
		for b, y := range c.Items {
			expected := float64(x.Baskets) * float64(y.Baskets) / float64(c.Baskets)
			together := c.With(a)[b].Orders
			if a >= b || expected < 0.5 || float64(together) > 0.8*expected {
				continue
			}
			shared, near := int64(0), closest(b)
			for n := range closest(a) {
				if near[n] {
					shared++
				}
			}
			var category *string
			if even(a) && even(b) {
				category = new("evens")
			}
			if shared > 1 || category != nil {
				list = append(list, substitute{a, b, together, expected, float64(together) / expected, shared, category})
			}
		}
	}
	slices.SortFunc(list, func(a, b substitute) int {
		return cmp.Or(
			cmp.Compare(b.Expected-float64(b.Together), a.Expected-float64(a.Together)),
			cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B))
	})
	return list
}

// wantFunnel wants every order once in the funnel of one load, and as many baskets as the build counted of the
// remaining orders.
func (s *shop) wantFunnel(built db.Build) {
	s.t.Helper()
	var odd, orders, old, notBuilt, baskets int64
	err := s.pool.QueryRow(s.t.Context(), `
		SELECT count(*) FILTER (WHERE rows_read <> rows_rejected + rows_duplicate + rows_loaded
		OR orders <> one_item_orders + large_orders + orders_outside_window + orders_not_built + baskets),
		sum(orders), sum(orders_outside_window), sum(orders_not_built), sum(baskets) FROM reporting.load_funnel`).
		Scan(&odd, &orders, &old, &notBuilt, &baskets)
	if err != nil {
		s.t.Fatal(err)
	}
	if odd > 0 || orders != int64(len(s.orders)) {
		s.t.Errorf("%d loads do not add up; %d orders, want %d", odd, orders, len(s.orders))
	}
	if notBuilt == 0 && (baskets != built.Baskets || orders-old != built.Orders) {
		s.t.Errorf("%d baskets of %d orders, the build has %d of %d", baskets, orders-old, built.Baskets, built.Orders)
	}
}
