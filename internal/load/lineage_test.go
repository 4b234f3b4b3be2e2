package load_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
)

// baskets loads lists without order ids and returns the number of orders in the database afterwards.
func baskets(t *testing.T, pool *pgxpool.Pool, sources ...load.Source) int {
	t.Helper()
	opts := options
	opts.File.Format = datafile.Baskets
	if _, err := load.Run(t.Context(), pool, sources, opts); err != nil {
		t.Fatal(err)
	}
	return len(texts(t, pool, "SELECT external_id FROM orders"))
}

// TestBasketsOfOneName loads several lists of the same name. An extended list adds only its new lines; a list with a
// different beginning is a different list.
func TestBasketsOfOneName(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	list := func(path, text string) load.Source { return content(path, []byte(text)) }
	long := strings.Repeat("tea,milk,sugar\n", 6000) // longer than the beginning that is compared
	for _, step := range []struct {
		what    string
		sources []load.Source
		orders  int
	}{
		{
			"two directories", []load.Source{
				list("jan/o.txt", "tea,milk\ntea,bread\n"),
				list("feb/o.txt", "tea,wine\nmilk,bread\n"),
			}, 4,
		},
		{"appended", []load.Source{list("jan/o.txt", "tea,milk\ntea,bread\njam,milk\n")}, 5},
		{
			"appended to what was appended, elsewhere",
			[]load.Source{list("o.txt", "tea,milk\ntea,bread\njam,milk\njam,tea\n")},
			6,
		},
		{"the other one", []load.Source{list("feb/o.txt", "tea,wine\nmilk,bread\nwine,jam\n")}, 7},
		{
			"overwritten, with the same first line",
			[]load.Source{list("jan/o.txt", "tea,milk\nwine,milk\nwine,tea\nwine,jam\n")},
			11,
		},
		{"another name", []load.Source{list("x.txt", "tea,milk\n")}, 12},
		{"stdin", []load.Source{list("stdin", "tea,milk\n")}, 13},
		{"stdin again", []load.Source{list("stdin", "wine,milk\n")}, 14},
		{"long", []load.Source{list("l.txt", long)}, 6014},
		{"long and appended", []load.Source{list("l.txt", long+"tea,jam\n")}, 6015},
	} {
		if got := baskets(t, pool, step.sources...); got != step.orders {
			t.Errorf("%s: %d orders, want %d", step.what, got, step.orders)
		}
	}
	assertHealthy(t, pool)
}

// TestBasketsOfBefore extends lists loaded when order ids were made from the name alone.
func TestBasketsOfBefore(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	path := filepath.Join(t.TempDir(), "o.txt")
	write := func(text string) load.Source {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return load.Source{Name: path, Open: func() (io.ReadCloser, error) { return os.Open(path) }}
	}
	long := strings.Repeat("tea,milk,sugar\n", 6000)
	baskets(t, pool, write(long), content("p.txt", []byte("tea,milk\n")))
	for _, statement := range []string{
		`UPDATE orders SET external_id = regexp_replace(external_id, '~[0-9a-f]{8}', '')`,
		`UPDATE load_files SET mapping = mapping - 'lineage'`,
	} {
		if _, err := pool.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for i, more := range []string{"tea,jam\n", "tea,jam\nmilk,jam\n"} {
		if got := baskets(t, pool, write(long+more)); got != 6002+i {
			t.Errorf("%d orders, want %d", got, 6002+i)
		}
	}
	if got := baskets(t, pool, content("p.txt", []byte("tea,milk\ntea,jam\n"))); got != 6004 {
		t.Errorf("a stream: %d orders, want 6004", got)
	}
	old := texts(t, pool, `SELECT external_id FROM orders WHERE external_id ~ ':(6002|2)$' ORDER BY 1`)
	if want := "[o.txt:2 o.txt:6002 p.txt:2]"; fmt.Sprint(old) != want {
		t.Errorf("ids %v, want %s", old, want)
	}
}
