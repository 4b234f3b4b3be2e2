package recommend_test

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/oracle"
	"github.com/alsobought/alsobought/internal/recommend"
)

// counted counts from the order lines, without a build.
const counted = `
WITH lines AS (
    SELECT l.order_id, i.name FROM order_lines AS l JOIN items AS i USING (item_id) JOIN orders AS o USING (order_id)
WHERE NOT $4 OR o.ordered_at IS NOT NULL
), baskets AS (
    SELECT order_id FROM lines GROUP BY order_id HAVING count(*) BETWEEN 2 AND $3
), i AS (
    SELECT order_id FROM lines WHERE name = $1
), o AS (
    SELECT order_id FROM lines WHERE name = $2
)
SELECT (SELECT count(*) FROM i), (SELECT count(*) FROM o), (SELECT count(*) FROM baskets),
       (SELECT count(*) FROM i JOIN baskets USING (order_id)), (SELECT count(*) FROM o JOIN baskets USING (order_id)),
       (SELECT count(*) FROM i JOIN o USING (order_id) JOIN baskets USING (order_id))`

func TestExplain(t *testing.T) {
	t.Parallel()
	settings := builds.DefaultSettings()
	settings.MaxBasket, settings.NeighboursKept = 12, 5
	aged := settings
	aged.HalfLifeDays = 20
	for name, c := range map[string][]builds.Settings{
		"active build": {settings}, "older build": {settings, aged},
		"of a half-life": {aged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, oracle.Shapes()[3], 1, c...)
			s.explainAll(t, settings)
		})
	}
}

// explainAll asks the oldest build about many pairs.
func (s *scene) explainAll(t *testing.T, settings builds.Settings) {
	t.Helper()
	id := int64(0)
	if len(s.older) > 0 {
		id = 1
	}
	timed := s.of(id).counts.Settings.HalfLifeDays > 0
	names := slices.Sorted(maps.Keys(s.of(id).counts.Items))[:14]
	var met, kept, overlapping int
	for _, item := range names {
		for _, other := range names {
			if item == other {
				continue
			}
			got, err := s.Explain(t.Context(), item, other, id)
			if err != nil {
				t.Fatal(err)
			}
			var want recommend.Explanation
			err = s.pool.QueryRow(t.Context(), counted, item, other, settings.MaxBasket, timed).Scan(
				&want.ItemOrders, &want.OtherOrders, &want.Baskets, &want.ItemBaskets, &want.OtherBaskets, &want.OrdersTogether)
			if err != nil {
				t.Fatal(err)
			}
			if got.ItemOrders != want.ItemOrders || got.OtherOrders != want.OtherOrders || got.Baskets != want.Baskets ||
				got.ItemBaskets != want.ItemBaskets || got.OtherBaskets != want.OtherBaskets ||
				got.OrdersTogether != want.OrdersTogether {
				t.Fatalf("%q and %q:\n%+v\nwant\n%+v", item, other, got, want)
			}
			s.wantExplained(t, s.of(id), got)
			if got.Overlap > 0 {
				overlapping++
			}
			if got.OrdersTogether > 0 {
				met++
			}
			if got.NeighbourRank > 0 {
				kept++
			}
		}
	}
	if met == 0 || kept == 0 || kept == met || met == len(names)*(len(names)-1) || overlapping == 0 {
		t.Errorf("%d pairs met, %d are neighbours, %d overlap: the orders show nothing", met, kept, overlapping)
	}
}

// wantExplained compares every measure with the oracle.
func (s *scene) wantExplained(t *testing.T, v version, got recommend.Explanation) {
	t.Helper()
	counts, i, j := v.counts, v.counts.Items[got.Item], v.counts.Items[got.Other]
	p := counts.With(got.Item)[got.Other]
	value := func(measure string) float64 {
		if p.Orders == 0 {
			return 0
		}
		return counts.Value(measure, got.Item, got.Other, p)
	}
	for name, pair := range map[string][2]float64{
		"weight":      {got.Weight, p.Weight},
		"support":     {got.Support, float64(p.Orders) / float64(counts.Baskets)},
		"confidence":  {got.Confidence, value("confidence")},
		"lift":        {got.Lift, value("lift")},
		"cosine":      {got.Cosine, value("cosine")},
		"jaccard":     {got.Jaccard, value("jaccard")},
		"affinity":    {got.Affinity, value("affinity")},
		"reverse":     {got.ReverseConfidence, float64(p.Orders) / float64(max(j.Baskets, 1))},
		"item's mass": {got.ItemMass, i.Mass},
		"other mass":  {got.OtherMass, j.Mass},
		"factors":     {got.ShrinkFactor * got.Reach / got.PopularityDivisor, value("affinity")},
		"reach":       {got.Reach, p.Weight / max(i.Mass, 0x1p-38)},
		"divisor":     {got.PopularityDivisor, math.Pow(max(j.Mass, 1), counts.Settings.PopularityExponent)},
		"shrinkage":   {got.Shrinkage, counts.Settings.Shrinkage},
		"exponent":    {got.PopularityExponent, counts.Settings.PopularityExponent},
	} {
		if !oracle.Near(pair[0], pair[1]) {
			t.Fatalf("%q and %q: %s %v, want %v", got.Item, got.Other, name, pair[0], pair[1])
		}
	}
	rank, overlap := slices.IndexFunc(counts.Neighbours(got.Item),
		func(c oracle.Candidate) bool { return c.Item == got.Other })+1, 0.0
	if rank > int(counts.Settings.NeighboursKept) {
		rank = 0
	}
	if rank > 0 {
		overlap = counts.Overlap(got.Item, got.Other)
	}
	if got.NeighbourRank != int64(rank) || math.Abs(got.Overlap-overlap) > oracle.Tolerance*got.Affinity ||
		got.BuildID != v.built.BuildID || !got.BuiltAt.Equal(*v.built.BuiltAt) {
		t.Fatalf("%q and %q: %+v, want neighbour rank %d and overlap %v", got.Item, got.Other, got, rank, overlap)
	}
	if diff := gocmp.Diff(s.newest(counts, got.Item, got.Other), got.NewestOrders); diff != "" {
		t.Fatalf("%q and %q, newest orders (-want +got):\n%s", got.Item, got.Other, diff)
	}
}

// newest returns the ten newest counted orders with both items. Those without a time come last.
func (s *scene) newest(counts *oracle.Counts, item, other string) []recommend.OrderRef {
	both := []recommend.OrderRef{}
	window := time.Duration(counts.Settings.WindowDays) * 24 * time.Hour
	for id, items := range s.orders {
		if items[item] && items[other] && len(items) <= int(counts.Settings.MaxBasket) {
			ref := recommend.OrderRef{OrderID: id}
			at, known := s.times[id]
			if known {
				ref.OrderedAt = &at
			}
			if window > 0 && (!known || !at.After(counts.Newest.Add(-window))) {
				continue
			}
			both = append(both, ref)
		}
	}
	slices.SortFunc(both, func(a, b recommend.OrderRef) int {
		switch {
		case a.OrderedAt == nil && b.OrderedAt == nil:
			return cmp.Compare(a.OrderID, b.OrderID)
		case a.OrderedAt == nil:
			return 1
		case b.OrderedAt == nil:
			return -1
		}
		return cmp.Or(b.OrderedAt.Compare(*a.OrderedAt), cmp.Compare(a.OrderID, b.OrderID))
	})
	return both[:min(len(both), 10)]
}
