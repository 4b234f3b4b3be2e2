package dashboard

import (
	"bufio"
	"io"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/alsobought/alsobought/internal/browsertest"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/sample"
)

// sampleOrders are the first lines of those of a made-up shop.
func sampleOrders(t *testing.T) string {
	t.Helper()
	const lines = 30_000
	reader, writer := io.Pipe()
	defer reader.Close()
	go func() {
		_, err := sample.Write(writer, sample.Config{Scale: 1, Seed: 1})
		writer.CloseWithError(err)
	}()
	var b strings.Builder
	scanner := bufio.NewScanner(reader)
	for range lines {
		if !scanner.Scan() {
			t.Fatal(scanner.Err())
		}
		b.WriteString(scanner.Text() + "\n")
	}
	return b.String()
}

func TestOverview(t *testing.T) {
	t.Parallel()
	pool, empty := dbtest.New(t), dbtest.New(t)
	fill(t, pool, sampleOrders(t))
	full, none := serve(t, pool, nil), serve(t, empty, nil)
	b := browsertest.New(t, full.host(), none.host())

	full.signIn(t, b, "read")
	full.inspect(t, b, "/", "overview")
	if browsertest.Eval[bool](t, b, `!!document.querySelector("form[action$='/checks']")`) {
		t.Error("a key that may not write may have all orders read")
	}
	full.signIn(t, b, "admin")
	b.Do(t, chromedp.Click("form[action$='/checks'] button"))
	b.Until(t, `document.querySelector("#checks .pill.good")?.textContent == "No problems found"`)

	none.signIn(t, b, "admin")
	for _, path := range []string{
		"/dashboard/", "/dashboard/item", "/dashboard/item?q=any",
		"/dashboard/basket?item=any",
	} {
		none.inspect(t, b, path, "")
	}
}

// The figures are those of the tables.
func TestOverviewFigures(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	fill(t, pool, sampleOrders(t))
	s := serve(t, pool, nil)
	_, body := s.get(t, "/dashboard/?whole=1", s.session(t, "read"))
	for _, statement := range []string{
		`SELECT count(*) FROM orders`, `SELECT count(*) FROM items`, `SELECT count(*) FROM item_pairs`,
		`SELECT count(*) FROM orders WHERE cardinality(items) BETWEEN 2 AND 100`,
		`SELECT count(DISTINCT other_id) FROM item_neighbours WHERE similar_rank <= 5`,
	} {
		if want := num(scalar(t, pool, statement)); !strings.Contains(body, ">"+want) {
			t.Errorf("%s: no %s on the page", statement, want)
		}
	}
}

func scalar(t *testing.T, pool *pg.Pool, statement string) (n int64) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), statement).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
