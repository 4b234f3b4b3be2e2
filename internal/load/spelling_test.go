package load_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/dbtest"
)

// TestNearDuplicates expects similar names in the report, and spellings of one name to be a single item.
func TestNearDuplicates(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	result := mustRun(t, pool, content("orders.csv", []byte("order,item\n"+
		"1,cafe\u0301\n1,caf\u00e9\n"+
		"1,Green tea\n2,green\u00a0 TEA\n2,gre\u00aden tea\n3,\uff27reen\u200b tea\n"+
		"1,Sugar\n2,sugar cane\n")))
	if result.RowsRepeated != 1 || result.ItemsAdded != 7 {
		t.Errorf("%d rows repeat others, %d items", result.RowsRepeated, result.ItemsAdded)
	}
	got := texts(t, pool, "SELECT q.near_duplicate_names::text FROM reporting.load_quality($1) AS q", result.LoadID)
	want := []string{"[[\"Green tea\", \"green\u00a0 TEA\", \"gre\u00aden tea\", \"\uff27reen\u200b tea\"]]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("near duplicates (-want +got):\n%s", diff)
	}
}
