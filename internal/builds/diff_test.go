package builds_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/oracle"
)

// twoBuilds loads two files and builds, loads a third, reverts the first, and builds with other settings. It
// returns the oracle's counts for both.
func twoBuilds(
	t *testing.T, pool *pgxpool.Pool, shape oracle.Shape, seed uint64, settings [2]oracle.Settings,
) (before, after *oracle.Counts) {
	t.Helper()
	rnd := random(seed)
	parts := [3]oracle.Orders{}
	for i := range parts {
		parts[i] = oracle.Orders{}
		for id, items := range oracle.Random(rnd, shape) {
			parts[i][fmt.Sprintf("%d/%s", i, id)] = items
		}
	}
	both := func(a, b oracle.Orders) oracle.Orders {
		all := maps.Clone(a)
		maps.Copy(all, b)
		return all
	}
	loadText(t, pool, parts[0].CSV(rnd))
	loadText(t, pool, parts[1].CSV(rnd))
	mustBuild(t, pool, withSettings(settings[0]))
	loadText(t, pool, parts[2].CSV(rnd))
	if _, err := load.Revert(t.Context(), pool, 1, "test"); err != nil {
		t.Fatal(err)
	}
	mustBuild(t, pool, withSettings(settings[1]))
	return oracle.Count(both(parts[0], parts[1]), settings[0]), oracle.Count(both(parts[1], parts[2]), settings[1])
}

// drawSettings draws the settings of affinity, but not of time: the random orders have no times.
func drawSettings(rnd *rand.Rand) oracle.Settings {
	s := oracle.RandomSettings(rnd)
	s.OverlapDiscount, s.PopularityPrior, s.WindowDays, s.HalfLifeDays = 0, 0, 0, 0
	return s
}

func withSettings(s oracle.Settings) builds.Options {
	opts := defaults()
	opts.Settings = builds.Settings(s)
	return opts
}

func TestCompareRandomOrders(t *testing.T) {
	t.Parallel()
	for _, shape := range oracle.Shapes() {
		for seed := range uint64(2) {
			t.Run(fmt.Sprintf("%s/seed %d", shape.Name, seed), func(t *testing.T) {
				t.Parallel()
				pool := dbtest.New(t)
				rnd := random(seed)
				settings := [2]oracle.Settings{drawSettings(rnd), drawSettings(rnd)}
				if seed == 0 {
					settings[1] = settings[0]
				}
				before, after := twoBuilds(t, pool, shape, seed, settings)
				for _, limit := range []int32{1, 7, 1000} {
					wantDiff(t, pool, 1, 2, limit, before, after)
					wantDiff(t, pool, 2, 1, limit, after, before)
				}
			})
		}
	}
}

func wantDiff(t *testing.T, pool *pgxpool.Pool, idBefore, idAfter int64, limit int32, before, after *oracle.Counts) {
	t.Helper()
	got, err := builds.Compare(t.Context(), pool, idBefore, idAfter, limit)
	if err != nil {
		t.Fatal(err)
	}
	old, young := pairsOf(before), pairsOf(after)
	appeared, vanished := missing(young, old), missing(old, young)
	want := builds.Diff{
		Before: builds.Counted{
			BuildID: idBefore, Orders: before.Orders, Baskets: before.Baskets,
			Items: int64(len(before.Items)), Pairs: int64(len(old)),
		},
		After: builds.Counted{
			BuildID: idAfter, Orders: after.Orders, Baskets: after.Baskets, Items: int64(len(after.Items)),
			Pairs: int64(len(young)),
		},
		ItemsAppeared: missingItems(after, before),
		ItemsVanished: missingItems(before, after),
		PairsAppeared: int64(len(appeared)),
		PairsVanished: int64(len(vanished)),
		Appeared:      appeared[:min(len(appeared), int(limit))],
		Vanished:      vanished[:min(len(vanished), int(limit))],
		Settings:      got.Settings,
		Moved:         got.Moved,
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("builds %d and %d, at most %d (-want +got):\n%s", idBefore, idAfter, limit, diff)
	}
	if (len(got.Settings) == 0) != (before.Settings == after.Settings) {
		t.Errorf("settings %+v of %+v and %+v", got.Settings, before.Settings, after.Settings)
	}
	if err := checkMoves(got.Moved, int(limit), before, after); err != nil {
		t.Errorf("builds %d and %d, at most %d: %v", idBefore, idAfter, limit, err)
	}
}

// pairsOf returns all pairs, items in order of name, with their orders together.
func pairsOf(c *oracle.Counts) map[[2]string]int64 {
	pairs := map[[2]string]int64{}
	for item := range c.Items {
		for other, p := range c.With(item) {
			if item < other {
				pairs[[2]string{item, other}] = p.Orders
			}
		}
	}
	return pairs
}

func missing(from, in map[[2]string]int64) []builds.PairOfOneBuild {
	pairs := []builds.PairOfOneBuild{}
	for pair, orders := range from {
		if _, found := in[pair]; !found {
			pairs = append(pairs, builds.PairOfOneBuild{ItemA: pair[0], ItemB: pair[1], OrdersTogether: orders})
		}
	}
	slices.SortFunc(pairs, func(a, b builds.PairOfOneBuild) int {
		return cmp.Or(cmp.Compare(b.OrdersTogether, a.OrdersTogether), cmp.Compare(a.ItemA, b.ItemA),
			cmp.Compare(a.ItemB, b.ItemB))
	})
	return pairs
}

