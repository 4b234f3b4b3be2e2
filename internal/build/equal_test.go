package build_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/oracle"
)

// results is every row of the active build by names, bit for bit: text of float8 is exact.
const results = `
SELECT l.line FROM (
SELECT concat_ws(' | ', 'item', i.name, s.orders, s.baskets, s.popularity_rank, s.baskets_rank) AS line
FROM item_stats AS s JOIN items AS i USING (item_id) JOIN builds AS b USING (build_id) WHERE b.active
UNION ALL
SELECT concat_ws(' | ', 'pair', least(x.name, y.name), greatest(x.name, y.name), p.orders_together, p.weight)
FROM item_pairs AS p JOIN items AS x ON x.item_id = p.item_a JOIN items AS y ON y.item_id = p.item_b JOIN builds AS b USING (build_id) WHERE b.active
UNION ALL
SELECT concat_ws(' | ', 'neighbour', x.name, n.neighbour_rank, y.name, n.affinity, n.other_baskets, n.other_baskets_rank)
FROM item_neighbours AS n JOIN items AS x USING (item_id) JOIN items AS y ON y.item_id = n.other_id JOIN builds AS b USING (build_id) WHERE b.active
UNION ALL
SELECT concat_ws(' | ', 'answer to', t.items::text, r.item_name, r.similarity_score, r.source, r.orders_together, r.confidence, r.lift)
FROM (SELECT array_agg(i.name ORDER BY i.name) AS items FROM items AS i GROUP BY length(i.name), ascii(right(i.name, 1)) % 4) AS t,
     reporting.basket_recommendations(t.items, 100) AS r
) AS l ORDER BY l.line COLLATE "C"`

// TestEqualOrdersMakeEqualBytes loads the same orders in one piece, in another order, and in many loads: ids differ, results do not.
func TestEqualOrdersMakeEqualBytes(t *testing.T) {
	t.Parallel()
	for _, shape := range oracle.Shapes() {
		t.Run(shape.Name, func(t *testing.T) {
			t.Parallel()
			orders := oracle.Random(random(12), shape)
			whole := dbtest.New(t)
			loadText(t, whole, orders.CSV(random(13)))
			mustBuild(t, whole, defaults())
			want := lines(t, whole)
			if len(want) < len(orders)/10 {
				t.Fatalf("%d lines of results", len(want))
			}

			shuffled := dbtest.New(t)
			loadText(t, shuffled, orders.CSV(random(14)))
			mustBuild(t, shuffled, defaults())
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
				loadText(t, pieces, part.CSV(rnd))
			}
			mustBuild(t, pieces, defaults())
			if diff := cmp.Diff(want, lines(t, pieces)); diff != "" {
				t.Errorf("in pieces (-want +got):\n%s", diff)
			}
		})
	}
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
