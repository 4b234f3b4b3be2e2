package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
)

// TestOneAnswer asks the same question on the command line, over HTTP and in SQL: the first two return the same bytes,
// the third the same figures.
func TestOneAnswer(t *testing.T) {
	t.Parallel()
	url := dbtest.NewURL(t)
	want(t, url, strings.NewReader(smallShop), "load", "-")
	base := served(t, url)
	pool, err := pg.Open(t.Context(), url, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)

	for _, c := range []struct {
		name string
		args []string
		path string
		body string
		sql  string // of the same ranking, if the reporting schema has it
	}{
		{
			name: "popular", args: []string{"popular"}, path: "popular-items",
			sql: "SELECT item_name, orders, share_of_orders, 1 FROM reporting.popular_items ORDER BY popularity_rank LIMIT 20",
		},
		{
			name: "popular, fewer", args: []string{"popular", "-n", "2", "--exclude", "cups"},
			path: "popular-items?limit=2&exclude=cups",
		},
		{
			name: "similar", args: []string{"similar", "cups"}, path: "similar-items/cups",
			sql: "SELECT item_name, orders_together, confidence, lift FROM reporting.similar_items('cups')",
		},
		{
			name: "slash", args: []string{"similar", "grinder 1/2"}, path: "similar-items/grinder%201/2",
			sql: "SELECT item_name, orders_together, confidence, lift FROM reporting.similar_items('grinder 1/2', 5)",
		},
		{name: "encoded slash", args: []string{"similar", "grinder 1/2"}, path: "similar-items/grinder%201%2F2"},
		{name: "in the query", args: []string{"similar", "grinder 1/2"}, path: "similar-items?item=grinder+1/2"},
		{
			name: "measure", args: []string{"similar", "cups", "--measure", "lift", "--min-support", "2", "--strict"},
			path: "similar-items/cups?measure=lift&min_support=2&strict=true",
		},
		{
			name: "thresholds", args: []string{
				"similar", "cups", "--measure", "confidence", "--min-confidence", "0.4", "--exclude",
				"beans, dark", "--exclude", "NA",
			},
			path: "similar-items/cups?measure=confidence&min_confidence=0.4&exclude=beans,%20dark&exclude=NA",
		},
		{
			name: "basket", args: []string{"basket", "cups", "moon", "NA"}, path: "basket-recommendations",
			body: `{"items":["cups","moon","NA"]}`,
			sql: "SELECT item_name, orders_together, confidence, lift FROM reporting.basket_recommendations(ARRAY['cups', " +
				"'moon', 'NA'])",
		},
		{
			name: "basket, jaccard", args: []string{
				"basket", "cups", "NA", "--measure", "jaccard", "-n", "3", "--exclude",
				"saucers",
			}, path: "basket-recommendations",
			body: `{"items":["cups","NA"],"measure":"jaccard","limit":3,"exclude":["saucers"]}`,
		},
		{name: "order", args: []string{"order", "2026/1"}, path: "recommendations/2026/1"},
		{name: "explain", args: []string{"explain", "cups", "beans, dark"}, path: "explain?item=cups&other=beans,%20dark"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			printed := want(t, url, nil, append(c.args, "--json")...)
			answered := fetch(t, base+"/api/v1/"+c.path, c.body)
			if diff := cmp.Diff(printed, answered); diff != "" {
				t.Errorf("(-command line +HTTP):\n%s", diff)
			}
			if c.sql == "" {
				return
			}
			if diff := cmp.Diff(rowsOf(t, answered), rowsIn(t, pool, c.sql)); diff != "" {
				t.Errorf("(-HTTP +SQL):\n%s", diff)
			}
		})
	}
}

const smallShop = `order_id,item_name
2026/1,cups
2026/1,"beans, dark"
2,cups
2,"beans, dark"
2,saucers
3,cups
3,grinder 1/2
4,NA
4,cups
4,saucers
5,NA
5,grinder 1/2
6,filters
6,scale
`

type row struct {
	Item             string
	Together         int64
	Confidence, Lift float64
}

