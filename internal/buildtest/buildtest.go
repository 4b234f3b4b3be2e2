// Package buildtest provides tests with comparisons of builds: it checks every row of a build against the
// oracle, and lists all rows so that builds can be compared with each other.
package buildtest

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/oracle"
)

// everything selects every row of a build exactly (text of float8 round-trips), including its totals in builds.
const everything = `
SELECT l.line FROM (
SELECT concat_ws(' | ', 'build', b.orders, b.order_lines, b.baskets, b.items, b.pairs, b.neighbours, b.basket_lines,
	b.chance_share, b.large_orders, b.newest_ordered_at, b.last_order_id) AS line
FROM builds AS b WHERE b.build_id = $1
UNION ALL
SELECT 'item ' || (to_jsonb(s) - 'build_id')::text FROM item_stats AS s WHERE s.build_id = $1
UNION ALL
SELECT 'pair ' || (to_jsonb(p) - 'build_id')::text FROM item_pairs AS p WHERE p.build_id = $1
UNION ALL
SELECT 'neighbour ' || (to_jsonb(n) - 'build_id')::text FROM item_neighbours AS n WHERE n.build_id = $1
UNION ALL
SELECT 'day ' || (to_jsonb(d) - 'build_id')::text FROM order_days AS d WHERE d.build_id = $1
UNION ALL
SELECT 'item day ' || (to_jsonb(d) - 'build_id')::text FROM item_days AS d WHERE d.build_id = $1
) AS l ORDER BY l.line COLLATE "C"`

// Rows returns every row of a build that could differ between builds of the same orders.
func Rows(t testing.TB, database db.DBTX, build int64) (rows []string) {
	t.Helper()
	var row string
	each(t, database, everything, build, []any{&row}, func() { rows = append(rows, row) })
	return rows
}

// pair is a row of item_pairs, seen from item_a.
type pair struct {
	other  int64
	orders int64
	weight float64
}

// neighbour is a row of item_neighbours.
type neighbour struct {
	ItemID, Rank, OtherID      int64
	Affinity, Step, Overlap    float64
	OtherBaskets, OtherRanking int64
}

