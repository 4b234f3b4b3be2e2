package catalogue_test

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/catalogue"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/doctor"
	"github.com/alsobought/alsobought/internal/load"
)

// patience bounds every wait of the tests; only a hang takes that long.
const patience = 2 * time.Minute

func TestMain(m *testing.M) { dbtest.Main(m) }

var options = catalogue.Options{ChangedBy: "tester"}

// content is a source with the given text.
func content(name, text string) catalogue.Source {
	return catalogue.Source{
		Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
	}
}

// reading is a source that reads from r.
func reading(name string, r io.Reader) catalogue.Source {
	return catalogue.Source{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(r), nil }}
}

func mustLoad(t *testing.T, pool *pgxpool.Pool, opts catalogue.Options, sources ...catalogue.Source) catalogue.Result {
	t.Helper()
	result, err := catalogue.Load(t.Context(), pool, sources, opts)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// mustOrder loads orders and returns the id of the load.
func mustOrder(t *testing.T, pool *pgxpool.Pool, csv string) int64 {
	t.Helper()
	source := load.Source{
		Name: "orders.csv", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(csv)), nil },
	}
	result, err := load.Run(t.Context(), pool, []load.Source{source}, load.Options{
		Again: true, LoadedBy: "tester", Version: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	return result.LoadID
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

// state returns every row that a catalogue load may change.
func state(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	return texts(t, pool, "SELECT i::text FROM items AS i UNION ALL SELECT a::text FROM item_attributes AS a ORDER BY 1")
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

// gate blocks readers at the end of their data until the expected number of readers have got there.
type gate struct{ missing sync.WaitGroup }

func newGate(readers int) *gate {
	g := &gate{}
	g.missing.Add(readers)
	return g
}

func (g *gate) atEnd(text string) io.Reader {
	arrive, r := sync.OnceFunc(g.missing.Done), bytes.NewReader([]byte(text))
	return readerFunc(func(p []byte) (int, error) {
		n, err := r.Read(p)
		if err == io.EOF {
			arrive()
			g.missing.Wait()
		}
		return n, err
	})
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
