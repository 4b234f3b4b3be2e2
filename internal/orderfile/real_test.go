//go:build realdata

package orderfile_test

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/orderfile"
)

// realFile opens a file in the directory of public order data that make test-real is given.
func realFile(t testing.TB, name string) *os.File {
	t.Helper()
	f, err := os.Open(filepath.Join(os.Getenv("ALSOBOUGHT_TEST_DATA"), name))
	if err != nil {
		t.Fatalf("this test reads real orders, ALSOBOUGHT_TEST_DATA is their directory: %v", err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// figures are the counts in the README of the data, taken with plain maps.
type figures struct {
	Format  datafile.Format
	Rows    int
	Rejects map[datafile.Reason]int
	Orders  int            // with at least one line
	Items   int            // with at least one line
	Pairs   int            // distinct pairs of items that share an order, if the README gives them
	Popular map[string]int // number of orders per item, for selected items
}

func TestRealFiles(t *testing.T) {
	t.Parallel()
	groceries := map[string]int{"whole milk": 2513, "other vegetables": 1903, "rolls/buns": 1809}
	for name, want := range map[string]figures{
		"groceries_baskets.csv": {
			Format: datafile.Baskets, Rows: 43_367, Orders: 9_835, Items: 169, Pairs: 9_636, Popular: groceries,
		},
		"groceries.csv.gz": {
			Format: datafile.CSV, Rows: 43_367, Orders: 9_835, Items: 169, Pairs: 9_636, Popular: groceries,
		},
		"retail.dat.gz": {
			Format: datafile.Baskets, Rows: 908_576, Orders: 88_162, Items: 16_470, Pairs: 3_586_797,
			Popular: map[string]int{"39": 50_675, "48": 42_135, "38": 15_596},
		},
		"online_retail_messy.csv.gz": {
			Format: datafile.CSV, Rows: 541_909, Orders: 20_136, Items: 4_065,
			Rejects: map[datafile.Reason]int{orderfile.MissingItem: 1_454, orderfile.BadQuantity: 9_762},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := count(t, name, want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func count(t *testing.T, name string, want figures) figures {
	t.Helper()
	r, err := orderfile.Open(realFile(t, name), orderfile.Options{Options: datafile.Options{Name: name}})
	if err != nil {
		t.Fatal(err)
	}
	got := figures{Format: r.Mapping().Format}
	orders := map[string]map[string]bool{}
	for {
		line, reject, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got.Rows++
		if reject != nil {
			if got.Rejects == nil {
				got.Rejects = map[datafile.Reason]int{}
			}
			got.Rejects[reject.Reason]++
			continue
		}
		if orders[line.Order] == nil {
			orders[line.Order] = map[string]bool{}
		}
		orders[line.Order][line.Item] = true
	}
	got.Orders = len(orders)
	items := map[string]int{}
	pairs := map[[2]string]bool{}
	for _, basket := range orders {
		names := slices.Sorted(maps.Keys(basket))
		for i, a := range names {
			items[a]++
			for _, b := range names[i+1:] {
				if want.Pairs > 0 {
					pairs[[2]string{a, b}] = true
				}
			}
		}
	}
	got.Items, got.Pairs = len(items), len(pairs)
	for item := range want.Popular {
		if got.Popular == nil {
			got.Popular = map[string]int{}
		}
		got.Popular[item] = items[item]
	}
	return got
}
