// Package oracle is an independent, naive implementation of docs/scoring.md in plain Go maps, for tests. It
// counts every statistic, measure and ranking, and checks answers of the program against them within rounding
// errors. It uses no database and shares no code with what it checks.
package oracle

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sync"
	"time"
)

// Settings has the fields of builds.Settings, so that one converts to the other.
type Settings struct {
	MaxBasket          int32
	NeighboursKept     int32
	Shrinkage          float64
	PopularityExponent float64
	SimilarExponent    float64
	OverlapDiscount    float64
	PopularityPrior    float64
	WindowDays         int32
	HalfLifeDays       float64
}

// Orders maps order IDs to sets of items.
type Orders map[string]map[string]bool

// Times maps order IDs to times. An order may have none.
type Times map[string]time.Time

// Add adds a line to its order. Repeats change nothing.
func (o Orders) Add(order, item string) {
	if o[order] == nil {
		o[order] = map[string]bool{}
	}
	o[order][item] = true
}

// Item holds the statistics of one item.
type Item struct {
	Orders         int64   // orders that hold it
	Baskets        int64   // counted baskets that hold it: n
	PopularityRank int64   // by orders, then by the bytes of the name
	BasketsRank    int64   // by baskets, then by the bytes of the name: the tie rule of every ranking
	Mass           float64 // sum of the decayed weights of its baskets: m
}

// Pair holds the statistics of two items.
type Pair struct {
	Orders int64   // counted baskets that hold both: c
	Weight float64 // sum over these baskets of 1/(size - 1), decayed by age: w
	sizes  uint64  // fingerprint of their sizes and ages: if equal, so are the weights, in any arithmetic
}

// one is the weight of an order that does not decay. Weights are integers in these units: docs/architecture.md
// says why. Orders do not decay further after the oldest half-lives.
const (
	one    = 1 << 38
	oldest = 28
)

// basket is a counted basket.
type basket struct {
	items []string
	units int64 // weight after decay, at most one
}

// Counts holds all statistics of some orders under some settings.
type Counts struct {
	Settings Settings
	Orders   int64
	Lines    int64
	Baskets  int64 // counted baskets: N
	Items    map[string]Item
	Newest   time.Time // time of the newest order; zero if none has a time

	popular []string         // by PopularityRank
	baskets []basket         // counted baskets
	holding map[string][]int // by item, its indexes in baskets
	days    map[int64][][]string

	mu                sync.Mutex
	neighbours        map[string][]Candidate
	stepsOf, overlaps map[string]map[string]overlap
	chance            float64
}

// Count counts orders without times.
func Count(orders Orders, settings Settings) *Counts { return CountTimed(orders, nil, settings) }

// CountTimed counts orders with times.
func CountTimed(orders Orders, times Times, settings Settings) *Counts {
	c := &Counts{
		Settings: settings, Items: map[string]Item{}, holding: map[string][]int{}, days: map[int64][][]string{},
		neighbours: map[string][]Candidate{},
		stepsOf:    map[string]map[string]overlap{}, overlaps: map[string]map[string]overlap{},
	}
	for id := range orders {
		if at, known := times[id]; known && at.After(c.Newest) {
			c.Newest = at
		}
	}
	masses := map[string]int64{}
	for id, order := range orders {
		at, known := times[id]
		units := c.units(at, known)
		if units == 0 {
			continue
		}
		items := slices.Collect(maps.Keys(order))
		counted := len(items) >= 2 && len(items) <= int(settings.MaxBasket)
		c.Orders++
		c.Lines += int64(len(items))
		if known {
			c.days[dayOf(at)] = append(c.days[dayOf(at)], items)
		}
		for _, name := range items {
			item := c.Items[name]
			item.Orders++
			if counted {
				item.Baskets++
				masses[name] += units
				c.holding[name] = append(c.holding[name], len(c.baskets))
			}
			c.Items[name] = item
		}
		if counted {
			c.Baskets++
			c.baskets = append(c.baskets, basket{items, units})
		}
	}
	for name, item := range c.Items {
		item.Mass = float64(masses[name]) / one
		c.Items[name] = item
	}
	c.rank()
	return c
}

