package oracle

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// Question is a question to answer(), with the rules and the catalogue in force.
type Question struct {
	Seeds         []string // the seed items; unknown items and repeats are ignored
	Boosted       bool     // similar items: affinity times n_j^SimilarExponent
	Measure       string
	MinSupport    int64
	MinConfidence float64
	Exclude       []string
	Categories    []string // empty: all
	Days          int      // without seeds: popularity in the last days; 0 for all orders
	Strict        bool
	Limit         int

	Rules     []Rule
	Catalogue map[string]Attributes
}

// Candidate is an item that may be recommended, with the sum of its values over the seeds. For a popular item,
// Total is the popularity prior and baskets its number of orders.
type Candidate struct {
	Item  string
	Total float64

	popular     bool    // shares no orders with the seeds, or only pairs that are not kept
	gross       float64 // the sum before discounts; the error of Total is relative to it
	baskets     int64
	ingredients uint64
}

func (a Candidate) plus(value float64, ingredients uint64) Candidate {
	a.Total += value
	a.gross += value
	a.ingredients = scatter(a.ingredients + ingredients)
	return a
}

// less subtracts the share of the overlap, but never more than there is.
func (a Candidate) less(share float64, o overlap) Candidate {
	if share == 0 {
		return a
	}
	a.Total = max(a.gross-float64(share*o.value), 0)
	a.ingredients = scatter(a.ingredients + scatter(o.ingredients))
	return a
}

// nothing reports whether the overlap is certain to cancel the whole value.
func (a Candidate) nothing(share float64, o overlap) bool {
	return share > 0 && float64(share*o.value)-a.gross > Tolerance*a.gross
}

// near reports whether the sums are equal within Tolerance of their gross values.
func (a Candidate) near(b Candidate) bool {
	return math.Abs(a.Total-b.Total) <= Tolerance*max(a.gross, b.gross)
}

// compare is the tie rule: the larger sum, then more baskets, then the bytes of the name.
func (a Candidate) compare(b Candidate) int {
	return cmp.Or(cmp.Compare(b.Total, a.Total), a.compareTied(b))
}

func (a Candidate) compareTied(b Candidate) int {
	return cmp.Or(cmp.Compare(b.baskets, a.baskets), cmp.Compare(a.Item, b.Item))
}

// ties reports whether the sums are certain to be equal. Sums that are merely close may come out either way.
func (a Candidate) ties(b Candidate) bool {
	return a.Total == b.Total && a.ingredients == b.ingredients
}

// Candidates ranks every item that shares orders with the seeds.
func (c *Counts) Candidates(q Question) []Candidate {
	seeds := c.known(q.Seeds)
	share := c.discount(q, len(seeds))
	may := c.filter(q)
	candidates := map[string]Candidate{}
	for _, item := range seeds {
		var overlaps map[string]overlap
		if share > 0 {
			overlaps = c.overlapsOf(item)
		}
		for _, value := range c.valuesOf(q, item, may) {
			if slices.Contains(seeds, value.Item) {
				continue
			}
			sum, found := candidates[value.Item]
			if !found {
				sum = Candidate{Item: value.Item, baskets: value.baskets}
			}
			if o := overlaps[value.Item]; value.nothing(share, o) {
				sum.gross += value.gross
			} else {
				rest := value.less(share, o)
				gross := sum.gross + rest.gross
				// The seed is an ingredient too: the same values from other seeds are added in another order.
				sum = sum.plus(rest.Total, scatter(rest.ingredients+uint64(c.Items[item].BasketsRank)))
				sum.gross = gross
			}
			candidates[value.Item] = sum
		}
	}
	ranked := slices.Collect(maps.Values(candidates))
	if q.Boosted && q.Measure == "affinity" {
		for i := range ranked {
			boost := math.Pow(float64(ranked[i].baskets), c.Settings.SimilarExponent)
			ranked[i].Total *= boost
			ranked[i].gross *= boost
		}
	}
	if prior := c.prior(q, seeds); prior > 0 {
		for i, r := range ranked {
			ranked[i] = r.plus(prior*math.Pow(float64(r.baskets), 1-c.Settings.PopularityExponent), scatter(uint64(r.baskets)))
		}
	}
	slices.SortFunc(ranked, Candidate.compare)
	return ranked
}

