package oracle

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// Question is what can be asked of answer(), and what is in force when it is.
type Question struct {
	Asked         []string // unknown items and repeats count for nothing
	Boosted       bool     // similar items: affinity times n_j^SimilarExponent
	Measure       string
	MinSupport    int64
	MinConfidence float64
	Exclude       []string
	Categories    []string // none: all
	Days          int      // nothing asked: popularity of the last days; 0 for that of all orders
	Strict        bool
	Limit         int

	Rules     []Rule
	Catalogue map[string]Attributes
}

// Candidate is an item that may be recommended, with its sum over the asked items. That of a popular item is what popularity says, and its baskets
// are its orders.
type Candidate struct {
	Item  string
	Total float64

	popular     bool    // it shares no orders with them, or none that are kept
	said        float64 // the sum before anything was taken off: what Total is exact to a share of
	baskets     int64
	ingredients uint64
}

func (a Candidate) plus(value float64, ingredients uint64) Candidate {
	a.Total += value
	a.said += value
	a.ingredients = scatter(a.ingredients + ingredients)
	return a
}

// less takes off what was said by way of others, and never more than there is.
func (a Candidate) less(share float64, o overlap) Candidate {
	if share == 0 {
		return a
	}
	a.Total = max(a.said-float64(share*o.value), 0)
	a.ingredients = scatter(a.ingredients + scatter(o.ingredients))
	return a
}

// nothing reports whether all was taken off beyond doubt.
func (a Candidate) nothing(share float64, o overlap) bool {
	return share > 0 && float64(share*o.value)-a.said > Tolerance*a.said
}

// near reports whether both have the same sum within Tolerance of what it was made of.
func (a Candidate) near(b Candidate) bool {
	return math.Abs(a.Total-b.Total) <= Tolerance*max(a.said, b.said)
}

// compare is the one tie rule: the larger sum, then more baskets, then the name's bytes.
func (a Candidate) compare(b Candidate) int {
	return cmp.Or(cmp.Compare(b.Total, a.Total), a.compareTied(b))
}

func (a Candidate) compareTied(b Candidate) int {
	return cmp.Or(cmp.Compare(b.baskets, a.baskets), cmp.Compare(a.Item, b.Item))
}

// ties reports whether both have the same sum beyond doubt. Sums that are merely close may come out either way.
func (a Candidate) ties(b Candidate) bool {
	return a.Total == b.Total && a.ingredients == b.ingredients
}

// Candidates ranks every item that shares orders with what is asked, however many that are.
func (c *Counts) Candidates(q Question) []Candidate {
	asked := c.known(q.Asked)
	share := c.discount(q, len(asked))
	may := c.filter(q)
	candidates := map[string]Candidate{}
	for _, item := range asked {
		var overlaps map[string]overlap
		if share > 0 {
			overlaps = c.overlapsOf(item)
		}
		for _, says := range c.says(q, item, may) {
			if slices.Contains(asked, says.Item) {
				continue
			}
			sum, found := candidates[says.Item]
			if !found {
				sum = Candidate{Item: says.Item, baskets: says.baskets}
			}
			if o := overlaps[says.Item]; says.nothing(share, o) {
				sum.said += says.said
			} else {
				rest := says.less(share, o)
				said := sum.said + rest.said
				// Which asked item said it is an ingredient too: the same two values the other way round are added in another order.
				sum = sum.plus(rest.Total, scatter(rest.ingredients+uint64(c.Items[item].BasketsRank)))
				sum.said = said
			}
			candidates[says.Item] = sum
		}
	}
	ranked := slices.Collect(maps.Values(candidates))
	if q.Boosted && q.Measure == "affinity" {
		for i := range ranked {
			boost := math.Pow(float64(ranked[i].baskets), c.Settings.SimilarExponent)
			ranked[i].Total *= boost
			ranked[i].said *= boost
		}
	}
	if prior := c.prior(q, asked); prior > 0 {
		for i, r := range ranked {
			ranked[i] = r.plus(prior*math.Pow(float64(r.baskets), 1-c.Settings.PopularityExponent), scatter(uint64(r.baskets)))
		}
	}
	slices.SortFunc(ranked, Candidate.compare)
	return ranked
}

// says ranks what one asked item says, pairs below a threshold and what may not be recommended taken out first.
func (c *Counts) says(q Question, item string, may func(string) bool) []Candidate {
	said := make([]Candidate, 0)
	for other, p := range c.With(item) {
		confidence := float64(p.Orders) / float64(c.Items[item].Baskets)
		if p.Orders < q.MinSupport || confidence < q.MinConfidence || !may(other) {
			continue
		}
		next := Candidate{Item: other, baskets: c.Items[other].Baskets}
		said = append(said, next.plus(c.Value(q.Measure, item, other, p), c.ingredients(q.Measure, item, other, p)))
	}
	slices.SortFunc(said, Candidate.compare)
	if kept := int(c.Settings.NeighboursKept); q.Measure == "affinity" && len(said) > kept {
		said = said[:kept]
	}
	return said
}

// known returns the items of some order, each once, in the order of BasketsRank.
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

// score maps a sum to [0, 1]: the mean over the asked items, at most 1; of counts, the share of their baskets; of lifts, m / (1 + m) of the
// mean m.
func (c *Counts) score(q Question, total float64) float64 {
	asked := c.known(q.Asked)
	mean := total / float64(len(asked))
	switch q.Measure {
	case "count":
		baskets := int64(0)
		for _, item := range asked {
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

// fillers lists, most popular first, what may take places that nothing else takes.
func (c *Counts) fillers(q Question) []string {
	may, asked, popular := c.filter(q), c.known(q.Asked), c.popular
	if len(asked) == 0 && q.Days > 0 {
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
		if may(name) && !slices.Contains(asked, name) && !paired[name] {
			items = append(items, name)
		}
	}
	return items
}

// Evidence is what stands behind a recommendation.
type Evidence struct {
	With           string // the asked item that says most
	OrdersTogether int64
	Confidence     float64
	Lift           float64

	value       float64
	rank        int64
	ingredients uint64
}

// evidence lists the asked items that say most for an item: more than one where they say as good as the same.
func (c *Counts) evidence(q Question, item string) []Evidence {
	var all []Evidence
	most := 0.0
	for _, with := range c.known(q.Asked) {
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