// units returns the decayed weight of an order, 0 if it does not count at all.
func (c *Counts) units(at time.Time, known bool) int64 {
	if !known {
		if c.Settings.WindowDays > 0 || c.Settings.HalfLifeDays > 0 {
			return 0
		}
		return one
	}
	age := c.Newest.Sub(at).Hours() / 24
	switch {
	case c.Settings.WindowDays > 0 && age >= float64(c.Settings.WindowDays):
		return 0
	case c.Settings.HalfLifeDays > 0:
		return int64(math.RoundToEven(one * math.Pow(0.5, min(age/c.Settings.HalfLifeDays, oldest))))
	}
	return one
}

// dayOf numbers the days in UTC.
func dayOf(at time.Time) int64 { return at.Unix() / (24 * 60 * 60) }

// recent counts the orders of the last days before the newest one, in total and per item.
func (c *Counts) recent(days int) (all int64, perItem map[string]int64) {
	perItem = map[string]int64{}
	for day, orders := range c.days {
		if day <= dayOf(c.Newest)-int64(days) {
			continue
		}
		all += int64(len(orders))
		for _, items := range orders {
			for _, name := range items {
				perItem[name]++
			}
		}
	}
	return all, perItem
}

// LastYear counts the orders of each of the last 365 days, in total and per item. Days are numbered from 1970.
func (c *Counts) LastYear() (orders map[int64]int64, perItem map[string]map[int64]int64) {
	orders, perItem = map[int64]int64{}, map[string]map[int64]int64{}
	for day, all := range c.days {
		if day <= dayOf(c.Newest)-365 {
			continue
		}
		orders[day] = int64(len(all))
		for _, items := range all {
			for _, name := range items {
				if perItem[name] == nil {
					perItem[name] = map[int64]int64{}
				}
				perItem[name][day]++
			}
		}
	}
	return orders, perItem
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

// With returns the statistics of an item with every item that it shares a counted basket with.
func (c *Counts) With(item string) map[string]Pair {
	pairs, units := map[string]Pair{}, map[string]int64{}
	for _, place := range c.holding[item] {
		b := c.baskets[place]
		for _, other := range b.items {
			if other == item {
				continue
			}
			p := pairs[other]
			p.Orders++
			p.sizes += scatter(scatter(uint64(len(b.items))) + uint64(b.units))
			units[other] += b.units / int64(len(b.items)-1)
			pairs[other] = p
		}
	}
	for other, p := range pairs {
		p.Weight = float64(units[other]) / one
		pairs[other] = p
	}
	return pairs
}

// Value returns the measure of other given item. Conversions keep the compiler from fusing operations, which
// would change the last bit.
func (c *Counts) Value(measure, item, other string, p Pair) float64 {
	together, all := float64(p.Orders), float64(c.Baskets)
	ni, nj := float64(c.Items[item].Baskets), float64(c.Items[other].Baskets)
	switch measure {
	case "affinity":
		mi, mj := c.Items[item].Mass, max(c.Items[other].Mass, 1)
		return together / (together + c.Settings.Shrinkage) * p.Weight /
			float64(mi*math.Pow(mj, c.Settings.PopularityExponent))
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

// ingredients returns a fingerprint of everything that goes into Value: if it is equal, so are the values, in
// any arithmetic.
func (c *Counts) ingredients(measure, item, other string, p Pair) uint64 {
	if measure != "affinity" {
		// Divisions and square roots of integers are exact to the bit in every program.
		return math.Float64bits(c.Value(measure, item, other, p))
	}
	f := scatter(scatter(uint64(p.Orders)) + p.sizes)
	f = scatter(f + math.Float64bits(c.Items[item].Mass))
	if c.Settings.PopularityExponent != 0 {
		f = scatter(f + math.Float64bits(max(c.Items[other].Mass, 1)))
	}
	return f
}

// scatter is the finalizer of splitmix64: every bit of x affects every bit of the result.
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
