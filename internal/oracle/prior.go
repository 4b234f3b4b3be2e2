package oracle

import (
	"cmp"
	"math"
	"slices"
)

// BasketLines returns the number of lines of counted baskets.
func (c *Counts) BasketLines() int64 {
	lines := int64(0)
	for _, item := range c.Items {
		lines += item.Baskets
	}
	return lines
}

// ChanceShare returns how much of the co-occurrence is due to chance: the probability that two random lines
// name the same item, divided by the probability that two random partners of an item, from two of its baskets,
// are the same item. It is 1 if no partner occurs twice and 0 below thirty baskets, and is rounded to six
// digits.
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

// prior returns the weight of popularity for a basket, to be multiplied by an item's baskets to the power of 1
// - PopularityExponent. It is larger if the seeds are in fewer baskets, and 0 for similar items.
func (c *Counts) prior(q Question, seeds []string) float64 {
	if q.Measure != "affinity" || q.Boosted || len(seeds) == 0 {
		return 0
	}
	few := 0.0
	for _, item := range seeds {
		few += 1 / float64(c.Items[item].Baskets+1)
	}
	chance := c.ChanceShare()
	return c.Settings.PopularityPrior * chance * chance * chance / (1.2 - chance) /
		max(float64(c.BasketLines()), 1) * few / float64(len(seeds))
}

// eligible returns the candidates of an answer: the ranked items that share orders with the seeds, followed by
// popular items unless the question is strict. If the popularity prior is not 0, it also applies to items that
// share no orders with the seeds, and all are ranked together.
func (c *Counts) eligible(q Question) (ranked []Candidate, popular []string) {
	ranked = c.Candidates(q)
	if q.Strict {
		return ranked, nil
	}
	popular = c.fillers(q)
	prior := c.prior(q, c.known(q.Seeds))
	if prior == 0 {
		return ranked, popular
	}
	for _, name := range popular {
		orders := c.Items[name].Orders
		next := Candidate{Item: name, popular: true, baskets: orders}
		value := prior * math.Pow(float64(orders), 1-c.Settings.PopularityExponent)
		ranked = append(ranked, next.plus(value, scatter(scatter(uint64(orders)))))
	}
	slices.SortStableFunc(ranked, func(a, b Candidate) int { return cmp.Compare(b.Total, a.Total) })
	return ranked, nil
}
