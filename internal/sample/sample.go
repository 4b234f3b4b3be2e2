// Package sample makes sample orders of the shape of the data the prototype
// served: an instrument rental firm with few famous items, a long tail, and
// items that are rented together because a trade needs them together. Every
// figure that has a name is met exactly, by plan and not by luck, so that tests
// and benchmarks can rely on it. The package knows no database and reads
// nothing: the same Config gives the same bytes on every machine.
package sample

import (
	"fmt"
	"io"
)

// MaxScale bounds Config.Scale. It is 1.5 thousand million orders; the plan's
// integer arithmetic and the stock of item names are good for that much.
const MaxScale = 10_000

// Config says how much to make.
type Config struct {
	Scale int    // 1 to MaxScale; 1 is the prototype's size
	Seed  uint64 // any value; it deals the same plan in another order
}

// Stats counts what was made.
type Stats struct {
	Orders int64
	Lines  int64 // rows after the header: one per order and distinct item
	Items  int64 // distinct items; every one of them is in some order
}

// The prototype's figures at scale 1.
const (
	baseOrders    = 154_167
	baseLines     = 486_620
	baseItems     = 15_105
	basePairs     = 133_632
	baseCustomers = 3_000
)

// Write writes orders as CSV with the header
// order_id,item_name,quantity,ordered_at,customer_id, in ascending order id
// and time, the lines of an order next to each other.
//
// At scale S it makes 154,167·S orders of 1 to 35 distinct items, 486,620·S
// lines, 15,105·√S items and 133,632·√S distinct unordered pairs of items that
// share an order, each rounded. The pairs grow like the items because a new
// item joins one kit of items and is rented with that kit only. The orders that
// hold a famous item, or two of them, are those of the trades table times S.
//
// Memory grows with √S: orders are streamed. A scale outside 1 to MaxScale is
// an error before anything is written; an error of w ends the run at once, and
// Stats then counts what was made until then.
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

// quantity is mostly 1; what is used up in the field is taken by the handful.
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
