package sample

import (
	"strconv"
	"testing"
)

// TestPlanAddsUp checks at many scales that the quotas are not negative and add up to the documented orders,
// lines and pairs.
func TestPlanAddsUp(t *testing.T) {
	t.Parallel()
	for _, scale := range []int{1, 2, 3, 4, 5, 7, 10, 17, 50, 100, 999} {
		t.Run(strconv.Itoa(scale), func(t *testing.T) {
			t.Parallel()
			p := newPlan(scale)

			if got, want := int64(len(p.catalogue)), rootScaled(baseItems, scale); got != want {
				t.Errorf("%d items, want %d", got, want)
			}
			names := map[string]bool{}
			for _, product := range p.catalogue {
				names[product.field] = true
			}
			if len(names) != len(p.catalogue) {
				t.Errorf("%d names for %d items", len(names), len(p.catalogue))
			}

			orders, lines := p.complete(), int64(0)
			pairs := int64(p.groupPairs())
			for _, k := range p.kits {
				head := len(p.groups[k.group].head)
				lines += int64(head + k.anchors + k.own)
				pairs += int64(k.own*(k.own-1)/2 + k.own*(head+k.anchors))
				if size := head + k.anchors + k.own; size > maxOrder {
					t.Errorf("a kit makes an order of %d items", size)
				}
			}
			for g, group := range p.groups {
				lines += int64(len(group.head) + len(group.core))
				if len(group.core) < len(extraWeights) {
					t.Errorf("trade %d has %d core items, an order may ask for %d", g, len(group.core), len(extraWeights))
				}
			}
			for _, tmpl := range p.templates {
				orders += tmpl.orders
				lines += tmpl.orders * int64(len(tmpl.head)+tmpl.least())
				if tmpl.orders < 0 {
					t.Errorf("a template of trade %d has quota %d", tmpl.group, tmpl.orders)
				}
			}
			var sized int64
			for n, count := range p.extras {
				sized += count
				lines += int64(n) * count
				if count < 0 {
					t.Errorf("%d orders with %d extra items", count, n)
				}
			}
			if want := baseOrders * int64(scale); orders != want || sized+p.complete() != want {
				t.Errorf("%d orders, %d of them sized, want %d", orders, sized+p.complete(), want)
			}
			if want := baseLines * int64(scale); lines != want {
				t.Errorf("%d lines, want %d", lines, want)
			}
			if want := rootScaled(basePairs, scale); pairs != want {
				t.Errorf("%d pairs, want %d", pairs, want)
			}
		})
	}
}

// A family must not repeat names up to the largest scale.
func TestFamiliesLast(t *testing.T) {
	t.Parallel()
	needed := rootScaled(baseItems, MaxScale)
	for _, trade := range trades {
		share := needed / int64(len(trades)*len(trade.patterns))
		for _, pattern := range trade.patterns {
			// Half as much again, because kits alternate between trades and differ in size.
			if got := newFamily(pattern).names; got < share*3/2 {
				t.Errorf("%q has %d names, want %d", pattern, got, share*3/2)
			}
		}
	}
}
