package recommend_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/oracle"
	"github.com/alsobought/alsobought/internal/recommend"
)

// Answers from the stored neighbors equal those ranked in full, evidence included, however few neighbors are stored.
// Excluding an unknown item forces full ranking.
func TestKeptEqualsRanked(t *testing.T) {
	t.Parallel()
	for _, shape := range oracle.Shapes() {
		for _, kept := range []int32{2, 3, 5, 8} {
			t.Run(fmt.Sprintf("%s, %d kept", shape.Name, kept), func(t *testing.T) {
				t.Parallel()
				settings := builds.DefaultSettings()
				settings.NeighboursKept = kept
				s := newScene(t, shape, uint64(kept), settings)
				// Evidence beyond the stored neighbors is most likely better if the last stored one is in the basket
				// itself.
				last := map[string]string{}
				rows, err := s.pool.Query(t.Context(), `SELECT i.name, o.name FROM item_neighbours AS n
					JOIN items AS i ON i.item_id = n.item_id
					JOIN items AS o ON o.item_id = n.other_id WHERE n.neighbour_rank = $1`, kept)
				if err != nil {
					t.Fatal(err)
				}
				var item, other string
				_, err = pgx.ForEachRow(rows, []any{&item, &other}, func() error { last[item] = other; return nil })
				if err != nil {
					t.Fatal(err)
				}
				names := slices.Sorted(maps.Keys(s.counts.Items))
				rnd := random(uint64(kept))
				var baskets [][]string
				for _, name := range names {
					if a, b := last[name], last[last[name]]; a != "" && b != "" {
						baskets = append(baskets, []string{name, a}, []string{name, a, b},
							[]string{name, a, b, names[rnd.IntN(len(names))]})
					}
					baskets = append(baskets, []string{name, names[rnd.IntN(len(names))], names[rnd.IntN(len(names))]})
				}
				for _, basket := range baskets {
					limit := 1 + rnd.IntN(6)
					got, err := s.Ask(t.Context(), recommend.Basket(basket, recommend.Options{Limit: limit}))
					if err != nil {
						t.Fatal(err)
					}
					ranked := recommend.Options{Limit: limit, Exclude: []string{"nobody ever bought it"}}
					want, err := s.Ask(t.Context(), recommend.Basket(basket, ranked))
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
						t.Fatalf("%q, %d (-ranked +kept):\n%s", basket, limit, diff)
					}
				}
			})
		}
	}
}

// a stores b and d, which are in the basket, so c is only stored by b, though a is better evidence for c.
func TestKeptEvidenceMayBeElsewhere(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("order,item\n")
	n := 0
	order := func(times int, items ...string) {
		for range times {
			n++
			for _, item := range items {
				fmt.Fprintf(&text, "%d,%s\n", n, item)
			}
		}
	}
	order(10, "a", "b")
	order(10, "a", "d")
	order(6, "a", "c")
	order(40, "b", "c")
	for i := range 700 {
		order(1, "b", fmt.Sprintf("other %d", i))
	}
	s := &scene{pool: dbtest.New(t)}
	loadText(t, s.pool, text.String())
	settings := builds.DefaultSettings()
	settings.NeighboursKept, settings.PopularityPrior = 2, 0
	mustBuild(t, s.pool, settings)
	answer, err := recommend.New(s.pool).Ask(t.Context(),
		recommend.Basket([]string{"a", "b", "d"}, recommend.Options{Limit: 1}))
	if err != nil || len(answer.Recommendations) != 1 {
		t.Fatalf("%+v, %v", answer, err)
	}
	if got := answer.Recommendations[0]; got.ItemName != "c" || got.Reason != "bought together in 6 of 26 orders with a" {
		t.Errorf("%+v", got)
	}
}