func missingItems(from, in *oracle.Counts) (items int64) {
	for item := range from.Items {
		if _, found := in.Items[item]; !found {
			items++
		}
	}
	return items
}

// checkMoves compares with every pair of both builds. Changes that are equal within rounding may come in either
// order.
func checkMoves(got []builds.Move, limit int, before, after *oracle.Counts) error {
	changes := map[[2]string]float64{}
	for item := range before.Items {
		young := after.With(item)
		for other, p := range before.With(item) {
			if q, found := young[other]; found {
				changes[[2]string{item, other}] = math.Abs(after.Value("affinity", item, other,
					q) - before.Value("affinity", item, other, p))
			}
		}
	}
	const rounding = 1e-9 // affinities are at most 1, and weights are summed in small units
	last := math.Inf(1)
	for i, m := range got {
		change, found := changes[[2]string{m.Item, m.Other}]
		if !found {
			return fmt.Errorf("%+v is not in both, or there twice", m)
		}
		delete(changes, [2]string{m.Item, m.Other})
		now := math.Abs(m.AffinityAfter - m.AffinityBefore)
		if math.Abs(now-change) > rounding || now == 0 || now > last {
			return fmt.Errorf("%+v changed by %v, want %v, after %v", m, now, change, last)
		}
		if i > 0 && now == last && cmp.Or(cmp.Compare(got[i-1].Item, m.Item), cmp.Compare(got[i-1].Other, m.Other)) >= 0 {
			return fmt.Errorf("%+v ties with %+v and has the smaller name", m, got[i-1])
		}
		last = now
		if err := errors.Join(checkSide(before, m.Item, m.Other, m.AffinityBefore, m.RankBefore, m.OrdersBefore),
			checkSide(after, m.Item, m.Other, m.AffinityAfter, m.RankAfter, m.OrdersAfter)); err != nil {
			return fmt.Errorf("%+v: %w", m, err)
		}
	}
	if len(got) > limit {
		return fmt.Errorf("%d moves", len(got))
	}
	for pair, change := range changes {
		if change > rounding && (len(got) < limit || change > last+rounding) {
			return fmt.Errorf("%q is left out, which changed by %v", pair, change)
		}
	}
	return nil
}

func checkSide(c *oracle.Counts, item, other string, affinity float64, rank, orders int64) error {
	p := c.With(item)[other]
	ranked := c.Neighbours(item)
	kept := min(len(ranked), int(c.Settings.NeighboursKept))
	value := c.Value("affinity", item, other, p)
	switch {
	case p.Orders != orders || !oracle.Near(value, affinity):
		return fmt.Errorf("want %d orders together, affinity %v", p.Orders, value)
	case rank > int64(kept) || rank == 0 && kept < len(ranked) && value > ranked[kept].Total &&
		!oracle.Near(value, ranked[kept].Total),
		rank == 0 && kept == len(ranked), rank > 0 && !oracle.Near(ranked[rank-1].Total, value):
		return fmt.Errorf("rank %d of %d kept", rank, kept)
	}
	return nil
}

// TestCompareEqual: builds of equal orders have no differences, whatever the IDs of the items.
func TestCompareEqual(t *testing.T) {
	t.Parallel()
	pool, _ := small(t, 3)
	mustBuild(t, pool, defaults())
	mustBuild(t, pool, defaults())
	got, err := builds.Compare(t.Context(), pool, 1, 2, 20)
	if err != nil {
		t.Fatal(err)
	}
	got.Before, got.After = builds.Counted{}, builds.Counted{}
	empty := builds.Diff{
		Settings: []builds.SettingChange{}, Appeared: []builds.PairOfOneBuild{},
		Vanished: []builds.PairOfOneBuild{}, Moved: []builds.Move{},
	}
	if diff := gocmp.Diff(empty, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestCompareWhateverIDs loads the same orders with their lines in different orders: the answers are the same
// bytes.
func TestCompareWhateverIDs(t *testing.T) {
	t.Parallel()
	first, more := oracle.Random(random(4), oracle.Shapes()[1]), oracle.Orders{}
	for id, items := range oracle.Random(random(5), oracle.Shapes()[0]) {
		more["more "+id] = items
	}
	var diffs []builds.Diff
	for seed := range uint64(2) {
		pool := dbtest.New(t)
		loadText(t, pool, first.CSV(random(seed)))
		mustBuild(t, pool, defaults())
		loadText(t, pool, more.CSV(rand.New(rand.NewPCG(seed, 1))))
		mustBuild(t, pool, defaults())
		diff, err := builds.Compare(t.Context(), pool, 1, 2, 1000)
		if err != nil {
			t.Fatal(err)
		}
		diffs = append(diffs, diff)
	}
	for _, d := range diffs[1:] {
		if diff := gocmp.Diff(diffs[0], d); diff != "" {
			t.Errorf("(-one order of lines +another):\n%s", diff)
		}
	}
}

func TestCompareNotKept(t *testing.T) {
	t.Parallel()
	pool, _ := small(t, 3)
	opts := defaults()
	opts.Keep = 1
	for range 3 {
		mustBuild(t, pool, opts)
	}
	startBuild(t, pool)
	for name, pair := range map[string][2]int64{
		"pruned": {1, 3}, "pruned, the other way": {3, 1}, "running": {2, 4}, "never was": {2, 99},
		"zero": {0, 2}, "negative": {-1, 2},
	} {
		if _, err := builds.Compare(t.Context(), pool, pair[0], pair[1], 20); !errors.Is(err, builds.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := builds.Compare(t.Context(), pool, 2, 3, 20); err != nil {
		t.Error(err)
	}
}
