//go:build realdata

package builds_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/buildtest"
	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/oracle"
	"github.com/alsobought/alsobought/internal/orderfile"
)

// TestRealOrders compares every row of a build of public order data with the oracle, and both with the
// published figures.
func TestRealOrders(t *testing.T) {
	t.Parallel()
	type figures struct{ Lines, Pairs, Neighbours int64 }
	groceries := figures{43_367, 9_636, 8_162}
	for name, want := range map[string]figures{
		"groceries_baskets.csv": groceries,
		"groceries.csv.gz":      groceries,
		"retail.dat.gz":         {908_576, 3_586_797, 694_439},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			_, err := load.Run(t.Context(), pool, []load.Source{{
				Name: name,
				Open: func() (io.ReadCloser, error) { return realFile(t, name), nil },
			}}, load.Options{LoadedBy: "test", Version: "test"})
			if err != nil {
				t.Fatal(err)
			}
			built := mustBuild(t, pool, defaults())
			if got := (figures{built.OrderLines, built.Pairs, built.Neighbours}); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
			orders, times := realOrders(t, name)
			buildtest.WantCounts(t, pool, built, oracle.CountTimed(orders, times, oracle.Settings(builds.DefaultSettings())))
			wantHealthy(t, pool)
		})
	}
}

// realFile opens a file of the public order data in the directory given to make test-real.
func realFile(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(filepath.Join(os.Getenv("ALSOBOUGHT_TEST_DATA"), name))
	if err != nil {
		t.Fatalf("this test reads real orders, ALSOBOUGHT_TEST_DATA is their directory: %v", err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func realOrders(t *testing.T, name string) (oracle.Orders, oracle.Times) {
	t.Helper()
	r, err := orderfile.Open(realFile(t, name), orderfile.Options{Options: datafile.Options{Name: name}})
	if err != nil {
		t.Fatal(err)
	}
	orders, times := oracle.Orders{}, oracle.Times{}
	for {
		line, reject, err := r.Read()
		if errors.Is(err, io.EOF) {
			return orders, times
		}
		if err != nil || reject != nil {
			t.Fatalf("%v, %+v", err, reject)
		}
		orders.Add(line.Order, line.Item)
		if _, timed := times[line.Order]; !timed && !line.OrderedAt.IsZero() {
			times[line.Order] = line.OrderedAt
		}
	}
}
