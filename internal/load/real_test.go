//go:build realdata

package load_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/orderfile"
)

// TestRealFiles loads the files of ALSOBOUGHT_TEST_DATA one after the other and checks their known figures, and every
// row against the ledger.
func TestRealFiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		want    counts
		reasons map[string]int64
	}{
		{
			"online_retail_messy.csv.gz",
			counts{
				Read: 541_909, Loaded: 519_865, Duplicate: 10_828, Repeated: 10_828, Rejected: 11_216, Orders: 20_136, Items: 4_065,
			},
			map[string]int64{"missing_item": 1_454, "bad_quantity": 9_762},
		},
		{"groceries.csv.gz", counts{Read: 43_367, Loaded: 43_367, Orders: 9_835, Items: 169}, map[string]int64{}},
		{"groceries_baskets.csv", counts{Read: 43_367, Loaded: 43_367, Orders: 9_835, Items: 169}, map[string]int64{}},
		{"retail.dat.gz", counts{Read: 908_576, Loaded: 908_576, Orders: 88_162, Items: 16_470}, map[string]int64{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(filepath.Join(os.Getenv("ALSOBOUGHT_TEST_DATA"), c.name))
			if err != nil {
				t.Fatalf("this test reads real orders, ALSOBOUGHT_TEST_DATA is their directory: %v", err)
			}
			pool, want := dbtest.New(t), newLedger()
			got := mustRun(t, pool, content(c.name, data))
			if diff := cmp.Diff(c.want, countsOf(got.Load)); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
			reasons := map[string]int64{}
			all(t, pool, "SELECT r.reason, count(*) FROM load_rejects AS r GROUP BY r.reason", func(r struct {
				Reason string
				Rows   int64
			},
			) {
				reasons[r.Reason] = r.Rows
			})
			if diff := cmp.Diff(c.reasons, reasons); diff != "" {
				t.Errorf("rejects (-want +got):\n%s", diff)
			}
			want.load(got.LoadID, asRead(t, c.name, data))
			assertLedger(t, pool, want)
		})
	}
}

// asRead converts a file as package orderfile, which has its own tests, reads it.
func asRead(t *testing.T, name string, data []byte) file {
	t.Helper()
	f := file{name: name, data: data}
	reader, err := orderfile.Open(bytes.NewReader(data), orderfile.Options{Options: datafile.Options{Name: name}})
	if err != nil {
		t.Fatal(err)
	}
	for {
		l, refused, err := reader.Read()
		switch {
		case errors.Is(err, io.EOF):
			return f
		case err != nil:
			t.Fatal(err)
		case refused != nil:
			f.rows = append(f.rows, row{number: refused.Number, reason: refused.Reason, raw: string(refused.Raw)})
			continue
		}
		r := row{order: l.Order, item: l.Item, customer: l.Customer, quantity: "1", at: l.OrderedAt, number: l.Number}
		if !l.Quantity.IsZero() {
			r.quantity = l.Quantity.String()
		}
		f.rows = append(f.rows, r)
	}
}
