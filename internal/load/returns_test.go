package load_test

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
)

// bought lists what counts as bought, per order, and the items that orders know.
func bought(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	return texts(t, pool, `
		SELECT o.external_id || ':' || coalesce(string_agg(' ' || i.name || ' ' || trim_scale(l.quantity), ''
		ORDER BY i.name), '')
		FROM orders AS o LEFT JOIN order_lines AS l USING (order_id) LEFT JOIN items AS i USING (item_id)
		GROUP BY o.external_id ORDER BY o.external_id`)
}

// Later loads take back exactly what they name. Reverting them, last to first, restores the state before each.
func TestReturns(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	steps := []struct {
		what, file string
		want       []string
	}{
		{
			"a first export", "order_id,item_name,quantity,status,qty_refunded\n" +
				"1,tea,3,paid,\n1,cups,2,paid,0\n2,tea,1,paid,\n3,tea,1,refunded,\n4,tea,5,paid,2\n" +
				"5,tea,2,paid,\n5,tea,-2,paid,\n6,pot,1,paid,\n",
			[]string{"1: cups 2 tea 3", "2: tea 1", "4: tea 3", "5:", "6: pot 1"},
		},
		{
			"an order that was cancelled, a line of another, and part of a third",
			"order_id,item_name,quantity,status,qty_refunded\n" +
				"2,tea,1,canceled,\n1,tea,3,paid,3\n4,tea,5,paid,4\n3,tea,1,paid,\n",
			[]string{"1: cups 2", "2:", "3: tea 1", "4: tea 1", "5:", "6: pot 1"},
		},
		{
			"the same export, later, with one line more", "order_id,item_name,quantity,status,qty_refunded\n" +
				"2,tea,1,canceled,\n1,tea,3,paid,3\n4,tea,5,paid,4\n3,tea,1,paid,\n3,cups,1,paid,\n",
			[]string{"1: cups 2", "2:", "3: cups 1 tea 1", "4: tea 1", "5:", "6: pot 1"},
		},
		{
			"paid again", "order_id,item_name,quantity,status,qty_refunded\n2,tea,9,paid,\n4,tea,5,paid,0\n1,tea,3,paid,1\n",
			[]string{"1: cups 2 tea 2", "2: tea 1", "3: cups 1 tea 1", "4: tea 5", "5:", "6: pot 1"},
		},
		{
			"whole orders, of what is known and what is not",
			`{"id":"1","financial_status":"refunded","items":[{"name":"lamp","quantity":1}]}` + "\n" +
				`{"id":"6","financial_status":"voided","items":[]}` + "\n" +
				`{"id":"7","financial_status":"voided","items":[{"name":"pot"}]}` + "\n",
			[]string{"1:", "2: tea 1", "3: cups 1 tea 1", "4: tea 5", "5:", "6:"},
		},
	}
	var ids []int64
	order := options
	order.File.OrderColumn = "id"
	for i, s := range steps {
		o := options
		if i == len(steps)-1 {
			o = order
		}
		result, err := load.Run(t.Context(), pool, []load.Source{content(s.what, []byte(s.file))}, o)
		if err != nil {
			t.Fatalf("%s: %v", s.what, err)
		}
		ids = append(ids, result.LoadID)
		if diff := gocmp.Diff(s.want, bought(t, pool)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s.what, diff)
		}
		assertHealthy(t, pool)
	}
	counts := texts(t, pool, "SELECT concat_ws(' ', l.rows_read, l.rows_loaded, l.rows_duplicate, l.rows_not_bought, "+
		"l.rows_rejected) FROM loads AS l ORDER BY l.load_id")
	if diff := gocmp.Diff([]string{"8 6 0 2 0", "4 1 1 2 0", "5 1 2 2 0", "3 2 1 0 0", "3 0 0 3 0"}, counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	reasons := texts(t, pool, "SELECT r.load_id || ' ' || r.outcome || ' ' || r.reason FROM load_rejects AS r WHERE "+
		"r.load_id < 3 ORDER BY r.load_id, r.row_number")
	if diff := gocmp.Diff([]string{
		"1 not_bought refunded", "1 not_bought negative", "2 not_bought cancelled",
		"2 not_bought refunded",
	}, reasons); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	for i := len(ids) - 1; i > 0; i-- {
		if _, err := load.Revert(t.Context(), pool, ids[i], "tester"); err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(steps[i-1].want, bought(t, pool)); diff != "" {
			t.Errorf("without %s (-want +got):\n%s", steps[i].what, diff)
		}
		assertHealthy(t, pool)
	}
	d := load.Deletion{Reason: "forgotten", DeletedBy: "tester", Version: "test"}
	if deleted, err := load.DeleteOrders(t.Context(), pool, []string{"4", "5"}, d); err != nil || deleted.Lines != 1 {
		t.Errorf("deleted %+v, %v, want 1 line", deleted, err)
	}
	assertHealthy(t, pool)
	if left := texts(t, pool, "SELECT x::text FROM returned_lines AS x"); len(left) > 0 {
		t.Errorf("what was returned of deleted orders is left: %q", left)
	}
}
