package oracle

import "math"

// BasketLines are the lines of counted baskets.
func (c *Counts) BasketLines() int64 {
	lines := int64(0)
	for _, item := range c.Items {
		lines += item.Baskets
	}
	return lines
}

// ChanceShare is how much of what shares baskets does so by chance: the chance that two random lines name one item, as a share of the chance
// that two random partners of an item, out of two of its baskets, are one item. It is 1 when no partner was met twice, 0 below a hundred
// baskets, and has six digits.
func (c *Counts) ChanceShare() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chance > 0 || c.Baskets < 100 {
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
	return c.Settings.PopularityPrior * math.Pow(c.ChanceShare(), 3) / max(float64(c.BasketLines()), 1) * few / float64(len(asked))
}
