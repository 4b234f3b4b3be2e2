package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/dbtest"
)

// TestWrongFiles loads files that are not order files. Each gets a clear one-line error and status 1 or 2, and the
// database stays unchanged.
func TestWrongFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good.csv", []byte("order_id,item_name\n1,a\n1,b\n"))
	for _, c := range []struct {
		name, path string
		says       string // error text after the file name
	}{
		{"missing", filepath.Join(dir, "nothing.csv"), "does not exist"},
		{"directory", dir, "is a directory: name the files in it"},
		{"empty", file("empty.csv", nil), "is empty"},
		{"blank", file("blank.csv", []byte("\n \n")), "is empty"},
		{"header only", file("header.csv", []byte("order_id,item_name\n")), "nothing was loaded"},
		{"no order column", file("columns.csv", []byte("colour,item_name\nred,a\n")), "--order-column"},
		{"no item column", file("items.csv", []byte("order_id,colour\n1,red\n")), "--item-column"},
		{
			"program", file("program", []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x3e\x00")),
			"is a binary file",
		},
		{"zip", file("orders.zip", zipped(t)[:40]), "zip"},
		{"half a gzip", file("half.csv.gz", halfGzipped(t)), "half.csv.gz"},
		{"not UTF-8", file("latin.csv", []byte("order_id,item_name\n1,caf\xe9\n2,th\xe9\n")), "--encoding"},
		{
			"unclosed quote", file("quote.csv", []byte("order_id,item_name\n1,a\n2,\"b\n"+strings.Repeat("3 c\n", 500_000))),
			"line 3",
		},
		{"line of 200 MB", hugeLine(t, filepath.Join(dir, "huge.csv")), "line 2"},
		{"second of two", filepath.Join(dir, "later.csv"), "does not exist"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := dbtest.NewURL(t)
			want(t, url, nil, "load", good)
			before := contents(t, url)
			args := []string{"load", c.path}
			if c.name == "second of two" {
				args = []string{"load", good, c.path}
			}
			e := alsobought(t, url, nil, args...)
			if e.status != exitFailed && e.status != exitUsage {
				t.Errorf("exit status %d, want 1 or 2", e.status)
			}
			if e.stdout != "" || strings.Count(e.stderr, "\n") != 1 || !strings.Contains(e.stderr, c.path) ||
				!strings.Contains(e.stderr, c.says) {
				t.Errorf("printed %q and %q, want one line that names %s and %q", e.stdout, e.stderr, c.path, c.says)
			}
			if diff := cmp.Diff(before, contents(t, url)); diff != "" {
				t.Errorf("the database changed (-before +after):\n%s", diff)
			}
			want(t, url, nil, "doctor")
		})
	}
}

// contents returns every table except the audit of failed loads.
func contents(t testing.TB, url string) map[string]string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	tables := map[string]string{}
	for _, query := range []string{
		"SELECT * FROM items", "SELECT * FROM orders", "SELECT * FROM order_lines", "SELECT * FROM load_files",
		"SELECT * FROM load_rejects",
		"SELECT * FROM builds", "SELECT * FROM item_stats", "SELECT * FROM item_pairs", "SELECT * FROM item_neighbours",
		"SELECT * FROM loads WHERE status <> 'failed'",
		"SELECT * FROM item_attributes",
	} {
		var rows string
		err := conn.QueryRow(t.Context(), "SELECT coalesce(string_agg(q::text, chr(10) ORDER BY q::text), '') FROM ("+
			query+") AS q").Scan(&rows)
		if err != nil {
			t.Fatal(err)
		}
		tables[query] = rows
	}
	return tables
}

func zipped(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create("orders.csv")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, "order_id,item_name\n1,a\n"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func halfGzipped(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, "order_id,item_name\n"+strings.Repeat("1,a\n2,b\n", 10_000)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()[:b.Len()/2]
}

func hugeLine(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	chunk := bytes.Repeat([]byte("x"), 1<<20)
	_, err = f.WriteString("order_id,item_name\n1,")
	for range 200 {
		if err == nil {
			_, err = f.Write(chunk)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}
