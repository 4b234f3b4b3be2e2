package builds_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/buildtest"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/oracle"
)

// shop is a database with random changes, and the state it should have.
type shop struct {
	t      *testing.T
	pool   *pgxpool.Pool
	rnd    *rand.Rand
	orders oracle.Orders
	times  oracle.Times
	loads  []int64
	audit  load.Deletion
}

func newShop(t *testing.T, seed uint64) *shop {
	s := &shop{
		t: t, pool: dbtest.New(t), rnd: random(seed), audit: load.Deletion{
			Reason: "test", DeletedBy: "test", Version: "test",
		},
	}
	s.orders = oracle.Random(s.rnd, oracle.Shapes()[1])
	s.times = oracle.RandomTimes(s.rnd, s.orders)
	loadText(t, s.pool, s.orders.TimedCSV(s.rnd, s.times))
	return s
}

// id returns the ID of an existing order.
func (s *shop) id() string {
	s.t.Helper()
	var id string
	err := s.pool.QueryRow(s.t.Context(),
		"SELECT o.external_id FROM orders AS o ORDER BY md5(o.external_id || $1) LIMIT 1",
		fmt.Sprint(s.rnd.Uint64())).Scan(&id)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// load loads a few orders: new ones, and existing ones with more lines or an earlier time.
func (s *shop) load() {
	s.t.Helper()
	random := oracle.Random(s.rnd, oracle.Shapes()[1])
	some, times := oracle.Orders{}, oracle.Times{}
	for _, key := range slices.Sorted(maps.Keys(random))[:5] {
		id := fmt.Sprintf("new %d", s.rnd.IntN(1_000_000))
		if s.rnd.IntN(2) == 0 {
			id = s.id()
		}
		some[id] = random[key]
		if s.rnd.IntN(4) > 0 {
			times[id] = time.Date(2020+s.rnd.IntN(8), 1, 1+s.rnd.IntN(365), s.rnd.IntN(24), 0, 0, 0, time.UTC)
		}
	}
	loadText(s.t, s.pool, some.TimedCSV(s.rnd, times))
	var id int64
	query(s.t, s.pool, &id, "SELECT max(load_id) FROM loads")
	s.loads = append(s.loads, id)
}

func (s *shop) revert() {
	s.t.Helper()
	if len(s.loads) == 0 {
		return
	}
	place := s.rnd.IntN(len(s.loads))
	if _, err := load.Revert(s.t.Context(), s.pool, s.loads[place], "test"); err != nil {
		s.t.Fatal(err)
	}
	s.loads = slices.Delete(s.loads, place, place+1)
}

func (s *shop) deleteOrder() {
	s.t.Helper()
	if _, err := load.DeleteOrders(s.t.Context(), s.pool, []string{s.id()}, s.audit); err != nil {
		s.t.Fatal(err)
	}
}

// deleteNewest deletes the newest day, so that the last year begins earlier.
func (s *shop) deleteNewest() {
	s.t.Helper()
	var ids []string
	query(s.t, s.pool, &ids, `SELECT coalesce(array_agg(o.external_id), '{}') FROM orders AS o
		WHERE o.ordered_at::date = (SELECT max(n.ordered_at)::date FROM orders AS n)`)
	if _, err := load.DeleteOrders(s.t.Context(), s.pool, ids, s.audit); err != nil {
		s.t.Fatal(err)
	}
}

// refund returns all of an order. Orders come back if load names them again.
func (s *shop) refund() {
	s.t.Helper()
	loadText(s.t, s.pool, fmt.Sprintf("order_id,item_name,status\n%q,,refunded\nnobody's %d,,cancelled\n",
		s.id(), s.rnd.Uint64()))
	var id int64
	query(s.t, s.pool, &id, "SELECT max(load_id) FROM loads")
	s.loads = append(s.loads, id)
}

// byHand changes orders as a user with psql would.
func (s *shop) byHand() {
	s.t.Helper()
	_, err := s.pool.Exec(s.t.Context(), "UPDATE orders SET ordered_at = ordered_at - interval '100 days', "+
		"customer_id = 'c' WHERE external_id = $1", s.id())
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestDeltaEqualsFull changes orders in every possible way, in random order. Each delta build has the same rows
// as a full build, to the last bit.
func TestDeltaEqualsFull(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			s := newShop(t, seed)
			mustBuild(t, s.pool, defaults())
			changes := []func(){s.load, s.load, s.load, s.refund, s.revert, s.deleteOrder, s.deleteNewest, s.byHand}
			deltas := 0
			for range 8 {
				for range s.rnd.IntN(4) {
					changes[s.rnd.IntN(len(changes))]()
				}
				opts := defaults()
				opts.Keep = int32(s.rnd.IntN(3))
				if s.rnd.IntN(3) == 0 {
					opts.Settings = builds.Settings(oracle.RandomSettings(s.rnd))
					opts.Settings.MaxBasket = defaults().Settings.MaxBasket
				}
				delta := mustBuild(t, s.pool, opts)
				opts.Full, opts.Inactive = true, true
				full := mustBuild(t, s.pool, opts)
				if full.BaseBuild != nil || full.ChangedOrders != nil {
					t.Errorf("full build %d: %+v", full.BuildID, full)
				}
				if delta.BaseBuild != nil {
					deltas++
				}
				if diff := cmp.Diff(buildtest.Rows(t, s.pool, full.BuildID), buildtest.Rows(t, s.pool, delta.BuildID)); diff != "" {
					t.Fatalf("build %d from %v (-full +delta):\n%s", delta.BuildID, delta.BaseBuild, diff)
				}
			}
			if deltas < 2 {
				t.Errorf("%d builds of 8 started from another", deltas)
			}
			wantHealthy(t, s.pool)
		})
	}
}
