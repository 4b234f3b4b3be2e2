package load_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
)

// After overlapping loads, some of them reverted in any order, the data and the next build equal those of a database
// without the reverted loads.
func TestRevert(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(seed, 2))
			with, without := dbtest.New(t), dbtest.New(t)
			type loaded struct {
				id   int64
				file file
			}
			var loads []loaded
			for i := range 6 {
				f := randomFile(rnd, fmt.Sprintf("file %d", i), 20+rnd.IntN(200))
				loads = append(loads, loaded{mustRun(t, with, f.source()).LoadID, f})
			}
			goes := slices.Clone(loads)
			rnd.Shuffle(len(goes), func(i, j int) { goes[i], goes[j] = goes[j], goes[i] })
			goes = goes[:1+rnd.IntN(5)]
			for _, l := range goes {
				reverted, err := load.Revert(t.Context(), with, l.id, "undoer")
				if err != nil {
					t.Fatal(err)
				}
				if reverted.Status != "reverted" || reverted.RevertedBy == nil || *reverted.RevertedBy != "undoer" ||
					reverted.RevertedAt == nil {
					t.Errorf("audit: %+v", reverted)
				}
				assertHealthy(t, with)
			}
			for _, l := range loads {
				if !slices.ContainsFunc(goes, func(g loaded) bool { return g.id == l.id }) {
					mustRun(t, without, l.file.source())
				}
			}
			if diff := gocmp.Diff(everything(t, without), everything(t, with)); diff != "" {
				t.Errorf("(-never loaded +reverted):\n%s", diff)
			}
		})
	}
}

// A file whose load was reverted can be loaded again, with the same result.
func TestRevertAndAgain(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	once := load.Options{LoadedBy: "tester", Version: "test"}
	f := randomFile(rand.New(rand.NewPCG(5, 2)), "orders.csv", 300)
	first, err := load.Run(t.Context(), pool, []load.Source{f.source()}, once)
	if err != nil {
		t.Fatal(err)
	}
	before := everything(t, pool)
	if _, err := load.Revert(t.Context(), pool, first.LoadID, "undoer"); err != nil {
		t.Fatal(err)
	}
	if rest := texts(t, pool, "SELECT o.external_id FROM orders AS o UNION ALL SELECT "+
		"l.item_id::text FROM order_lines AS l"); len(rest) > 0 {
		t.Errorf("%d rows are left", len(rest))
	}
	if _, err := load.Run(t.Context(), pool, []load.Source{f.source()}, once); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(before, everything(t, pool)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	assertHealthy(t, pool)
}

func TestRevertRefused(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	good := mustRun(t, pool, content("good", []byte("order_id,item_name\n1,a\n")))
	if _, err := load.Run(t.Context(), pool, []load.Source{content("bad", []byte("order_id,item_name\n2,a\n3,\"b\n"))},
		options); err == nil {
		t.Fatal("the second load worked")
	}
	if _, err := load.Revert(t.Context(), pool, good.LoadID, "undoer"); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[int64]string{
		good.LoadID: "is reverted", good.LoadID + 1: "is failed", 99: "load 99 not found",
	} {
		_, err := load.Revert(t.Context(), pool, id, "undoer")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("load %d: %v, want word that it %s", id, err, want)
		}
		if errors.Is(err, load.ErrNotFound) != (id == 99) {
			t.Errorf("load %d: %v", id, err)
		}
	}
	assertHealthy(t, pool)
}

// Deleted orders disappear from every load, and the counts of the loads stay right whatever is reverted afterwards.
func TestDeleteOrders(t *testing.T) {
	t.Parallel()
	audit := load.Deletion{Reason: "refund", DeletedBy: "tester", Version: "test"}
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			pool, rnd := dbtest.New(t), rand.New(rand.NewPCG(seed, 3))
			var ids []int64
			for i := range 4 {
				ids = append(ids, mustRun(t, pool, randomFile(rnd, fmt.Sprintf("file %d", i), 150).source()).LoadID)
			}
			all := texts(t, pool, "SELECT o.external_id FROM orders AS o ORDER BY o.external_id")
			rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			go1, stay := all[:len(all)/3], all[len(all)/3:]
			lines := texts(t, pool, "SELECT l.item_id::text FROM order_lines AS l JOIN orders AS o USING (order_id) WHERE "+
				"o.external_id = ANY ($1)", go1)
			deleted, err := load.DeleteOrders(t.Context(), pool, go1, audit)
			if err != nil {
				t.Fatal(err)
			}
			if deleted.Orders != int64(len(go1)) || deleted.Lines != int64(len(lines)) || deleted.Reason != "refund" ||
				deleted.DeletedBy != "tester" {
				t.Errorf("audit: %+v, want %d orders and %d lines", deleted, len(go1), len(lines))
			}
			slices.Sort(stay)
			if diff := gocmp.Diff(stay, texts(t, pool,
				"SELECT o.external_id FROM orders AS o ORDER BY o.external_id")); diff != "" {
				t.Errorf("orders (-want +got):\n%s", diff)
			}
			assertHealthy(t, pool)
			for _, id := range ids[:2] {
				if _, err := load.Revert(t.Context(), pool, id, "undoer"); err != nil {
					t.Fatal(err)
				}
				assertHealthy(t, pool)
			}
			for _, gone := range go1 {
				if left := texts(t, pool, "SELECT o.external_id FROM orders AS o WHERE o.external_id = $1", gone); len(left) > 0 {
					t.Errorf("order %s is back", gone)
				}
			}
		})
	}
}

