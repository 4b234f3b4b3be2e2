package main

import (
	"encoding/csv"
	"maps"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/oracle"
)

// TestEqualBytes asks every question, restarts the private PostgreSQL, then backs it up and restores it into another
// server. Equal requests must get equal bytes.
func TestEqualBytes(t *testing.T) { //nolint:tparallel // its servers run one after the other
	t.Parallel()
	dir := filepath.Join(openTempDir(t), "data")
	shapes := oracle.Shapes()
	shape := shapes[slices.IndexFunc(shapes, func(s oracle.Shape) bool { return s.Odd })]
	shape.Orders = 200
	orders := oracle.Random(rand.New(rand.NewPCG(1, 0)), shape)
	items := itemsOf(orders)
	setScene(t, dir, orders, items)
	requests := everyQuestion(orders, items)

	first := answersOf(t, requests, "--data-dir", dir)
	ruled := 0
	for path, answer := range first {
		if strings.Contains(answer, `"rules":[`) || strings.Contains(answer, `"inactive_left_out"`) ||
			strings.Contains(answer, `"category"`) {
			ruled++
		}
		if !strings.Contains(answer, "build_id") {
			t.Errorf("%s: %s", path, answer)
		}
	}
	if ruled == 0 {
		t.Error("neither rules nor the catalogue have a part in any answer")
	}

	// The private server stopped with its only user, so this starts a new one on the same data.
	if diff := cmp.Diff(first, answersOf(t, requests, "--data-dir", dir)); diff != "" {
		t.Errorf("(-before the restart +after):\n%s", diff)
	}
	if diff := cmp.Diff(first, answersOf(t, requests, "--data-dir", restored(t, dir))); diff != "" {
		t.Errorf("(-before the dump +restored):\n%s", diff)
	}
}

func itemsOf(orders oracle.Orders) []string {
	all := map[string]bool{}
	for _, items := range orders {
		maps.Copy(all, items)
	}
	return slices.Sorted(maps.Keys(all))
}

// setScene makes two builds of different settings and orders, a catalogue, and rules of every kind.
func setScene(t *testing.T, dir string, orders oracle.Orders, items []string) {
	t.Helper()
	parts := [2]strings.Builder{}
	writers := [2]*csv.Writer{csv.NewWriter(&parts[0]), csv.NewWriter(&parts[1])}
	for _, w := range writers {
		_ = w.Write([]string{"order_id", "item_name", "ordered_at"}) // a strings.Builder never fails
	}
	for n, id := range slices.Sorted(maps.Keys(orders)) {
		at := time.Date(2026, 1, 1, n%24, 0, 0, 0, time.UTC).AddDate(0, 0, n/2).Format(time.RFC3339)
		for _, item := range slices.Sorted(maps.Keys(orders[id])) {
			_ = writers[n%2].Write([]string{id, item, at})
		}
	}
	flags := []string{"--data-dir", dir}
	for i, w := range writers {
		w.Flush()
		want(t, "", strings.NewReader(parts[i].String()), append([]string{"load", "--no-build", "-"}, flags...)...)
		build := []string{"build", "--shrinkage", strconv.Itoa(5 + 10*i), "--half-life-days", strconv.Itoa(30 * i)}
		want(t, "", nil, append(build, flags...)...)
	}
	catalogue := `INSERT INTO item_attributes (item_id, category, label, price, active, source, changed_by)
		SELECT item_id, CASE WHEN item_id % 3 > 0 THEN 'category ' || item_id % 3 END, 'label of ' || name, item_id / 7.0,
		item_id % 11 > 0, 'test', 'test'
		FROM items`
	want(t, "", nil, append(append([]string{"psql"}, flags...), "-qc", catalogue)...)
	for _, rule := range [][]string{
		{"hide", items[3], "--for", items[0]},
		{"pin", items[5], items[6], "--for", items[1]},
		{"apart", items[7], items[8], items[9]},
		{"allow", items[10], items[11], items[12], items[13], "--for", items[2]},
	} {
		args := append([]string{"rules", "add", "--reason", "test"}, flags...)
		if i := slices.Index(rule, "--for"); i > 0 {
			args = append(args, "--for="+rule[i+1])
			rule = rule[:i]
		}
		want(t, "", nil, append(append(args, "--"), rule...)...)
	}
}

