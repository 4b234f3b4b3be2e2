package load_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/doctor"
	"github.com/alsobought/alsobought/internal/load"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(childURL); url != "" {
		os.Exit(childMain(url))
	}
	dbtest.Main(m)
}

// options allow loading the same bytes again, which most tests do not care about.
var options = load.Options{Again: true, LoadedBy: "tester", Version: "test"}

// content is a source with the given bytes.
func content(name string, data []byte) load.Source {
	return load.Source{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
}

// reading is a source that reads from r.
func reading(name string, r io.Reader) load.Source {
	return load.Source{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(r), nil }}
}

// mustRun runs a load and fails the test on error.
func mustRun(t *testing.T, pool *pgxpool.Pool, sources ...load.Source) load.Result {
	t.Helper()
	result, err := load.Run(t.Context(), pool, sources, options)
	if err != nil {
		t.Fatal(err)
	}
	if result.RowsRead != result.RowsLoaded+result.RowsDuplicate+result.RowsNotBought+result.RowsRejected {
		t.Errorf("rows do not add up: %+v", result.Load)
	}
	return result
}

// manyRows returns a table of n good rows, three per order, each order with a different mix of items and without
// repeated lines. The last row of every thousand is a reject.
func manyRows(n int) []byte {
	var b bytes.Buffer
	b.WriteString("order_id,item_name,quantity\n")
	for i := range n {
		quantity := i%7 + 1
		if i%1000 == 999 {
			quantity = 0
		}
		fmt.Fprintf(&b, "o%d,item %d,%d\n", i/3, (i*7919)%5000+i%3*5000, quantity)
	}
	return b.Bytes()
}

// state returns a fingerprint of every table that a load writes except the audit: equal states mean equal rows.
func state(t *testing.T, pool *pgxpool.Pool) map[string]string {
	t.Helper()
	got := map[string]string{}
	for table, key := range map[string]string{
		"items": "item_id", "orders": "order_id", "order_lines": "order_id, item_id",
		"known_orders": "order_id, load_id", "known_lines": "order_id, item_id, load_id",
		"returned_lines": "order_id, item_id, load_id",
		"load_rejects":   "load_id, row_number", "load_files": "load_id, file_number",
	} {
		rows := texts(t, pool, "SELECT x::text FROM "+table+" AS x ORDER BY "+key)
		sum := sha256.New()
		for _, row := range rows {
			fmt.Fprintln(sum, row)
		}
		got[table] = fmt.Sprintf("%d rows %x", len(rows), sum.Sum(nil))
	}
	return got
}

// texts returns the rows of a query with one text column.
func texts(t *testing.T, pool *pgxpool.Pool, query string, args ...any) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// assertSame fails the test unless the data is unchanged.
func assertSame(t *testing.T, pool *pgxpool.Pool, before map[string]string) {
	t.Helper()
	if diff := cmp.Diff(before, state(t, pool)); diff != "" {
		t.Errorf("the data changed (-before +after):\n%s", diff)
	}
}

// assertHealthy fails the test if doctor finds anything.
func assertHealthy(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	findings, checks, err := doctor.Run(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	if checks == 0 || len(findings) > 0 {
		t.Errorf("doctor made %d checks and found %v", checks, findings)
	}
}

// audit describes the rows of loads, oldest first.
func audit(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	return texts(t, pool, "SELECT l.status || coalesce(': ' || l.error, '') FROM loads AS l ORDER BY l.load_id")
}