func rowsOf(t testing.TB, body string) (rows []row) {
	t.Helper()
	var answer recommend.Answer
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	for _, r := range answer.Recommendations {
		rows = append(rows, row{r.ItemName, r.OrdersTogether, r.Confidence, r.Lift})
	}
	return rows
}

func rowsIn(t testing.TB, pool *pg.Pool, query string) []row {
	t.Helper()
	result, err := pool.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := pgx.CollectRows(result, pgx.RowToStructByPos[row])
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestDemo runs the demo as the README does, then everything that the demo suggests.
func TestDemo(t *testing.T) {
	t.Parallel()
	before, err := filepath.Glob(filepath.Join(os.TempDir(), "alsobought-demo-*"))
	if err != nil {
		t.Fatal(err)
	}
	demo := command(t, "postgres://nobody@127.0.0.1:1/left-alone", "demo", "--addr", "127.0.0.1:0")
	lines := begin(t, demo)
	tried := 0
	for line := range lines {
		command := strings.TrimSpace(line)
		if !strings.HasPrefix(command, "curl ") && !strings.HasPrefix(command, "psql ") {
			if strings.HasPrefix(command, "Ctrl-C") {
				break
			}
			continue
		}
		tried++
		output := pasted(t, command)
		for _, wrong := range []string{"problem+json", `"status":4`, `"status":5`, "ERROR"} {
			if strings.Contains(output, wrong) {
				t.Errorf("%s\n%s", command, output)
			}
		}
		switch {
		case strings.HasSuffix(command, "similar-items/PID'"):
			if first := rowsOf(t, output)[0]; first.Item != "Cal Kit - Std - 34L Regulator 100PPM/Tedlar Bag" ||
				first.Together != 17_951 {
				t.Errorf("first similar item of PID: %+v", first)
			}
		case strings.Contains(command, "Tedlar%20Bag"):
			if first := rowsOf(t, output)[0]; first.Item != "PID" {
				t.Errorf("first similar item of the Cal Kit: %+v", first)
			}
		}
	}
	if tried < 7 {
		t.Errorf("the demo says %d things to try", tried)
	}
	interrupt(t, demo, lines)
	after, err := filepath.Glob(filepath.Join(os.TempDir(), "alsobought-demo-*"))
	if err != nil || len(after) > len(before) {
		t.Errorf("the demo left %v (%v)", after, err)
	}
}

// pasted runs a line that the program suggests: psql itself, and for curl the same request (curl need not be
// installed).
func pasted(t testing.TB, command string) string {
	t.Helper()
	if strings.HasPrefix(command, "psql ") {
		output, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", command, err, output)
		}
		return string(output)
	}
	url := regexp.MustCompile(`http://[^' ]+`).FindString(command)
	body := regexp.MustCompile(`-d '([^']*)'`).FindStringSubmatch(command)
	if body == nil {
		return fetch(t, url, "")
	}
	return fetch(t, url, body[1])
}

// fetch makes a GET, or a POST if there is a body, and returns the body of the response, which must be a success.
func fetch(t testing.TB, url, body string) string {
	t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s\n%s", method, url, response.Status, text)
	}
	return string(text)
}

// served starts a server on a free port, stops it with the test, and returns its address.
func served(t testing.TB, url string, flags ...string) string {
	t.Helper()
	server := command(t, url, append([]string{"serve", "--addr", "127.0.0.1:0"}, flags...)...)
	lines := begin(t, server)
	t.Cleanup(func() { interrupt(t, server, lines) })
	line := <-lines
	address := regexp.MustCompile(`http://[0-9.:]+`).FindString(line)
	if address == "" {
		t.Fatalf("the server says %q, not where it answers", line)
	}
	return address
}

// begin starts a program and returns a channel of the lines it prints.
func begin(t testing.TB, program *exec.Cmd) <-chan string {
	t.Helper()
	stdout, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return lines
}

// interrupt ends a program with Ctrl-C and expects exit status 0.
func interrupt(t testing.TB, program *exec.Cmd, lines <-chan string) {
	t.Helper()
	if err := program.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	for range lines { // until the output is closed
	}
	if err := program.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
}
