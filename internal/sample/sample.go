// Package sample generates sample orders shaped like the data of the prototype: an instrument rental firm with
// a few famous items, a long tail, and items that are rented together because a trade needs them. All
// documented totals are met exactly, so tests and benchmarks can rely on them. The package reads no input and
// uses no database: the same Config gives the same bytes on every machine.
package sample

import (
	"fmt"
	"io"
)

// MaxScale is the maximum of Config.Scale: 1.5 billion orders. The plan's integer arithmetic and the item names
// suffice for that many.
const MaxScale = 10_000

// Config defines the sample.
type Config struct {
	Scale int    // 1 to MaxScale; 1 is the prototype's size
	Seed  uint64 // any value; changes the order in which the plan is dealt
}

// Stats holds the totals of what was written.
type Stats struct {
	Orders int64
	Lines  int64 // rows after the header: one per order and distinct item
	Items  int64 // distinct items; each is in at least one order
}

// The prototype's figures at scale 1.
const (
	baseOrders    = 154_167
	baseLines     = 486_620
	baseItems     = 15_105
	basePairs     = 133_632
	baseCustomers = 3_000
)

// Write writes orders as CSV with the header order_id,item_name,quantity,ordered_at,customer_id, in ascending
// order of ID and time. The lines of an order are adjacent.
//
// At scale S it writes 154,167·S orders of 1 to 35 distinct items, 486,620·S lines, 15,105·√S items and
// 133,632·√S distinct unordered pairs of items that share an order, each rounded. Pairs grow like items because
// each new item belongs to one kit and is rented only with that kit. The numbers of orders with one or two
// famous items are those of the trades table times S.
//
// Orders are streamed; memory grows with √S. A scale outside 1 to MaxScale is an error before anything is
// written. A write error ends the run at once, and Stats then counts what was generated until then.
func Write(w io.Writer, cfg Config) (Stats, error) {
	if cfg.Scale < 1 || cfg.Scale > MaxScale {
		return Stats{}, fmt.Errorf("sample scale is %d: choose 1 to %d", cfg.Scale, MaxScale)
	}
	plan := newPlan(cfg.Scale)
	rnd := newSource(cfg.Seed)
	deal := newDealer(plan, rnd)
	clock := newClock(plan.orders, rnd)
	customers := newCustomers(rootScaled(baseCustomers, cfg.Scale))
	out := newRowWriter(w)

	stats := Stats{Items: int64(len(plan.catalogue))}
	for n := range plan.orders {
		out.startOrder(n, clock.next(), customers.draw(rnd))
		basket := deal.next()
		for _, it := range basket {
			product := plan.catalogue[it]
			out.line(product.field, quantity(product, rnd))
		}
		stats.Orders++
		stats.Lines += int64(len(basket))
		if err := out.endOrder(); err != nil {
			return stats, err
		}
	}
	return stats, out.flush()
}

// quantity is usually 1; consumables are often bought in larger numbers.
func quantity(p product, rnd source) int64 {
	switch {
	case p.consumable && rnd.below(2) == 0:
		return 2 + rnd.below(11)
	case !p.consumable && rnd.below(20) == 0:
		return 2
	default:
		return 1
	}
}
