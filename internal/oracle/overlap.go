package oracle

import "slices"

// What an item says of another by way of its closest neighbours is counted with the first twenty, those with which it shares six orders or
// more. With fifteen orders together half of a step is believed.
const (
	closest  = 20
	fewest   = 6
	believed = 15 * 15
)

// overlap is what one item says of another by way of others.
type overlap struct {
	value       float64
	ingredients uint64
}

// Neighbours ranks all others of an item by affinity; a build keeps the first Settings.NeighboursKept of them. The list is not to be changed.
func (c *Counts) Neighbours(item string) []Candidate {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ranked(item)
}

func (c *Counts) ranked(item string) []Candidate {
	if known, found := c.neighbours[item]; found {
		return known
	}
	candidates := make([]Candidate, 0)
	for other, p := range c.With(item) {
		next := Candidate{Item: other, baskets: c.Items[other].Baskets}
		candidates = append(candidates, next.plus(c.Value("affinity", item, other, p), c.ingredients("affinity", item, other, p)))
	}
	slices.SortFunc(candidates, Candidate.compare)
	c.neighbours[item] = candidates
	return candidates
}

func (c *Counts) kept(item string) []Candidate {
	all := c.ranked(item)
	return all[:min(len(all), int(c.Settings.NeighboursKept))]
}

// Step is how an item leads to one of its closest neighbours: its weight with it as a share of the weights with all of them, the less the
// fewer orders are behind it. To others no step leads.
func (c *Counts) Step(item, other string) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.steps(item)[other].value
}

func (c *Counts) steps(item string) map[string]overlap {
	if known, found := c.led[item]; found {
		return known
	}
	first := c.kept(item)
	first = first[:min(len(first), closest)]
	with := c.With(item)
	sum, all := 0.0, uint64(0)
	for _, n := range first {
		sum += with[n.Item].Weight
		all = scatter(all + with[n.Item].sizes)
	}
	steps := map[string]overlap{}
	for _, n := range first {
		p := with[n.Item]
		if p.Orders < fewest {
			continue
		}
		squared := float64(p.Orders * p.Orders)
		steps[n.Item] = overlap{squared / (squared + believed) * p.Weight / sum, scatter(scatter(uint64(p.Orders)+p.sizes) + all)}
	}
	c.led[item] = steps
	return steps
}

// Overlap is what item says of other by way of its closest neighbours: every step, times the affinity that the neighbour has kept for other.
func (c *Counts) Overlap(item, other string) float64 { return c.overlapsOf(item)[other].value }

func (c *Counts) overlapsOf(item string) map[string]overlap {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, found := c.overlaps[item]; found {
		return known
	}
	sums := map[string]overlap{}
	steps := c.steps(item)
	for _, n := range c.kept(item) {
		step, leads := steps[n.Item]
		if !leads {
			continue
		}
		for _, further := range c.kept(n.Item) {
			sum := sums[further.Item]
			sum.value += step.value * further.Total
			sum.ingredients += scatter(step.ingredients + further.ingredients)
			sums[further.Item] = sum
		}
	}
	c.overlaps[item] = sums
	return sums
}

// discount is how much of the overlap is taken off: nothing for one item, the more the larger the basket.
func (c *Counts) discount(q Question, asked int) float64 {
	if q.Measure != "affinity" || asked < 2 {
		return 0
	}
	return c.Settings.OverlapDiscount * float64(asked-1) / float64(asked+4)
}
