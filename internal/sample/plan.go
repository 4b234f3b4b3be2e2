package sample

import (
	"math"
	"slices"
)

// A plan fixes every count before the first order is dealt.
//
// Each order is drawn from within one set of items: a group (what one trade rents) or a kit (some items of its
// own plus a few of a group's). Each set also occurs exactly once as a complete order. So the pairs that occur
// are exactly the pairs inside the sets, whatever the random choices, and every item occurs. Famous items only
// occur according to the quotas of the trades table.
type plan struct {
	orders    int64
	catalogue catalogue
	groups    []group
	kits      []kit
	templates []template
	extras    []int64 // extras[n]: ordinary orders with n items beyond their minimum
}

// group is a trade, as item numbers.
type group struct {
	head  []item // famous items
	core  []item // everyday items of the trade, most popular first
	whole int    // index of the template with the whole head
	kits  []int  // indexes of plan.kits
	pick  wheel  // chooses a kit
}

// kit is a set of items of its own that is rented with the group's whole head and some of its core.
type kit struct {
	group   int
	first   item // its own items are first, first+1, ...
	own     int
	anchor  int // core items are core[anchor], core[anchor+1], ..., wrapping around
	anchors int
}

// template is a kind of ordinary order; its famous items are fixed.
type template struct {
	group  int
	head   []item
	orders int64
}

const (
	maxOrder   = 35
	maxAnchors = 6
)

// ownItems lists the sizes of kits, used in rotation. Kits of one item let the plan meet the pair count
// exactly.
var ownItems = [...]int{6, 9, 4, 12, 7, 16, 1, 10, 3, 8, 20, 5, 2}

// extraWeights decrease geometrically, as order sizes do.
var extraWeights = [...]int64{10000, 6500, 4225, 2746, 1785, 1160, 754, 490, 319, 207}

func newPlan(scale int) *plan {
	p := &plan{orders: baseOrders * int64(scale)}
	p.nameGroups(int64(scale))
	p.cutKits(rootScaled(baseItems, scale))
	p.anchorKits(rootScaled(basePairs, scale))
	p.shareLines(baseLines * int64(scale))
	return p
}

// rootScaled returns base·√scale, rounded. The square root of an integer below 2^53 is the same on every
// machine.
func rootScaled(base int64, scale int) int64 {
	return int64(math.Round(math.Sqrt(float64(base * base * int64(scale)))))
}

// nameGroups adds the items named in the trades table to the catalogue.
func (p *plan) nameGroups(scale int64) {
	numbers := map[string]item{}
	number := func(names []string) []item {
		var items []item
		for _, name := range names {
			it, known := numbers[name]
			if !known {
				it = p.catalogue.add(name)
				numbers[name] = it
			}
			items = append(items, it)
		}
		return items
	}
	for g, trade := range trades {
		p.groups = append(p.groups, group{
			head:  number(trade.heads[0].items),
			core:  number(trade.core),
			whole: len(p.templates),
		})
		for _, head := range trade.heads {
			p.templates = append(p.templates, template{g, number(head.items), head.orders * scale})
		}
	}
}

// cutKits fills the catalogue with generated items up to the given number and deals them to kits, trade by
// trade.
func (p *plan) cutKits(items int64) {
	var families [][]family
	for _, trade := range trades {
		var fs []family
		for _, pattern := range trade.patterns {
			fs = append(fs, newFamily(pattern))
		}
		families = append(families, fs)
	}
	named := make([]int, len(trades)) // names generated so far, by trade
	for left := int(items) - len(p.catalogue); left > 0; {
		n := len(p.kits)
		k := kit{group: n % len(trades), first: item(len(p.catalogue)), anchors: 1}
		g := &p.groups[k.group]
		k.anchor = len(g.kits) % len(g.core)
		k.own = min(left, ownItems[n%len(ownItems)])
		if n == 0 {
			k.own = maxOrder - len(g.head) - k.anchors // the largest order
		}
		fs := families[k.group]
		for range k.own {
			i := named[k.group]
			p.catalogue.add(fs[i%len(fs)].name(i / len(fs)))
			named[k.group]++
		}
		g.kits = append(g.kits, n)
		p.kits = append(p.kits, k)
		left -= k.own
	}
	for g := range p.groups {
		p.groups[g].pick = newZipfWheel(len(p.groups[g].kits), 2)
	}
}

// anchorKits adds core items to kits until there are the given number of distinct pairs. Each anchor adds as
// many pairs as the kit has items of its own; its pairs with the head and the core already exist.
func (p *plan) anchorKits(pairs int64) {
	missing := int(pairs) - p.groupPairs()
	for _, k := range p.kits {
		missing -= k.own*(k.own-1)/2 + k.own*(len(p.groups[k.group].head)+k.anchors)
	}
	for range maxAnchors - 1 {
		for i := range p.kits {
			k := &p.kits[i]
			if k.own <= missing && k.own+k.anchors+len(p.groups[k.group].head) < maxOrder {
				k.anchors++
				missing -= k.own
			}
		}
	}
}

// groupPairs returns the number of distinct pairs inside groups; groups share items.
func (p *plan) groupPairs() int {
	pairs := map[[2]item]struct{}{}
	for _, g := range p.groups {
		all := slices.Sorted(slices.Values(slices.Concat(g.head, g.core)))
		for i, a := range all {
			for _, b := range all[i+1:] {
				pairs[[2]item{a, b}] = struct{}{}
			}
		}
	}
	return len(pairs)
}

// shareLines takes the complete orders out of the quotas and distributes the remaining lines over the ordinary
// orders, beyond their minimum.
func (p *plan) shareLines(lines int64) {
	for _, t := range p.templates {
		lines -= t.orders * int64(len(t.head))
	}
	for _, k := range p.kits {
		lines -= int64(k.own + k.anchors)
	}
	for _, g := range p.groups {
		lines -= int64(len(g.core))
		p.templates[g.whole].orders -= int64(len(g.kits)) + 1
	}
	for _, t := range p.templates {
		lines -= t.orders * int64(t.least())
	}
	p.extras = spread(p.orders-p.complete(), lines)
}

// least returns the minimum number of items beyond the head.
func (t template) least() int {
	if len(t.head) == 0 {
		return 1
	}
	return 0
}

// complete returns the number of complete orders: one per kit and group.
func (p *plan) complete() int64 {
	return int64(len(p.kits) + len(p.groups))
}

// spread distributes lines over orders: counts[n] orders get n lines. It rounds the weights to counts and then
// gives one more line to as many orders as lines are missing; the mean of the weights is slightly below every
// requested mean.
func spread(orders, lines int64) []int64 {
	counts := make([]int64, len(extraWeights))
	var weights int64
	for _, w := range extraWeights {
		weights += w
	}
	rest := orders
	for n, w := range extraWeights {
		counts[n] = orders * w / weights
		rest -= counts[n]
		lines -= int64(n) * counts[n]
	}
	counts[0] += rest
	moved := int64(0)
	for n := len(counts) - 2; n >= 0; n-- {
		up := lines * counts[n] / orders
		if n == 0 {
			up = lines - moved
		}
		counts[n] -= up
		counts[n+1] += up
		moved += up
	}
	return counts
}
