package dashboard

import (
	"fmt"
	"strings"
	"testing"

	"github.com/alsobought/alsobought/internal/browsertest"
	"github.com/alsobought/alsobought/internal/dbtest"
)

func TestDataQuality(t *testing.T) {
	t.Parallel()
	pool, odd, empty := dbtest.New(t), dbtest.New(t), dbtest.New(t)
	fill(t, pool, sampleOrders(t))
	orders := hostileOrders()
	for i := range 25 {
		orders += strings.ReplaceAll("b#,Bag\nb#,n/a\nx#,Bag\n1.2E+1#,Bag\n", "#", string(rune('a'+i)))
	}
	orders += "y1,Bag\ny1,Milk\ny2,Bag\ny2,MILK\n"
	for i := range 101 {
		orders += fmt.Sprintf("huge,thing %d\n", i)
	}
	fill(t, odd, orders)
	for _, statement := range []string{
		`INSERT INTO items (name) VALUES ('Never sold'), ('Never sold, and off')`,
		`INSERT INTO item_attributes (item_id, category, active, source, changed_by)
			SELECT item_id, 'Food', name NOT LIKE '%off', 'test', 'test' FROM items WHERE name LIKE 'Never%' OR name = 'Bag'`,
	} {
		if _, err := odd.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	s, strange, none := serve(t, pool, nil), serve(t, odd, nil), serve(t, empty, nil)
	b := browsertest.New(t, s.host(), strange.host(), none.host())
	none.signIn(t, b, "read")
	none.inspect(t, b, "/dashboard/quality", "")
	s.signIn(t, b, "read")
	s.inspect(t, b, "/dashboard/quality", "quality")
	strange.signIn(t, b, "read")
	strange.inspect(t, b, "/dashboard/quality", "")
	b.Until(t, `!!document.querySelector("#ids")`)
	section := func(id string) string {
		return browsertest.Eval[string](t, b, `document.querySelector("#`+id+`").closest("section").innerText`)
	}
	for id, want := range map[string][]string{
		"near": {"Milk", "MILK"}, "items": {"n/a", "Bag"}, "ids": {"null", "huge"}, "lonely": {"lonely"},
		"missing": {"n/a"}, "unsold": {"Never sold", "inactive"},
	} {
		for _, text := range want {
			if got := section(id); !strings.Contains(got, text) {
				t.Errorf("%s does not name %q: %s", id, text, got)
			}
		}
	}
	if got := section("missing"); strings.Contains(got, "Bag") {
		t.Errorf("an item of the catalogue is missing in it: %s", got)
	}
}
