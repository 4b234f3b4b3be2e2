package oracle

import (
	"cmp"
	"math"
	"slices"
)

// BasketLines are the lines of counted baskets.
func (c *Counts) BasketLines() int64 {
	lines := int64(0)
	for _, item := range c.Items {
		lines += item.Baskets
	}
	return lines
}

// ChanceShare is how much of what shares baskets does so by chance: the chance that two random lines name one item, as a share of the chance
// that two random partners of an item, out of two of its baskets, are one item. It is 1 when no partner was met twice, 0 below thirty
// baskets, and has six digits.
func (c *Counts) ChanceShare() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chance > 0 || c.Baskets < 30 {
		return c.chance
	}
	met, chances, lines, squares := 0.0, 0.0, 0.0, 0.0
	for name, item := range c.Items {
		n := float64(item.Baskets)
		lines += n
		squares += n * (n - 1)
		if item.Baskets < 2 {
			continue
		}
		twice, same, own := 0.0, 0.0, 0.0
		for _, p := range c.With(name) {
			twice += p.Weight * p.Weight
		}
		for _, place := range c.holding[name] {
			b := c.baskets[place]
			share := float64(b.units) / one
			same += share * float64(b.units/int64(len(b.items)-1)) / one
			own += share * share
		}
		met += (twice - same) / item.Mass
		chances += (item.Mass*item.Mass - own) / item.Mass
	}
	c.chance = 1
	if met > 1e-9 && chances > 0 {
		c.chance = math.Round(min(squares/(lines*lines)/(met/chances), 1)*1e6) / 1e6
	}
	return c.chance
}

// prior is what popularity says to a basket for each of an item's baskets to the power of 1 - PopularityExponent: the more, the fewer baskets the
// asked items are in, and nothing of similar items.
func (c *Counts) prior(q Question, asked []string) float64 {
	if q.Measure != "affinity" || q.Boosted || len(asked) == 0 {
		return 0
	}
	few := 0.0
	for _, item := range asked {
		few += 1 / float64(c.Items[item].Baskets+1)
	}
	chance := c.ChanceShare()
	return c.Settings.PopularityPrior * chance * chance * chance / (1.2 - chance) / max(float64(c.BasketLines()), 1) * few / float64(len(asked))
}

// standing is who may be in the answer: ranked what shares orders with the asked items, and behind it what is popular, unless the question is
// strict. Where popularity says something to the basket, it speaks for what shares nothing, too, and all are ranked together.
func (c *Counts) standing(q Question) (ranked []Candidate, popular []string) {
	ranked = c.Candidates(q)
	if q.Strict {
		return ranked, nil
	}
	popular = c.fillers(q)
	prior := c.prior(q, c.known(q.Asked))
	if prior == 0 {
		return ranked, popular
	}
	for _, name := range popular {
		orders := c.Items[name].Orders
		next := Candidate{Item: name, popular: true, baskets: orders}
		ranked = append(ranked, next.plus(prior*math.Pow(float64(orders), 1-c.Settings.PopularityExponent), scatter(scatter(uint64(orders)))))
	}
	slices.SortStableFunc(ranked, func(a, b Candidate) int { return cmp.Compare(b.Total, a.Total) })
	return ranked, nil
}
