package main

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/alsobought/alsobought/internal/dbtest"
)

// TestMeasure measures everything with few orders, and counts them in plain Go.
func TestMeasure(t *testing.T) {
	t.Parallel()
	orders := randomOrders()
	const runs = 2
	path := writeOrders(t, orders)
	more := more{filepath.Join(t.TempDir(), "more.csv"), int64(len(orders) / 10)}
	if err := writeMore(more, path); err != nil {
		t.Fatal(err)
	}
	got, err := measure(t.Context(), testServer(t), plan{
		orders: path, more: more, runs: runs, each: 5 * time.Millisecond, note: func(line string) { t.Log(line) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(count(orders), got.counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if got.FileBytes == 0 || got.PostgreSQL == "" || got.Runs != runs {
		t.Errorf("report says %d bytes, PostgreSQL %q, %d runs", got.FileBytes, got.PostgreSQL, got.Runs)
	}

	wantPhases := []string{"read", "copy", "merge", "load, rest", "build", "statistics", "pairs", "neighbours", total}
	if diff := cmp.Diff(wantPhases, names(t, got.Phases, runs)); diff != "" {
		t.Fatalf("phases (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"load", "delta build", total}, names(t, got.Delta, runs)); diff != "" {
		t.Errorf("delta (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{floor, simple}, names(t, got.Compared, runs)); diff != "" {
		t.Errorf("compared (-want +got):\n%s", diff)
	}
	for n := range runs {
		sum := 0.0
		for _, p := range got.Phases[1:5] { // copy to build; the steps of the build overlap
			sum += p.Seconds[n]
		}
		if want := got.Phases[len(got.Phases)-1].Seconds[n]; math.Abs(sum-want) > 1e-9 {
			t.Errorf("run %d: the phases take %v s, all of it %v s", n+1, sum, want)
		}
	}
	if len(got.Ratios) != 2 || got.Ratios[0].To != floor || got.Ratios[1].To != simple {
		t.Errorf("ratios: %+v", got.Ratios)
	}

	many := 4 * runtime.GOMAXPROCS(0)
	var want, questions []string
	for _, over := range []string{"in process", "HTTP"} {
		for _, question := range []string{"similar", "basket", "popular"} {
			for _, goroutines := range []int{1, many} {
				want = append(want, fmt.Sprintf("%s %s %d", question, over, goroutines))
			}
		}
	}
	for _, q := range got.Questions {
		questions = append(questions, fmt.Sprintf("%s %s %d", q.Question, q.Over, q.Goroutines))
		if q.Requests < q.Goroutines || !(q.PerSecond > 0) || !(q.P50Seconds > 0) || q.P99Seconds < q.P50Seconds {
			t.Errorf("%+v", q)
		}
	}
	if diff := cmp.Diff(want, questions); diff != "" {
		t.Errorf("questions (-want +got):\n%s", diff)
	}
}

func TestMeasureRefuses(t *testing.T) {
	t.Parallel()
	// 101 items are too many for a counted basket: the build leaves the order out, the simplest way does not.
	roll := []string{}
	for i := range 101 {
		roll = append(roll, fmt.Sprint("item ", i))
	}
	for _, c := range []struct {
		name   string
		orders [][]string
		says   string
	}{
		{"what is not counted alike", [][]string{{"a", "b"}, roll}, "they do not do the same"},
		{"rejects", [][]string{{"a", "b"}, {""}}, "line 4"},
		{"no pair to ask about", [][]string{{"a"}, {"b"}}, "nothing to ask about"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := measure(t.Context(), testServer(t), plan{
				orders: writeOrders(t, c.orders), runs: 1, each: time.Millisecond, note: func(string) {},
			})
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error is %v, want one that says %q", err, c.says)
			}
		})
	}
}

func TestFloorCopiesTheLines(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.NewEmptyURL(t)
	var took timings
	path := writeOrders(t, [][]string{{"a", "b"}, {"b"}, {"c", "a"}})
	if err := runFloor(t.Context(), databaseURL, path, &took); err != nil {
		t.Fatal(err)
	}
	var got [][2]int32
	err := connected(t.Context(), databaseURL, func(conn *pgx.Conn) error {
		rows, err := conn.Query(t.Context(), "SELECT order_number, item_number FROM numbered_lines ORDER BY ctid")
		if err != nil {
			return err
		}
		got, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (line [2]int32, err error) {
			err = row.Scan(&line[0], &line[1])
			return line, err
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][2]int32{{1, 1}, {1, 2}, {2, 2}, {3, 3}, {3, 1}}, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestWithDatabaseLeavesNothing(t *testing.T) {
	t.Parallel()
	on, failed := testServer(t), errors.New("no good")
	var left string
	err := on.withDatabase(t.Context(), func(databaseURL string) error {
		left = databaseURL
		return connected(t.Context(), databaseURL, func(*pgx.Conn) error { return failed })
	})
	if !errors.Is(err, failed) {
		t.Errorf("error is %v, want that of the work", err)
	}
	err = connected(t.Context(), left, func(*pgx.Conn) error { return nil })
	const unknownDatabase = "3D000"
	if server := new(pgconn.PgError); !errors.As(err, &server) || server.Code != unknownDatabase {
		t.Errorf("the database is there still: %v", err)
	}
}

func TestWrongAnswersAreErrors(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	for _, a := range overHTTP(server.URL, server.Client()) {
		if err := a.ask(t.Context(), []string{"a"}); err == nil || !strings.Contains(err.Error(), "status 404") {
			t.Errorf("%s: error is %v, want status 404", a.question, err)
		}
	}
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, c := range []struct {
		name   string
		sorted []time.Duration
		p      int
		want   time.Duration
	}{
		{"half of a hundred", hundred, 50, 50},
		{"99 of a hundred", hundred, 99, 99},
		{"all of a hundred", hundred, 100, 100},
		{"half of three", []time.Duration{1, 2, 3}, 50, 2},
		{"99 of three", []time.Duration{1, 2, 3}, 99, 3},
		{"of one", []time.Duration{7}, 1, 7},
	} {
		if got := percentile(c.sorted, c.p); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{3, 1}, 2},
		{[]float64{9, 1, 4}, 4},
		{[]float64{4, 1, 9, 2}, 3},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.values, got, c.want)
		}
	}
}

// TestPeakBytes holds more memory than everything else here together and looks whether it is seen.
func TestPeakBytes(t *testing.T) {
	t.Parallel()
	want := int64(256 << 20)
	resetPeak()
	held := make([]byte, want)
	for i := range held {
		held[i] = 1
	}
	got := peakBytes()
	runtime.KeepAlive(held)
	if runtime.GOOS != "linux" {
		want = 0
	}
	if got < want || (want == 0 && got > 0) {
		t.Errorf("peak is %d bytes, want at least %d", got, want)
	}
}

func testServer(t *testing.T) *server {
	t.Helper()
	return &server{url: dbtest.NewEmptyURL(t), close: func() error { return nil }}
}

// randomOrders are dense enough that many an item has more than the 50 neighbours that are kept.
func randomOrders() [][]string {
	random := rand.New(rand.NewPCG(1, 2))
	orders := make([][]string, 300)
	for n := range orders {
		for _, item := range random.Perm(80)[:1+random.IntN(20)] {
			orders[n] = append(orders[n], fmt.Sprintf("item, \"no.\" %d/%d", item, item%7))
		}
	}
	return orders
}

// writeOrders writes the columns of the sample.
func writeOrders(t *testing.T, orders [][]string) (path string) {
	t.Helper()
	var text strings.Builder
	text.WriteString("order_id,item_name,quantity,ordered_at,customer_id\n")
	for n, items := range orders {
		for _, item := range items {
			fmt.Fprintf(&text, "R%d,\"%s\",1,2026-01-02T03:04:05Z,C1\n", n, strings.ReplaceAll(item, `"`, `""`))
		}
	}
	path = filepath.Join(t.TempDir(), "orders.csv")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// count counts orders of distinct items, none of them too large for a counted basket.
func count(orders [][]string) counts {
	var c counts
	others := map[string]map[string]bool{}
	for _, items := range orders {
		c.Lines += int64(len(items))
		for _, a := range items {
			if others[a] == nil {
				others[a] = map[string]bool{}
			}
			for _, b := range items {
				if a != b {
					others[a][b] = true
				}
			}
		}
	}
	for _, o := range others {
		c.Items++
		c.Pairs += int64(len(o))
		c.Neighbours += int64(min(len(o), 50))
	}
	c.Pairs /= 2 // each was seen from both sides
	return c
}

func names(t *testing.T, list []timing, runs int) (all []string) {
	t.Helper()
	for _, l := range list {
		all = append(all, l.Name)
		if len(l.Seconds) != runs || l.Min > l.Median || l.Median > l.Max {
			t.Errorf("%+v", l)
		}
	}
	return all
}
