package load_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
)

// TestNotUnderstood expects a load and a rehearsal to refuse files of which hardly anything can be read.
func TestNotUnderstood(t *testing.T) {
	t.Parallel()
	rows := func(n int, row string) string { return strings.Repeat(row+"\n", n) }
	const header, mend = "order,item,time\n", "order_id,item_name,file_number,line_number,reason,detail,raw\n"
	for _, c := range []struct{ name, text, want string }{
		{"no row", header + rows(3, "1,,"), "0 of 3 rows are valid; 3 are missing_item, such as line 2 (no item)"},
		{
			"nearly none", header + rows(2, "1,a,") + rows(8, ",a,") + rows(13, "1,,"),
			"2 of 23 rows are valid; 13 are missing_item, such as line 12 (no item)",
		},
		{"a tenth", header + rows(2, "1,a,") + rows(18, "1,,"), ""},
		{"none of the rejects is mended", mend + rows(20, "1,,1,1,missing_item,no item,1"), "0 of 20 rows are valid"},
		{"one of them is", mend + "1,a,1,1,missing_item,no item,1\n" + rows(20, "1,,1,1,missing_item,no item,1"), ""},
	} {
		source := content("f.csv", []byte(c.text))
		found, err := load.Rehearse(t.Context(), []load.Source{source}, load.Options{})
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if !errors.Is(err, load.ErrNotUnderstood) ||
			!strings.HasPrefix(err.Error(), "a load would be refused: f.csv: not understood: "+c.want) ||
			found.Refused == nil || found.RowsRejected == 0 {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
	pool := dbtest.New(t)
	good := content("g.csv", []byte("order,item\n1,a\n"))
	before := state(t, pool)
	_, err := load.Run(t.Context(), pool, []load.Source{good, content("f.csv", []byte(header+rows(3, "1,,")))}, options)
	if !errors.Is(err, load.ErrNotUnderstood) || !strings.HasSuffix(err.Error(), "--item-column; nothing was loaded") {
		t.Errorf("got %v", err)
	}
	assertSame(t, pool, before)
}