// WantCounts compares every row of a build with the oracle.
func WantCounts(t testing.TB, database db.DBTX, built db.Build, want *oracle.Counts) {
	t.Helper()
	if got := oracle.Settings(builds.SettingsOf(built)); got != want.Settings {
		t.Errorf("build %d has settings %+v, want %+v", built.BuildID, got, want.Settings)
	}
	if built.Orders != want.Orders || built.OrderLines != want.Lines || built.Baskets != want.Baskets {
		t.Errorf("build %d counted %d orders, %d lines, %d baskets, want %d, %d, %d",
			built.BuildID, built.Orders, built.OrderLines, built.Baskets, want.Orders, want.Lines, want.Baskets)
	}
	if built.BasketLines != want.BasketLines() || built.ChanceShare != want.ChanceShare() {
		t.Errorf("build %d has %d lines in baskets, chance share %v, want %d, %v",
			built.BuildID, built.BasketLines, built.ChanceShare, want.BasketLines(), want.ChanceShare())
	}
	newest := built.NewestOrderedAt
	if (newest == nil) != want.Newest.IsZero() || newest != nil && !newest.Equal(want.Newest) {
		t.Errorf("build %d has its newest order at %v, want %v", built.BuildID, newest, want.Newest)
	}
	names := wantStats(t, database, built, want)
	wantDays(t, database, built, want)
	pairs := readPairs(t, database, built)
	neighbours := readNeighbours(t, database, built)
	var directed, kept int64
	for id, name := range names {
		with := want.With(name)
		ranked := want.Neighbours(name)
		directed += int64(len(with))
		kept += int64(min(len(ranked), int(want.Settings.NeighboursKept)))
		if err := comparePairs(names, pairs[id], with); err != nil {
			t.Fatalf("build %d, pairs of %q: %v", built.BuildID, name, err)
		}
		if err := compareNeighbours(names, name, neighbours[id], want); err != nil {
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

// wantStats compares item_stats and returns the names of the items by ID.
func wantStats(t testing.TB, database db.DBTX, built db.Build, want *oracle.Counts) map[int64]string {
	t.Helper()
	names := map[int64]string{}
	got := map[string]oracle.Item{}
	var id int64
	var name string
	var item oracle.Item
	each(t, database, `SELECT s.item_id, i.name, s.orders, s.baskets, s.popularity_rank, s.baskets_rank, s.mass
		FROM item_stats AS s JOIN items AS i USING (item_id) WHERE s.build_id = $1`,
		built.BuildID, []any{&id, &name, &item.Orders, &item.Baskets, &item.PopularityRank, &item.BasketsRank, &item.Mass},
		func() { names[id], got[name] = name, item })
	if len(got) != len(want.Items) {
		t.Fatalf("build %d has statistics of %d items, want %d", built.BuildID, len(got), len(want.Items))
	}
	for name, item := range want.Items {
		stored := got[name]
		if oracle.Near(stored.Mass, item.Mass) {
			stored.Mass = item.Mass
		}
		if stored != item {
			t.Fatalf("build %d, %q: %+v, want %+v", built.BuildID, name, stored, item)
		}
	}
	return names
}

// near is oracle.Near for overlaps, which are summed in integer units of 2^-58.
func near(got, want float64) bool {
	return oracle.Near(got, want) || math.Abs(got-want) <= 20*0x1p-58
}

// wantDays compares order_days and item_days.
func wantDays(t testing.TB, database db.DBTX, built db.Build, want *oracle.Counts) {
	t.Helper()
	orders, perItem := want.LastYear()
	got, gotPerItem := map[int64]int64{}, map[string]map[int64]int64{}
	var day, n int64
	var name string
	each(t, database, "SELECT day - date '1970-01-01', orders FROM order_days WHERE build_id = $1",
		built.BuildID, []any{&day, &n},
		func() { got[day] = n })
	each(t, database, `SELECT d.day - date '1970-01-01', i.name, d.orders
		FROM item_days AS d JOIN items AS i USING (item_id) WHERE d.build_id = $1`,
		built.BuildID, []any{&day, &name, &n}, func() {
			if gotPerItem[name] == nil {
				gotPerItem[name] = map[int64]int64{}
			}
			gotPerItem[name][day] = n
		})
	if diff := cmp.Diff(orders, got); diff != "" {
		t.Fatalf("build %d, orders by day (-want +got):\n%s", built.BuildID, diff)
	}
	if diff := cmp.Diff(perItem, gotPerItem); diff != "" {
		t.Fatalf("build %d, items by day (-want +got):\n%s", built.BuildID, diff)
	}
}

func readPairs(t testing.TB, database db.DBTX, built db.Build) map[int64][]pair {
	t.Helper()
	pairs := map[int64][]pair{}
	var a int64
	var p pair
	each(t, database, "SELECT item_a, item_b, orders_together, weight FROM item_pairs WHERE build_id = $1", built.BuildID,
		[]any{&a, &p.other, &p.orders, &p.weight}, func() { pairs[a] = append(pairs[a], p) })
	return pairs
}

func readNeighbours(t testing.TB, database db.DBTX, built db.Build) map[int64][]neighbour {
	t.Helper()
	neighbours := map[int64][]neighbour{}
	var n neighbour
	each(t, database, `SELECT item_id, neighbour_rank, other_id, affinity, step, overlap, other_baskets, other_baskets_rank
		FROM item_neighbours WHERE build_id = $1 ORDER BY item_id, neighbour_rank`, built.BuildID,
		[]any{&n.ItemID, &n.Rank, &n.OtherID, &n.Affinity, &n.Step, &n.Overlap, &n.OtherBaskets, &n.OtherRanking},
		func() { neighbours[n.ItemID] = append(neighbours[n.ItemID], n) })
	return neighbours
}

func each(t testing.TB, database db.DBTX, sql string, id int64, row []any, do func()) {
	t.Helper()
	rows, err := database.Query(t.Context(), sql, id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pgx.ForEachRow(rows, row, func() error { do(); return nil }); err != nil {
		t.Fatal(err)
	}
}

// comparePairs checks that every stored pair is in the oracle's map. The caller compares the total number of
// pairs, so none can be missing.
func comparePairs(names map[int64]string, got []pair, want map[string]oracle.Pair) error {
	seen := map[int64]bool{}
	for _, p := range got {
		w, found := want[names[p.other]]
		if !found || seen[p.other] || p.orders != w.Orders || !oracle.Near(p.weight, w.Weight) {
			return fmt.Errorf("with %q: %d orders of weight %v, want %d of %v",
				names[p.other], p.orders, p.weight, w.Orders, w.Weight)
		}
		seen[p.other] = true
	}
	return nil
}

func compareNeighbours(names map[int64]string, name string, got []neighbour, want *oracle.Counts) error {
	ranked := want.Neighbours(name)
	others := make([]string, len(got))
	for i, n := range got {
		others[i] = names[n.OtherID]
		item := want.Items[others[i]]
		place := slices.IndexFunc(ranked, func(c oracle.Candidate) bool { return c.Item == others[i] })
		if place < 0 {
			return fmt.Errorf("%q is not a neighbour", others[i])
		}
		if n.Rank != int64(i+1) || n.OtherBaskets != item.Baskets || n.OtherRanking != item.BasketsRank ||
			!oracle.Near(n.Affinity, ranked[place].Total) || math.IsNaN(n.Affinity) {
			return fmt.Errorf("place %d: %+v, want affinity %v and %+v", i+1, n, ranked[place].Total, item)
		}
		step, overlap := want.Step(name, others[i]), want.Overlap(name, others[i])
		if !oracle.Near(n.Step, step) || !near(n.Overlap, overlap) {
			return fmt.Errorf("place %d: %+v, want step %v and overlap %v", i+1, n, step, overlap)
		}
	}
	return oracle.CheckRanking(others, ranked, int(want.Settings.NeighboursKept))
}
