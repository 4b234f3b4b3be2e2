package load_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/orderfile"
)

// A bad first file is refused before anything reaches the database: there is no audit row either.
func TestWrongFirstFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, c := range map[string]struct {
		source load.Source
		want   string
	}{
		"missing": {
			load.Source{Open: func() (io.ReadCloser, error) { return os.Open(filepath.Join(dir, "no")) }}, "no such file",
		},
		"a directory": {
			load.Source{Name: "dir", Open: func() (io.ReadCloser, error) { return os.Open(dir) }}, "is a directory",
		},
		"empty":           {content("f", nil), "f is empty"},
		"blank":           {content("f", []byte(" \n\n ")), "f is empty"},
		"header only":     {content("f", []byte("order_id,item_name\n")), "f: no rows"},
		"no order column": {content("f", []byte("a,item\n1,2\n")), "no order column"},
		"no item column":  {content("f", []byte("order,b\n1,2\n")), "no item column"},
		"binary": {
			content("f", []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00,\x00\n\x00\x01\x00")), "f is a binary file",
		},
		"a spreadsheet":     {content("f", []byte("PK\x03\x04\x14\x00")), "is a damaged zip archive"},
		"not UTF-8":         {content("f", []byte("order,item\n1,caf\xe9\n2,th\xe9\n")), "UTF-8"},
		"an unclosed quote": {content("f", []byte("order,item\n1,\"x\n2 y\n")), "a quote opened here is never closed"},
		"one endless row":   {reading("f", io.LimitReader(endless{}, 200<<20)), "f: line 1 is longer than 1 MiB"},
		"one endless field": {
			reading("f", io.MultiReader(strings.NewReader("order,item\n1,"), io.LimitReader(endless{}, 200<<20))),
			"line 2 is longer than 1 MiB",
		},
		"damaged gzip": {content("f", []byte("\x1f\x8b\x08\x00garbage, no gzip data")), "f "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := loadedBefore(t)
			before := state(t, pool)
			_, err := load.Run(t.Context(), pool, []load.Source{c.source, content("good.csv", manyRows(10))}[:1], options)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error is %v, want one line with %q", err, c.want)
			}
			if errors.Is(err, load.ErrNoRows) != (name == "header only") {
				t.Errorf("error is %v", err)
			}
			assertSame(t, pool, before)
			if diff := cmp.Diff([]string{"loaded"}, audit(t, pool)); diff != "" {
				t.Errorf("audit (-want +got):\n%s", diff)
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestNoSource(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	if _, err := load.Run(t.Context(), pool, nil, options); err == nil {
		t.Error("a load of nothing worked")
	}
	if got := audit(t, pool); len(got) != 0 {
		t.Errorf("audit: %q", got)
	}
}

// Among other files, one with only a header is a file without rows, not an error.
func TestHeaderOnlyAmongOthers(t *testing.T) {
	t.Parallel()
	pool, header := dbtest.New(t), content("header.csv", []byte("order_id,item_name\n"))
	got := mustRun(t, pool, header, content("a.csv", []byte("order,item\n1,x\n")), header)
	want := []string{"header.csv 0 0", "a.csv 1 0", "header.csv 0 0"}
	files := texts(t, pool, "SELECT concat_ws(' ', f.name, f.rows_read, f.rows_rejected) FROM load_files AS f WHERE "+
		"f.load_id = $1 ORDER BY f.file_number", got.LoadID)
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, err := load.Run(t.Context(), pool, []load.Source{header, header}, options)
	if !errors.Is(err, load.ErrNoRows) {
		t.Errorf("error is %v, want ErrNoRows", err)
	}
	if diff := cmp.Diff([]string{"loaded"}, audit(t, pool)); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

// The first row, which is read before the load starts, counts once, even if it is a reject.
func TestFirstRowCounts(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	got := mustRun(t, pool, content("a.csv", []byte("order,item\n,x\n1,y\n")))
	if diff := cmp.Diff(counts{Read: 2, Loaded: 1, Rejected: 1, Orders: 1, Items: 1}, countsOf(got.Load)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The audit accepts every possible name of a file or a column, and errors that contain it.
func TestNamesThatAreNoText(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	mustRun(t, pool, content("caf\xe9.csv", []byte("order,item\n1,x\n")))
	mustRun(t, pool, content("keys.jsonl", []byte(`{"order":"1","item":"y","odd\u0000key":1}`+"\n")))
	broken := append(manyRows(100_000), "o1,\"never closed"...)
	if _, err := load.Run(t.Context(), pool, []load.Source{content("caf\xe9.csv", broken)}, options); err == nil {
		t.Error("a file with an unclosed quote was loaded")
	}
	want := []string{"caf\uFFFD.csv loaded", "keys.jsonl loaded", "caf\uFFFD.csv failed"}
	if diff := cmp.Diff(want,
		texts(t, pool, "SELECT l.source || ' ' || l.status FROM loads AS l ORDER BY l.load_id")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Options reach the reader, and errors in them reach the caller.
func TestFileOptions(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	opts := options
	opts.File = orderfile.Options{Options: datafile.Options{Format: datafile.Pipe, Columns: []string{"item", "order"}}}
	result, err := load.Run(t.Context(), pool, []load.Source{content("p", []byte("x|1\ny|1\n"))}, opts)
	if err != nil || result.RowsLoaded != 2 || result.OrdersAdded != 1 || len(result.Files) != 1 ||
		!bytes.Contains(result.Files[0].Mapping, []byte(`"format":"pipe"`)) {
		t.Errorf("error %v, result %+v", err, result)
	}
	opts.File.Format = "xml"
	if _, err := load.Run(t.Context(), pool, []load.Source{content("p", []byte("x|1\n"))}, opts); err == nil {
		t.Error("format xml was taken")
	}
}
