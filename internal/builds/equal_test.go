package builds_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/oracle"
)

// results selects every row of the active build by name, exactly: text of float8 round-trips.
const results = `
SELECT l.line FROM (
SELECT concat_ws(' | ', 'item', i.name, s.orders, s.baskets, s.popularity_rank, s.baskets_rank, s.mass) AS line
FROM item_stats AS s JOIN items AS i USING (item_id) JOIN builds AS b USING (build_id) WHERE b.active
UNION ALL
SELECT concat_ws(' | ', 'pair', least(x.name, y.name), greatest(x.name, y.name), p.orders_together, p.weight)
FROM item_pairs AS p JOIN items AS x ON x.item_id = p.item_a JOIN items AS y ON y.item_id = p.item_b
JOIN builds AS b USING (build_id) WHERE b.active
UNION ALL
SELECT concat_ws(' | ', 'neighbour', x.name, n.neighbour_rank, y.name, n.affinity, n.other_baskets,
n.other_baskets_rank, n.step, n.overlap)
FROM item_neighbours AS n JOIN items AS x USING (item_id) JOIN items AS y ON y.item_id = n.other_id
JOIN builds AS b USING (build_id) WHERE b.active
UNION ALL
SELECT concat_ws(' | ', 'day', d.day, d.orders) FROM order_days AS d JOIN builds AS b USING (build_id) WHERE b.active
UNION ALL
SELECT concat_ws(' | ', 'item on a day', d.day, i.name, d.orders)
FROM item_days AS d JOIN items AS i USING (item_id) JOIN builds AS b USING (build_id) WHERE b.active
UNION ALL
SELECT concat_ws(' | ', 'answer to', t.items::text, r.item_name, r.similarity_score, r.source, r.orders_together,
r.confidence, r.lift)
FROM (SELECT array_agg(i.name ORDER BY i.name) AS items FROM items AS i GROUP BY length(i.name), ascii(right(i.name,
1)) % 4) AS t,
     reporting.basket_recommendations(t.items, 100) AS r
) AS l ORDER BY l.line COLLATE "C"`

// TestEqualOrdersMakeEqualBytes loads the same orders in one piece, shuffled, and in many loads: IDs differ,
// results do not, nor does the session's time zone matter.
func TestEqualOrdersMakeEqualBytes(t *testing.T) {
	t.Parallel()
	aged := defaults()
	aged.Settings.WindowDays, aged.Settings.HalfLifeDays = 30, 9.5
	for _, shape := range oracle.Shapes() {
		for name, opts := range map[string]builds.Options{"of all orders": defaults(), "in a window": aged} {
			t.Run(shape.Name+" "+name, func(t *testing.T) {
				t.Parallel()
				orders := oracle.Random(random(12), shape)
				times := oracle.RandomTimes(random(12), orders)
				whole := dbtest.New(t)
				loadText(t, whole, orders.TimedCSV(random(13), times))
				mustBuild(t, whole, opts)
				want := lines(t, whole)
				if len(want) < len(orders)/10 {
					t.Fatalf("%d lines of results", len(want))
				}

				shuffled := elsewhere(t)
				loadText(t, shuffled, orders.TimedCSV(random(14), times))
				mustBuild(t, shuffled, opts)
				if diff := cmp.Diff(want, lines(t, shuffled)); diff != "" {
					t.Errorf("shuffled (-want +got):\n%s", diff)
				}

				pieces := dbtest.New(t)
				ids := slices.Sorted(maps.Keys(orders))
				rnd := random(15)
				rnd.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
				for piece := range slices.Chunk(ids, len(ids)/8+1) {
					part := oracle.Orders{}
					for _, id := range piece {
						part[id] = orders[id]
					}
					loadText(t, pieces, part.TimedCSV(rnd, times))
				}
				mustBuild(t, pieces, opts)
				if diff := cmp.Diff(want, lines(t, pieces)); diff != "" {
					t.Errorf("in pieces (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// elsewhere sets the time zone of sessions to one with a clock change in the last window of oracle.RandomTimes.
func elsewhere(t *testing.T) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(dbtest.NewURL(t))
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.RuntimeParams["timezone"] = "Europe/Berlin"
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func lines(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), results)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return got
}
