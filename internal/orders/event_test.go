package orders_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/doctor"
	"github.com/alsobought/alsobought/internal/orders"
	"github.com/alsobought/alsobought/internal/pg"
)

// history is what happens to an order in a shop, and what is left of it in the end.
type history struct {
	events []orders.Event
	left   map[string]float64
}

// randomHistory edits, refunds and cancels an order. Two lines have the same name. After a refund, the shop may or may
// not report the new state of the order.
func randomHistory(r *rand.Rand, order string) history {
	at := time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)
	ordered := map[string]float64{"a": 4, "b": 1, "c": 2}
	returned := map[string]float64{}
	cancelled := false
	h := history{}
	report := func() {
		e := orders.Event{Shop: "s", ShopOrderID: "shop " + order, ID: order, At: at, Cancelled: cancelled}
		for _, name := range slices.Sorted(maps.Keys(ordered)) {
			e.Items = append(e.Items, orders.EventItem{Name: name, Quantity: ordered[name] / 2, Returned: returned[name]},
				orders.EventItem{Name: " " + name, Quantity: ordered[name] / 2})
		}
		h.events = append(h.events, e)
	}
	report()
	for step := range 2 + r.IntN(5) {
		at = at.Add(time.Minute)
		switch names := slices.Sorted(maps.Keys(ordered)); r.IntN(4) {
		case 0:
			ordered["new "+strconv.Itoa(step)] = float64(1 + r.IntN(3))
			report()
		case 1:
			if len(names) > 1 {
				delete(ordered, names[r.IntN(len(names))])
				report()
			}
		case 2:
			name := names[r.IntN(len(names))]
			if left := ordered[name] - returned[name]; left > 0 {
				amount := min(left, float64(1+r.IntN(2)))
				returned[name] += amount
				h.events = append(h.events, orders.Event{
					Shop: "s", ShopOrderID: "shop " + order, RefundID: strconv.Itoa(step), At: at,
					Items: []orders.EventItem{{Name: name, Returned: amount}},
				})
				if at = at.Add(time.Second); r.IntN(2) == 0 {
					report()
				}
			}
		default:
			cancelled = !cancelled
			report()
		}
	}
	h.left = map[string]float64{}
	for name, quantity := range ordered {
		if left := quantity - returned[name]; left > 0 && !cancelled {
			h.left[name] = left
		}
	}
	return h
}

// TestEventsInAnyOrder: events that come twice, in any order and to two servers at once leave each order as the shop has
// it.
func TestEventsInAnyOrder(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	servers := []*orders.Store{orders.NewStore(pool, "test"), orders.NewStore(pool, "test")}
	const seed, histories = 1, 60
	want := make([]map[string]float64, histories)
	var deliveries sync.WaitGroup
	for n := range histories {
		r := rand.New(rand.NewPCG(seed, uint64(n)))
		h := randomHistory(r, "o"+strconv.Itoa(n))
		want[n] = h.left
		queue := append(slices.Clone(h.events), h.events[r.IntN(len(h.events))], h.events[0])
		r.Shuffle(len(queue), func(i, j int) { queue[i], queue[j] = queue[j], queue[i] })
		half := r.IntN(len(queue))
		for i, part := range [][]orders.Event{queue[:half], queue[half:]} {
			deliveries.Go(func() {
				for _, e := range part {
					if _, _, err := servers[i].Apply(t.Context(), orders.Sender{Source: "test", Name: "s"}, e); err != nil {
						t.Errorf("%+v: %v", e, err)
					}
				}
			})
		}
	}
	deliveries.Wait()
	for n, left := range want {
		if got := leftOf(t, pool, "o"+strconv.Itoa(n)); got != describe(left) {
			t.Errorf("order %d: %q, want %q", n, got, describe(left))
			for _, e := range randomHistory(rand.New(rand.NewPCG(seed, uint64(n))), "o").events {
				t.Logf("%+v", e)
			}
		}
	}
	if findings, _, err := doctor.Run(t.Context(), pool); err != nil || len(findings) > 0 {
		t.Errorf("doctor: %v %v", findings, err)
	}
}

func describe(items map[string]float64) string {
	var said []string
	for _, name := range slices.Sorted(maps.Keys(items)) {
		said = append(said, fmt.Sprint(name, " ", items[name]))
	}
	return strings.Join(said, ", ")
}

func leftOf(t *testing.T, pool *pg.Pool, id string) string {
	t.Helper()
	items := map[string]float64{}
	stored, err := orders.Get(t.Context(), pool, id)
	for _, item := range stored.Items {
		items[item.Name] = item.Quantity
	}
	if err != nil && !strings.Contains(err.Error(), "not") { // cancelled before it was known
		t.Error(err)
	}
	return describe(items)
}
