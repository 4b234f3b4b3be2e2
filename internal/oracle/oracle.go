// Package oracle is docs/scoring.md in plain Go maps, for tests: every statistic, measure and ranking, counted the naive way, and what an
// answer of the program may differ in from it. It asks no database and shares no code with what it checks.
package oracle

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// Settings are those of a build, field by field, so that one converts to the other.
type Settings struct {
	MaxBasket          int32
	NeighboursKept     int32
	Shrinkage          float64
	PopularityExponent float64
	SimilarExponent    float64
}

// Orders are sets of items by order id.
type Orders map[string]map[string]bool

// Add puts one line into its order. A repeat changes nothing.
func (o Orders) Add(order, item string) {
	if o[order] == nil {
		o[order] = map[string]bool{}
	}
	o[order][item] = true
}

// Item is what one item counts for.
type Item struct {
	Orders         int64 // orders that hold it
	Baskets        int64 // counted baskets that hold it: n
	PopularityRank int64 // by orders, then by the bytes of the name
	BasketsRank    int64 // by baskets, then by the bytes of the name: the tie rule of every ranking
}

// Pair is what two items share.
type Pair struct {
	Orders int64   // counted baskets that hold both: c
	Weight float64 // the sum over them of 1/(size - 1): w
	sizes  uint64  // a fingerprint of their sizes: equal sizes make equal weights in any arithmetic
}

// Counts are all statistics of some orders under some settings.
type Counts struct {
	Settings Settings
	Orders   int64
	Lines    int64
	Baskets  int64 // counted baskets: N
	Items    map[string]Item

	popular []string         // by PopularityRank
	baskets [][]string       // the counted ones, smallest first
	holding map[string][]int // by item, its places in baskets
}

// Count counts orders.
func Count(orders Orders, settings Settings) *Counts {
	c := &Counts{Settings: settings, Items: map[string]Item{}, holding: map[string][]int{}}
	for _, order := range orders {
		items := slices.Collect(maps.Keys(order))
		counted := len(items) >= 2 && len(items) <= int(settings.MaxBasket)
		c.Orders++
		c.Lines += int64(len(items))
		for _, name := range items {
			item := c.Items[name]
			item.Orders++
			if counted {
				item.Baskets++
			}
			c.Items[name] = item
		}
		if counted {
			c.Baskets++
			c.baskets = append(c.baskets, items)
		}
	}
	// Smallest first, so that equal sizes are summed to equal bits whatever order the map gave.
	slices.SortFunc(c.baskets, func(a, b []string) int { return cmp.Compare(len(a), len(b)) })
	for place, basket := range c.baskets {
		for _, name := range basket {
			c.holding[name] = append(c.holding[name], place)
		}
	}
	c.rank()
	return c
}

func (c *Counts) rank() {
	by := func(count func(Item) int64) []string {
		return slices.SortedFunc(maps.Keys(c.Items), func(a, b string) int {
			return cmp.Or(cmp.Compare(count(c.Items[b]), count(c.Items[a])), cmp.Compare(a, b))
		})
	}
	c.popular = by(func(i Item) int64 { return i.Orders })
	for n, name := range c.popular {
		item := c.Items[name]
		item.PopularityRank = int64(n + 1)
		c.Items[name] = item
	}
	for n, name := range by(func(i Item) int64 { return i.Baskets }) {
		item := c.Items[name]
		item.BasketsRank = int64(n + 1)
		c.Items[name] = item
	}
}

// With returns what an item shares with every item that it shares a counted basket with.
func (c *Counts) With(item string) map[string]Pair {
	pairs := map[string]Pair{}
	for _, place := range c.holding[item] {
		basket := c.baskets[place]
		for _, other := range basket {
			if other == item {
				continue
			}
			p := pairs[other]
			p.Orders++
			p.Weight += 1 / float64(len(basket)-1)
			p.sizes += scatter(uint64(len(basket)))
			pairs[other] = p
		}
	}
	return pairs
}

// Value is what item says for other under a measure. Conversions keep the compiler from fusing operations, which would change the last bit.
func (c *Counts) Value(measure, item, other string, p Pair) float64 {
	together, all := float64(p.Orders), float64(c.Baskets)
	ni, nj := float64(c.Items[item].Baskets), float64(c.Items[other].Baskets)
	switch measure {
	case "affinity":
		return together / (together + c.Settings.Shrinkage) * p.Weight / float64(ni*math.Pow(nj, c.Settings.PopularityExponent))
	case "count":
		return together
	case "confidence":
		return together / ni
	case "cosine":
		return together / math.Sqrt(float64(ni*nj))
	case "jaccard":
		return together / (ni + nj - together)
	case "lift":
		return float64(together*all) / float64(ni*nj)
	}
	panic("no such measure: " + measure)
}

// Neighbours ranks all others of an item by affinity; a build keeps the first Settings.NeighboursKept of them.
func (c *Counts) Neighbours(item string) []Candidate {
	candidates := make([]Candidate, 0)
	for other, p := range c.With(item) {
		one := Candidate{Item: other, baskets: c.Items[other].Baskets}
		candidates = append(candidates, one.plus(c.Value("affinity", item, other, p), c.ingredients("affinity", item, other, p)))
	}
	slices.SortFunc(candidates, Candidate.compare)
	return candidates
}

// ingredients is a fingerprint of all that goes into Value: where it is equal, values are equal in any arithmetic.
func (c *Counts) ingredients(measure, item, other string, p Pair) uint64 {
	if measure != "affinity" {
		// Divisions and roots of whole numbers have the same bits in every program.
		return math.Float64bits(c.Value(measure, item, other, p))
	}
	f := scatter(scatter(uint64(p.Orders)) + p.sizes)
	f = scatter(f + uint64(c.Items[item].Baskets))
	if c.Settings.PopularityExponent != 0 {
		f = scatter(f + uint64(c.Items[other].Baskets))
	}
	return f
}

// scatter is the finish of splitmix64: every bit of x moves every bit of the result.
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
