package evaluate_test

import (
	"fmt"
	"math"
	"strconv"
	"testing"

	"github.com/alsobought/alsobought/internal/evaluate"
	"github.com/alsobought/alsobought/internal/oracle"
)

// unstructured returns orders of independent items: item k is drawn with weight 1/(k+1)^exponent.
func unstructured(orders, items int, exponent float64) dated {
	rnd := random(1)
	sums := make([]float64, items)
	total := 0.0
	for k := range sums {
		total += math.Pow(float64(k+1), -exponent)
		sums[k] = total
	}
	d := dated{oracle.Orders{}, nil}
	for n := range orders {
		for range 2 + rnd.IntN(3) {
			drawn, k := rnd.Float64()*total, 0
			for sums[k] < drawn {
				k++
			}
			d.items.Add(strconv.Itoa(n), fmt.Sprintf("item %d", k))
		}
	}
	return d
}

// TestNothingBeatsPopularity: for independent items popularity is the best guess, and affinity must come close
// to it.
func TestNothingBeatsPopularity(t *testing.T) {
	t.Parallel()
	for name, orders := range map[string]dated{
		"flat":        unstructured(3000, 200, 0.3),
		"bestsellers": unstructured(3000, 200, 0.8),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := mustEvaluate(t, loaded(t, orders, 1), options(func(o *evaluate.Options) { o.Protocol.Cases = 0 }))
			affinity, _ := report.Of("affinity")
			popularity, _ := report.Of(evaluate.Popularity)
			if affinity.HR10 < popularity.HR10-2*popularity.HR10Error {
				t.Errorf("HR@10 %.4f, of popularity %.4f +- %.4f", affinity.HR10, popularity.HR10, popularity.HR10Error)
			}
		})
	}
}
