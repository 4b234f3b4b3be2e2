package httpapi

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/pg"
)

// patience bounds all waits. Only a hang takes that long.
const patience = time.Minute

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { dbtest.Main(m) }

// server is the API over the test's own database.
type server struct {
	*httptest.Server

	api  *API
	pool *pg.Pool
	log  *logbook
	key  string // sent by get, unless ""

	checked *checking // checks all responses against the OpenAPI document
}

// newServer serves the orders of testdata, with a build.
func newServer(t *testing.T) *server {
	t.Helper()
	orders, err := os.ReadFile("testdata/orders.csv")
	if err != nil {
		t.Fatal(err)
	}
	pool := dbtest.New(t)
	fill(t, pool, string(orders))
	return serveAPI(t, Config{Pool: pool})
}

func serveAPI(t *testing.T, cfg Config) *server {
	t.Helper()
	log := newLogbook()
	cfg.Logger, cfg.Version = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), "test"
	api := New(cfg)
	ts := httptest.NewServer(api)
	t.Cleanup(func() { ts.Close(); api.Close() })
	pool, _ := cfg.Pool.(*pg.Pool)
	if serving, is := cfg.Pool.(*pg.ServicePool); is {
		pool = serving.Pool
	}
	checked := newChecking(t, api, ts.Client().Transport)
	ts.Client().Transport = checked
	return &server{ts, api, pool, log, "", checked}
}

// fill loads orders and creates a build of all orders.
func fill(t *testing.T, pool *pg.Pool, orders string) {
	t.Helper()
	source := load.Source{Name: "orders.csv", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(orders)), nil }}
	if _, err := load.Run(t.Context(), pool, []load.Source{source}, load.Options{}); err != nil {
		t.Fatal(err)
	}
	// Keep all builds that tests make, so that none is pruned while it answers.
	if _, err := builds.Run(t.Context(), pool, builds.Options{Settings: builds.DefaultSettings(), Keep: 100}); err != nil {
		t.Fatal(err)
	}
}

// csvOf writes order lines of an order id and an item.
func csvOf(t *testing.T, lines ...[]string) string {
	t.Helper()
	var b strings.Builder
	if err := csv.NewWriter(&b).WriteAll(append([][]string{{"order_id", "item_name"}}, lines...)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// answer is a response with its body read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (s *server) get(t *testing.T, path string) answer {
	t.Helper()
	var header http.Header
	if s.key != "" {
		header = withKey(s.key)
	}
	return s.do(t, http.MethodGet, path, "", header)
}

func (s *server) post(t *testing.T, path, body string) answer {
	t.Helper()
	return s.do(t, http.MethodPost, path, body, http.Header{"Content-Type": {"application/json"}})
}

func (s *server) do(t *testing.T, method, path, body string, header http.Header) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(r.Header, header)
	response, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, content}
}

// decodeBody decodes the body as T. Unknown fields fail the test.
func decodeBody[T any](t *testing.T, a answer) T {
	t.Helper()
	var v T
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return v
}

// problemDetail checks that the answer is a problem with the status, and returns its detail.
func problemDetail(t *testing.T, a answer, status int) string {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
	p := decodeBody[struct {
		Title, Detail string
		Status        int
		Errors        []struct {
			Location, Message string
			Value             any
		}
	}](t, a)
	if p.Status != status || p.Title == "" || p.Detail == "" {
		t.Errorf("incomplete problem: %s", a.body)
	}
	return p.Detail
}

// Times differ from run to run. All else in an answer is the same, byte for byte.
var moments = regexp.MustCompile(`"(built_at|timestamp)":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`)

// The last digits of a power depend on the machine.
var fractions = regexp.MustCompile(`\b\d+\.\d{12,}(e-\d+)?\b`)

// golden compares the indented body with a file of testdata.
func golden(t *testing.T, name string, body []byte) {
	t.Helper()
	var got bytes.Buffer
	body = moments.ReplaceAll(body, []byte(`"$1":"MOMENT"`))
	body = fractions.ReplaceAllFunc(body, func(number []byte) []byte {
		f, err := strconv.ParseFloat(string(number), 64)
		if err != nil {
			t.Fatal(err)
		}
		return strconv.AppendFloat(nil, f, 'g', 12, 64)
	})
	if err := json.Indent(&got, body, "", "  "); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	path := filepath.Join("testdata", name+".golden.json")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s differs (-want +got); go test -update writes it anew:\n%s", path, diff)
	}
}

// line is a line of the log.
type line map[string]any

// logbook is a writer that makes log lines available.
type logbook struct{ lines chan line }

func newLogbook() *logbook { return &logbook{make(chan line, 10_000)} }

func (b *logbook) Write(p []byte) (int, error) {
	var l line
	if err := json.Unmarshal(p, &l); err != nil {
		return 0, err
	}
	for {
		select {
		case b.lines <- l:
			return len(p), nil
		default:
			<-b.lines // nobody reads that many
		}
	}
}

// of waits for the log line of a request.
func (b *logbook) of(t *testing.T, requestID string) line {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case l := <-b.lines:
			if l["request_id"] == requestID {
				return l
			}
		case <-timeout:
			t.Fatalf("no line of request %s in the log", requestID)
		}
	}
}
