package recommend_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/recommend"
)

// An answer's confidence, used as the threshold, keeps that pair, whatever the division was rounded to.
func TestShownConfidenceIsEnough(t *testing.T) {
	t.Parallel()
	// "of N" is in N baskets, and "C of N" in the first C of them.
	var text strings.Builder
	text.WriteString("order_id,item_name\n")
	sizes := []int{25, 29, 41, 50, 85, 100}
	rounded := 0
	for _, n := range sizes {
		for order := range n {
			fmt.Fprintf(&text, "%d-%d,of %d\n", n, order, n)
			for _, c := range []int{7, 11, 13, 14, 15, 22, 25, 28, 29} {
				if order < c && c <= n {
					fmt.Fprintf(&text, "%d-%d,%d of %d\n", n, order, c, n)
				}
				if float64(float64(c)/float64(n))*float64(n) > float64(c) {
					rounded++
				}
			}
		}
	}
	if rounded == 0 {
		t.Fatal("no confidence is rounded up")
	}
	pool := dbtest.New(t)
	loadText(t, pool, text.String())
	mustBuild(t, pool, builds.DefaultSettings())
	r := recommend.New(pool)
	for _, n := range sizes {
		item := fmt.Sprintf("of %d", n)
		answer, err := r.Ask(t.Context(), recommend.Similar(item, recommend.Options{
			Measure: recommend.Count, Limit: 100, Strict: true,
		}))
		if err != nil || len(answer.Recommendations) < 5 {
			t.Fatalf("%+v, %v", answer, err)
		}
		for place, one := range answer.Recommendations {
			again, err := r.Ask(t.Context(), recommend.Similar(item, recommend.Options{
				Measure: recommend.Count, Limit: 100, Strict: true, MinConfidence: one.Confidence,
			}))
			if err != nil || len(again.Recommendations) <= place || again.Recommendations[place].ItemName != one.ItemName {
				t.Errorf("%s: %q is shown with confidence %v, and not with that as the threshold (%v)", item,
					one.ItemName, one.Confidence, err)
			}
		}
	}
}