func TestDeleteOrdersRefused(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	mustRun(t, pool, content("orders", []byte("order_id,item_name,customer_id\n1,a,K1\n2,b,K2\n3,c,K1\n")))
	mustRun(t, pool, content("more", []byte("order_id,item_name,customer_id\n2,b,K1\n7,,K1\n1,,\n8,,K8\n")))
	before := state(t, pool)
	audit := load.Deletion{Reason: "forgotten", DeletedBy: "tester", Version: "test"}
	if _, err := load.DeleteOrders(t.Context(), pool, []string{"1", "77", "78"}, audit); !errors.Is(err,
		load.ErrNotFound) || !strings.Contains(err.Error(), "77, 78") {
		t.Errorf("%v, want word of 77 and 78", err)
	}
	if _, err := load.DeleteCustomer(t.Context(), pool, "K9", audit); !errors.Is(err, load.ErrNotFound) {
		t.Errorf("%v, want %v", err, load.ErrNotFound)
	}
	assertSame(t, pool, before)
	// A later load attributes order 2 to K1 too.
	deleted, err := load.DeleteCustomer(t.Context(), pool, "K1", audit)
	if err != nil || deleted.Orders != 3 || deleted.Lines != 3 || deleted.Rejects != 2 {
		t.Errorf("%+v, %v, want 3 orders with 3 lines and 2 rejects", deleted, err)
	}
	if left := texts(t, pool, "SELECT encode(r.raw, 'escape') || coalesce(r.parsed::text, '') FROM load_rejects AS "+
		"r ORDER BY r.row_number"); len(left) != 3 ||
		left[0] != "" || left[1] != "" || !strings.Contains(left[2], "K8") {
		t.Errorf("rejects say %q", left)
	}
	// This customer occurs only in rejects.
	if deleted, err := load.DeleteCustomer(t.Context(), pool, "K8", audit); err != nil ||
		deleted.Orders != 0 || deleted.Rejects != 1 {
		t.Errorf("%+v, %v, want 1 reject", deleted, err)
	}
	assertHealthy(t, pool)
}

// everything returns all of the data and of a new build, by name.
func everything(t *testing.T, pool *pgxpool.Pool) map[string][]string {
	t.Helper()
	if _, err := builds.Run(t.Context(), pool, builds.Options{
		Settings: builds.DefaultSettings(), BuiltBy: "tester",
		Version: "test",
	}); err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for name, query := range map[string]string{
		"items": "SELECT i.name FROM items AS i ORDER BY 1",
		"orders": "SELECT o.external_id || ' ' || coalesce(o.ordered_at::text, '-') || ' ' || coalesce(o.customer_id, " +
			"'-') FROM orders AS o ORDER BY 1",
		"lines": "SELECT o.external_id || ' ' || i.name || ' ' || l.quantity FROM order_lines AS l JOIN orders AS o " +
			"USING (order_id) JOIN items AS i USING (item_id) ORDER BY 1",
		"popular": "SELECT (to_jsonb(p) - 'build_id' - 'built_at')::text FROM reporting.popular_items AS p ORDER BY 1",
		"pairs":   "SELECT (to_jsonb(p) - 'build_id' - 'built_at')::text FROM reporting.item_pairs AS p ORDER BY 1",
		"neighbours": `SELECT i.name || ' ' || n.neighbour_rank || ' ' || o.name || ' ' || n.affinity
			FROM item_neighbours AS n
			JOIN builds AS b USING (build_id) JOIN items AS i USING (item_id) JOIN items AS o ON o.item_id = n.other_id
			WHERE b.active ORDER BY 1`,
	} {
		all[name] = texts(t, pool, query)
	}
	return all
}
