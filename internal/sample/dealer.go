package sample

// dealer deals the orders of a plan in random order. Drawing templates and sizes without replacement meets
// every quota exactly and needs only the current order in memory.
type dealer struct {
	plan   *plan
	rnd    source
	kinds  *urn // indexes of plan.templates, followed by one for the complete orders
	extras *urn
	whole  int // complete orders dealt
	basket []item
	pool   []item
}

func newDealer(p *plan, rnd source) *dealer {
	var kinds []int64
	for _, t := range p.templates {
		kinds = append(kinds, t.orders)
	}
	return &dealer{
		plan:   p,
		rnd:    rnd,
		kinds:  newUrn(append(kinds, p.complete())),
		extras: newUrn(p.extras),
	}
}

// next returns the distinct items of the next order. The slice is valid until the next call.
func (d *dealer) next() []item {
	kind := d.kinds.draw(d.rnd)
	if kind == len(d.plan.templates) {
		return d.completeOrder()
	}
	t := d.plan.templates[kind]
	d.basket = append(d.basket[:0], t.head...)
	if n := t.least() + d.extras.draw(d.rnd); n > 0 {
		d.fill(d.plan.groups[t.group], n)
	}
	return d.basket
}

// completeOrder returns the next whole kit or, after the kits, the next whole group.
func (d *dealer) completeOrder() []item {
	n := d.whole
	d.whole++
	if n >= len(d.plan.kits) {
		g := d.plan.groups[n-len(d.plan.kits)]
		d.basket = append(append(d.basket[:0], g.head...), g.core...)
		return d.basket
	}
	k := d.plan.kits[n]
	d.basket = append(d.basket[:0], d.plan.groups[k.group].head...)
	d.basket = d.plan.appendKit(d.basket, k)
	return d.basket
}

// fill adds n items: in two of five cases from one kit, if it has enough, otherwise from the core, which always
// has.
func (d *dealer) fill(g group, n int) {
	d.pool = d.pool[:0]
	if d.rnd.below(5) < 2 {
		d.pool = d.plan.appendKit(d.pool, d.plan.kits[g.kits[g.pick.spin(d.rnd)]])
	}
	if len(d.pool) < n {
		d.pool = append(d.pool[:0], g.core...)
	}
	d.pick(n)
}

// pick moves n items from the pool to the basket, weighted by a Zipf distribution over their positions.
func (d *dealer) pick(n int) {
	var taken [maxOrder]bool
	total := int64(0)
	for place := range d.pool {
		total += zipfWeights[place]
	}
	for range n {
		at := d.rnd.below(total)
		place := 0
		for taken[place] || at >= zipfWeights[place] {
			if !taken[place] {
				at -= zipfWeights[place]
			}
			place++
		}
		taken[place] = true
		total -= zipfWeights[place]
		d.basket = append(d.basket, d.pool[place])
	}
}

var zipfWeights = func() (weights [maxOrder]int64) {
	for place := range weights {
		weights[place] = 1_000_000 / int64(place+2)
	}
	return weights
}()

// appendKit appends the items that a kit adds to its group's head.
func (p *plan) appendKit(items []item, k kit) []item {
	for i := range k.own {
		items = append(items, k.first+item(i))
	}
	core := p.groups[k.group].core
	for i := range k.anchors {
		items = append(items, core[(k.anchor+i)%len(core)])
	}
	return items
}