// valuesOf ranks the items that share orders with one seed, except pairs below a threshold and items that may
// not be recommended.
func (c *Counts) valuesOf(q Question, item string, may func(string) bool) []Candidate {
	values := make([]Candidate, 0)
	for other, p := range c.With(item) {
		confidence := float64(p.Orders) / float64(c.Items[item].Baskets)
		if p.Orders < q.MinSupport || confidence < q.MinConfidence || !may(other) {
			continue
		}
		next := Candidate{Item: other, baskets: c.Items[other].Baskets}
		values = append(values,
			next.plus(c.Value(q.Measure, item, other, p), c.ingredients(q.Measure, item, other, p)))
	}
	slices.SortFunc(values, Candidate.compare)
	if kept := int(c.Settings.NeighboursKept); q.Measure == "affinity" && len(values) > kept {
		values = values[:kept]
	}
	return values
}

// known returns the known items, each once, in the order of BasketsRank.
func (c *Counts) known(names []string) []string {
	known := map[string]bool{}
	for _, name := range names {
		if _, found := c.Items[name]; found {
			known[name] = true
		}
	}
	return slices.SortedFunc(maps.Keys(known), func(a, b string) int {
		return cmp.Compare(c.Items[a].BasketsRank, c.Items[b].BasketsRank)
	})
}

// score maps a sum to [0, 1]: the mean over the seeds, at most 1; for count, the share of their baskets; for
// lift, m / (1 + m) of the mean m.
func (c *Counts) score(q Question, total float64) float64 {
	seeds := c.known(q.Seeds)
	mean := total / float64(len(seeds))
	switch q.Measure {
	case "count":
		baskets := int64(0)
		for _, item := range seeds {
			baskets += c.Items[item].Baskets
		}
		return total / float64(baskets)
	case "lift":
		return mean / (1 + mean)
	case "affinity":
		return min(mean, 1)
	}
	return mean
}

// fillers lists the popular items that may fill empty places, most popular first.
func (c *Counts) fillers(q Question) []string {
	may, seeds, popular := c.filter(q), c.known(q.Seeds), c.popular
	if len(seeds) == 0 && q.Days > 0 {
		_, recent := c.recent(q.Days)
		popular = slices.SortedFunc(maps.Keys(recent), func(a, b string) int {
			return cmp.Or(cmp.Compare(recent[b], recent[a]), cmp.Compare(c.Items[a].PopularityRank, c.Items[b].PopularityRank))
		})
	}
	paired := map[string]bool{}
	for _, r := range c.Candidates(q) {
		paired[r.Item] = true
	}
	var items []string
	for _, name := range popular {
		if may(name) && !slices.Contains(seeds, name) && !paired[name] {
			items = append(items, name)
		}
	}
	return items
}

// Evidence holds the statistics behind a recommendation.
type Evidence struct {
	With           string // the seed with the largest value
	OrdersTogether int64
	Confidence     float64
	Lift           float64

	value       float64
	rank        int64
	ingredients uint64
}

// evidence lists the seeds with the largest value for an item: several if their values are equal within
// Tolerance.
func (c *Counts) evidence(q Question, item string) []Evidence {
	var all []Evidence
	most := 0.0
	for _, with := range c.known(q.Seeds) {
		p, found := c.With(with)[item]
		if !found {
			continue
		}
		e := Evidence{
			With:           with,
			OrdersTogether: p.Orders,
			Confidence:     c.Value("confidence", with, item, p),
			Lift:           c.Value("lift", with, item, p),
			value:          c.Value(q.Measure, with, item, p),
			rank:           c.Items[with].BasketsRank,
			ingredients:    c.ingredients(q.Measure, with, item, p),
		}
		most = max(most, e.value)
		all = append(all, e)
	}
	return slices.DeleteFunc(all, func(e Evidence) bool { return e.value < most && !Near(e.value, most) })
}