// request is an HTTP request: a path and, for a POST, a body.
type request struct{ path, body string }

func everyQuestion(orders oracle.Orders, items []string) (requests []request) {
	get := func(path string, query ...string) {
		values := url.Values{}
		for i := 0; i < len(query); i += 2 {
			values.Add(query[i], query[i+1])
		}
		requests = append(requests, request{path: path + "?" + values.Encode()})
	}
	get("popular-items", "limit", "100")
	for _, item := range items {
		get("similar-items", "item", item)
	}
	for _, build := range []string{"1", "2"} {
		get("popular-items", "limit", "100", "build_id", build)
		get("popular-items", "limit", "100", "build_id", build, "category", "category 1")
		for _, days := range []string{"1", "7", "365"} {
			get("popular-items", "limit", "100", "build_id", build, "days", days)
		}
		for i, item := range items {
			get("explain", "item", item, "other", items[(i+1)%len(items)], "build_id", build)
			for m, measure := range []string{"affinity", "count", "confidence", "cosine", "jaccard", "lift"} {
				if i%2 == m%2 {
					get("similar-items", "item", item, "limit", "100", "measure", measure, "build_id", build)
				}
				if i%6 == m {
					get("similar-items", "item", item, "measure", measure, "build_id", build, "strict", "true", "min_support", "2",
						"min_confidence", "0.1")
					get("similar-items", "item", item, "measure", measure, "build_id", build, "category",
						"category 2", "exclude", items[0])
					requests = append(requests, request{"basket-recommendations", `{"items":[` + quoted(item) + "," +
						quoted(items[(i+5)%len(items)]) + "," +
						quoted(items[(i+9)%len(items)]) + `],"limit":100,"measure":"` + measure + `","build_id":` + build + `}`})
				}
			}
		}
		for n, id := range slices.Sorted(maps.Keys(orders)) {
			if n%20 == 0 {
				get("recommendations/"+url.PathEscape(id), "build_id", build)
			}
		}
	}
	return requests
}

// quoted returns s as a JSON string, which strconv.Quote does not for all names.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}

// answersOf serves the private database, sends the requests, and stops the server.
func answersOf(t *testing.T, requests []request, flags ...string) map[string]string {
	t.Helper()
	answers := map[string]string{}
	t.Run("served", func(t *testing.T) {
		base := served(t, "", flags...)
		for _, r := range requests {
			answers[r.path+" "+r.body] = fetch(t, base+"/api/v1/"+r.path, r.body)
		}
	})
	return answers
}

// restored backs up the private database of dir, restores it into a new server, and returns that server's directory.
func restored(t *testing.T, dir string) string {
	t.Helper()
	backups, to := t.TempDir(), filepath.Join(openTempDir(t), "other")
	want(t, "", nil, "backup", "--data-dir", dir, "--backup-dir", backups)
	drill := want(t, "", nil, "drill", "--data-dir", dir, "--backup-dir", backups)
	if !strings.Contains(drill, "the backup is good") ||
		!strings.Contains(drill, "unchanged: every table has as many rows as in the backup") {
		t.Errorf("the drill says:\n%s", drill)
	}
	made, err := filepath.Glob(filepath.Join(backups, "alsobought-*Z"))
	if err != nil || len(made) != 1 {
		t.Fatalf("backups: %q, error %v", made, err)
	}
	want(t, "", nil, "restore", "--data-dir", to, made[0])
	want(t, "", nil, "doctor", "--data-dir", to)
	want(t, "", nil, "psql", "--data-dir", to, "-qc", "SET ROLE alsobought_reporting; TABLE reporting.builds")
	return to
}
