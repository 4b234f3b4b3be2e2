package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/dbtest"
)

// allLines is a query for every line that is bought.
const allLines = `SELECT external_id, name, trim_scale(quantity) FROM order_lines JOIN orders USING (order_id) JOIN items USING (item_id)
	ORDER BY external_id COLLATE "C", name COLLATE "C"`

// TestRejectsMended loads rows that are refused for their quantity, and then what loads rejects writes, after a
// spreadsheet has changed the quantities alone. The names have to come back as they were, also those that a spreadsheet
// would run.
func TestRejectsMended(t *testing.T) {
	t.Parallel()
	url := dbtest.NewURL(t)
	names := []string{"=1+1", "+tea", "-10 %", "@home", "'=quoted", "''-twice", "'plain'", "tea, \"green\"", "007", "a=b"}
	var file, lines strings.Builder
	w := csv.NewWriter(&file)
	write := func(row ...string) {
		if err := w.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	write("order_id", "item_name", "quantity", "customer_id")
	write("=A1", "cup", "1", "+1")
	for i, name := range names {
		write("=A1", "cup", "1", "+1") // more good quantities than bad ones, or they would be left out
		write(fmt.Sprintf("-%d", i), name, "many", "@"+name)
		fmt.Fprintf(&lines, "-%d|%s|1\n", i, name)
	}
	w.Flush()
	fmt.Fprintf(&lines, "=A1|cup|%d\n", 1+len(names))

	want(t, url, strings.NewReader(file.String()), "load", "--no-build", "-")
	rejects := want(t, url, nil, "loads", "rejects", "1")
	rows, err := csv.NewReader(strings.NewReader(rejects)).ReadAll()
	if err != nil || len(rows) != len(names)+1 {
		t.Fatalf("%v: %s", err, rejects)
	}
	mended := filepath.Join(t.TempDir(), "mended.csv")
	out, err := os.Create(mended)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w = csv.NewWriter(out)
	for n, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
				t.Errorf("a spreadsheet would run %q", cell)
			}
		}
		if n > 0 {
			row[2] = "1"
		}
		write(row...)
	}
	w.Flush()
	want(t, url, nil, "load", "--no-build", mended)
	if diff := cmp.Diff(lines.String(), want(t, url, nil, "psql", "-At", "-c", allLines)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	customers := want(t, url, nil, "psql", "-At", "-c", `SELECT count(*) FROM orders WHERE customer_id = '@=1+1' OR customer_id = '+1'`)
	if customers != "2\n" {
		t.Errorf("%s customers as they were", customers)
	}
}
