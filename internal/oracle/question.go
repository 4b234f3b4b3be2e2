package oracle

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// Question is what can be asked of recommend().
type Question struct {
	Asked         []string // unknown items and repeats count for nothing
	Boosted       bool     // similar items: affinity times n_j^SimilarExponent
	Measure       string
	MinSupport    int64
	MinConfidence float64
	Exclude       []string
	Strict        bool
	Limit         int
}

// Candidate is an item that may be recommended, with its sum over the asked items.
type Candidate struct {
	Item  string
	Total float64

	baskets     int64
	ingredients uint64
}

func (a Candidate) plus(value float64, ingredients uint64) Candidate {
	a.Total += value
	a.ingredients = scatter(a.ingredients + ingredients)
	return a
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
	candidates := map[string]Candidate{}
	for _, item := range asked {
		for _, one := range c.says(q, item) {
			if slices.Contains(asked, one.Item) {
				continue
			}
			sum, found := candidates[one.Item]
			if !found {
				sum = Candidate{Item: one.Item, baskets: one.baskets}
			}
			// Which asked item said it is an ingredient too: the same two values the other way round are added in another order.
			candidates[one.Item] = sum.plus(one.Total, scatter(one.ingredients+uint64(c.Items[item].BasketsRank)))
		}
	}
	ranked := slices.Collect(maps.Values(candidates))
	if q.Boosted && q.Measure == "affinity" {
		for i := range ranked {
			ranked[i].Total *= math.Pow(float64(ranked[i].baskets), c.Settings.SimilarExponent)
		}
	}
	slices.SortFunc(ranked, Candidate.compare)
	return ranked
}

// says ranks what one asked item says, pairs below a threshold and excluded items taken out first.
func (c *Counts) says(q Question, item string) []Candidate {
	said := make([]Candidate, 0)
	for other, p := range c.With(item) {
		confidence := float64(p.Orders) / float64(c.Items[item].Baskets)
		if p.Orders < q.MinSupport || confidence < q.MinConfidence || slices.Contains(q.Exclude, other) {
			continue
		}
		one := Candidate{Item: other, baskets: c.Items[other].Baskets}
		said = append(said, one.plus(c.Value(q.Measure, item, other, p), c.ingredients(q.Measure, item, other, p)))
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

// score maps a sum to [0, 1]: the mean over the asked items; of counts, the share of their baskets; of lifts, m / (1 + m) of the mean m.
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
	}
	return mean
}

// fill lists, most popular first, what may take the places that got leaves empty.
func (c *Counts) fill(q Question, got []string) []string {
	var items []string
	for _, name := range c.popular {
		if !slices.Contains(q.Asked, name) && !slices.Contains(q.Exclude, name) && !slices.Contains(got, name) {
			items = append(items, name)
		}
		if len(items) == q.Limit-len(got) {
			break
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
