package main

import (
	"strings"
	"testing"

	"github.com/alsobought/alsobought/internal/dbtest"
)

// Delta builds are listed even if they were interrupted before they counted the orders that changed.
func TestBuildsListsInterruptedDelta(t *testing.T) {
	t.Parallel()
	url := dbtest.NewURL(t)
	want(t, url, strings.NewReader("order_id,item_name\n1,a\n1,b\n"), "load", "-")
	for _, status := range []string{"running", "failed"} {
		dbtest.Value[int64](t, url, `INSERT INTO builds (status, error, base_build, max_basket, neighbours_kept, shrinkage,
				popularity_exponent, similar_exponent, built_by, version)
			SELECT '`+status+`', CASE '`+status+`' WHEN 'failed' THEN 'interrupted' END, b.build_id, b.max_basket,
				b.neighbours_kept, b.shrinkage, b.popularity_exponent, b.similar_exponent, b.built_by, b.version
			FROM builds AS b WHERE b.active RETURNING build_id`)
		printed := want(t, url, nil, "builds")
		if strings.Count(printed, "changes since 1") != strings.Count(printed, "failed") || !strings.Contains(printed, "all orders") {
			t.Errorf("a %s build: %s", status, printed)
		}
		want(t, url, nil, "builds", "--json")
	}
}
