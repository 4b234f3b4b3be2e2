package build_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/build"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/oracle"
)

func TestRandomOrders(t *testing.T) {
	t.Parallel()
	for _, shape := range oracle.Shapes() {
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("%s/seed %d", shape.Name, seed), func(t *testing.T) {
				t.Parallel()
				pool := dbtest.New(t)
				orders := oracle.Random(random(seed), shape)
				loadText(t, pool, orders.CSV(random(seed)))
				rnd := random(seed)
				for _, settings := range []oracle.Settings{
					oracle.Settings(build.DefaultSettings()), oracle.RandomSettings(rnd), oracle.RandomSettings(rnd), oracle.RandomSettings(rnd),
				} {
					opts := defaults()
					opts.Settings = build.Settings(settings)
					built := mustBuild(t, pool, opts)
					wantCounts(t, pool, built, oracle.Count(orders, settings))
				}
				wantHealthy(t, pool)
			})
		}
	}
}

// pair is one row of item_pairs, as its item_a sees it.
type pair struct {
	other  int64
	orders int64
	weight float64
}

// neighbour is one row of item_neighbours.
type neighbour struct {
	ItemID, Rank, OtherID      int64
	Affinity                   float64
	OtherBaskets, OtherRanking int64
}

// wantCounts compares every row of a build with the oracle.
func wantCounts(t *testing.T, pool *pgxpool.Pool, built db.Build, want *oracle.Counts) {
	t.Helper()
	if got := oracle.Settings(build.SettingsOf(built)); got != want.Settings {
		t.Errorf("build %d has settings %+v, want %+v", built.BuildID, got, want.Settings)
	}
	if built.Orders != want.Orders || built.OrderLines != want.Lines || built.Baskets != want.Baskets {
		t.Errorf("build %d counted %d orders, %d lines, %d baskets, want %d, %d, %d",
			built.BuildID, built.Orders, built.OrderLines, built.Baskets, want.Orders, want.Lines, want.Baskets)
	}
	names := wantStats(t, pool, built, want)
	pairs := readPairs(t, pool, built)
	neighbours := readNeighbours(t, pool, built)
	var directed, kept int64
	for id, name := range names {
		with := want.With(name)
		ranked := want.Neighbours(name)
		directed += int64(len(with))
		kept += int64(min(len(ranked), int(want.Settings.NeighboursKept)))
		if err := comparePairs(names, pairs[id], with); err != nil {
			t.Fatalf("build %d, pairs of %q: %v", built.BuildID, name, err)
		}
		if err := compareNeighbours(names, neighbours[id], ranked, want); err != nil {
			t.Fatalf("build %d, neighbours of %q: %v", built.BuildID, name, err)
		}
	}
	if built.Pairs != directed/2 || built.Neighbours != kept || built.Items != int64(len(names)) {
		t.Errorf("build %d counted %d items, %d pairs, %d neighbours, want %d, %d, %d",
			built.BuildID, built.Items, built.Pairs, built.Neighbours, len(names), directed/2, kept)
	}
	var stored int64
	for _, p := range pairs {
		stored += int64(len(p))
	}
	if stored != directed/2 {
		t.Errorf("build %d holds %d pairs, want %d", built.BuildID, stored, directed/2)
	}
}

// wantStats compares item_stats and returns the names of the items.
func wantStats(t *testing.T, pool *pgxpool.Pool, built db.Build, want *oracle.Counts) map[int64]string {
	t.Helper()
	names := map[int64]string{}
	got := map[string]oracle.Item{}
	var id int64
	var name string
	var item oracle.Item
	each(t, pool, `SELECT s.item_id, i.name, s.orders, s.baskets, s.popularity_rank, s.baskets_rank
		FROM item_stats AS s JOIN items AS i USING (item_id) WHERE s.build_id = $1`,
		built.BuildID, []any{&id, &name, &item.Orders, &item.Baskets, &item.PopularityRank, &item.BasketsRank},
		func() { names[id], got[name] = name, item })
	if len(got) != len(want.Items) {
		t.Fatalf("build %d has statistics of %d items, want %d", built.BuildID, len(got), len(want.Items))
	}
	for name, item := range want.Items {
		if got[name] != item {
			t.Fatalf("build %d, %q: %+v, want %+v", built.BuildID, name, got[name], item)
		}
	}
	return names
}

func readPairs(t *testing.T, pool *pgxpool.Pool, built db.Build) map[int64][]pair {
	t.Helper()
	pairs := map[int64][]pair{}
	var a int64
	var p pair
	each(t, pool, "SELECT item_a, item_b, orders_together, weight FROM item_pairs WHERE build_id = $1", built.BuildID,
		[]any{&a, &p.other, &p.orders, &p.weight}, func() { pairs[a] = append(pairs[a], p) })
	return pairs
}

func readNeighbours(t *testing.T, pool *pgxpool.Pool, built db.Build) map[int64][]neighbour {
	t.Helper()
	neighbours := map[int64][]neighbour{}
	var n neighbour
	each(t, pool, `SELECT item_id, neighbour_rank, other_id, affinity, other_baskets, other_baskets_rank
		FROM item_neighbours WHERE build_id = $1 ORDER BY item_id, neighbour_rank`, built.BuildID,
		[]any{&n.ItemID, &n.Rank, &n.OtherID, &n.Affinity, &n.OtherBaskets, &n.OtherRanking},
		func() { neighbours[n.ItemID] = append(neighbours[n.ItemID], n) })
	return neighbours
}

func each(t *testing.T, pool *pgxpool.Pool, sql string, id int64, row []any, do func()) {
	t.Helper()
	rows, err := pool.Query(t.Context(), sql, id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pgx.ForEachRow(rows, row, func() error { do(); return nil }); err != nil {
		t.Fatal(err)
	}
}

// comparePairs finds every stored pair in the oracle's. That none is missing is known by the number of all of them.
func comparePairs(names map[int64]string, got []pair, want map[string]oracle.Pair) error {
	seen := map[int64]bool{}
	for _, p := range got {
		w, found := want[names[p.other]]
		if !found || seen[p.other] || p.orders != w.Orders || !oracle.Near(p.weight, w.Weight) {
			return fmt.Errorf("with %q: %d orders of weight %v, want %d of %v", names[p.other], p.orders, p.weight, w.Orders, w.Weight)
		}
		seen[p.other] = true
	}
	return nil
}

func compareNeighbours(names map[int64]string, got []neighbour, ranked []oracle.Candidate, want *oracle.Counts) error {
	others := make([]string, len(got))
	for i, n := range got {
		others[i] = names[n.OtherID]
		item := want.Items[others[i]]
		place := slices.IndexFunc(ranked, func(c oracle.Candidate) bool { return c.Item == others[i] })
		if place < 0 {
			return fmt.Errorf("%q is none", others[i])
		}
		if n.Rank != int64(i+1) || n.OtherBaskets != item.Baskets || n.OtherRanking != item.BasketsRank ||
			!oracle.Near(n.Affinity, ranked[place].Total) || math.IsNaN(n.Affinity) {
			return fmt.Errorf("place %d: %+v, want affinity %v and %+v", i+1, n, ranked[place].Total, item)
		}
	}
	return oracle.CheckRanking(others, ranked, int(want.Settings.NeighboursKept))
}
