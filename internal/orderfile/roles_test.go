package orderfile_test

import (
	"strings"
	"testing"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/orderfile"
)

// Orders, and records of any kind whose first role has the same aliases, find the same item column in the same header.
func TestRecordsFindTheItemOfOrders(t *testing.T) {
	t.Parallel()
	kind := datafile.Kind{Thing: "item", Roles: []datafile.Role{
		{Name: "item", Aliases: orderfile.Aliases()["item"], Needed: true},
		{Name: "label", Aliases: orderfile.Aliases()["item"]},
	}}
	names := orderfile.Aliases()["item"]
	for i, a := range names {
		for _, b := range names[i+1:] {
			header := b + "," + a + ",order\nx,y,z\n"
			orders, err := orderfile.Open(strings.NewReader(header), orderfile.Options{})
			if err != nil {
				t.Fatal(err)
			}
			r, err := datafile.OpenRecords(strings.NewReader(header), datafile.Options{}, kind)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Found(); got[0] != orders.Mapping().Item || got[0] == got[1] {
				t.Errorf("%s: %q, orders have %q", header, got, orders.Mapping().Item)
			}
		}
	}
}
