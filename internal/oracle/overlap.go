package oracle

import "slices"

// Overlaps go through the closest neighbours of an item: at most twenty, each with at least six orders
// together. A step with fifteen orders together is trusted by half.
const (
	closest       = 20
	minOrders     = 6
	halfTrustedSq = 15 * 15
)

// overlap is the part of an item's evidence for another that comes through others.
type overlap struct {
	value       float64
	ingredients uint64
}

// Neighbours ranks all others of an item by affinity; a build keeps the first Settings.NeighboursKept of them.
// The caller must not change the list.
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
		candidates = append(candidates,
			next.plus(c.Value("affinity", item, other, p), c.ingredients("affinity", item, other, p)))
	}
	slices.SortFunc(candidates, Candidate.compare)
	c.neighbours[item] = candidates
	return candidates
}

func (c *Counts) kept(item string) []Candidate {
	all := c.ranked(item)
	return all[:min(len(all), int(c.Settings.NeighboursKept))]
}

// Step returns how strongly an item leads to one of its closest neighbours: the weight of the pair as a share
// of the weights with all of them, reduced if few orders are behind it. It is 0 for other items.
func (c *Counts) Step(item, other string) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.steps(item)[other].value
}

func (c *Counts) steps(item string) map[string]overlap {
	if known, found := c.stepsOf[item]; found {
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
		if p.Orders < minOrders {
			continue
		}
		squared := float64(p.Orders * p.Orders)
		steps[n.Item] = overlap{
			squared / (squared + halfTrustedSq) * p.Weight / sum, scatter(scatter(uint64(p.Orders)+p.sizes) + all),
		}
	}
	c.stepsOf[item] = steps
	return steps
}

// Overlap returns how much of the evidence of item for other comes through its closest neighbours: the sum of
// every step times the neighbour's kept affinity for other.
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

// discount returns the share of the overlap to subtract: nothing for one seed, more for larger baskets.
func (c *Counts) discount(q Question, seeds int) float64 {
	if q.Measure != "affinity" || seeds < 2 {
		return 0
	}
	return c.Settings.OverlapDiscount * float64(seeds-1) / float64(seeds+4)
}
