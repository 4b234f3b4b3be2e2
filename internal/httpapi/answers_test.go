package httpapi

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/dashboard"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/orders"
	"github.com/alsobought/alsobought/internal/pg"
)

// request is one that succeeds, in the order of wellAnswered.
type request struct {
	operation, method, path, body string
	header                        map[string]string
}

const (
	hookSecret = "secret"
	mcpAccept  = "application/json, text/event-stream"
	wooBody    = `{"id":727,"number":"W-727","status":"processing","date_created_gmt":"2026-06-01T08:00:00","date_modified_gmt":"2026-06-01T08:01:00",
		"line_items":[{"id":1,"name":"Blue mug","quantity":2}]}`
)

// wellAnswered returns at least one request for each operation.
func wellAnswered() []request {
	shopifyBody := shopifyOrder(0, 2, 1, "null")
	asHook := func(prefix, topic, body string) map[string]string {
		signature := map[string]string{"X-Shopify-": "Hmac-Sha256", "X-WC-Webhook-": "Signature"}[prefix]
		return map[string]string{prefix + "Topic": topic, prefix + signature: signatureOf(body)}
	}
	get, post, del := http.MethodGet, http.MethodPost, http.MethodDelete
	return []request{
		{"root", get, "/", "", nil},
		{"root", get, "/", "", map[string]string{"Accept": "text/html"}},
		{"docs", get, "/docs", "", nil},
		{"openapi", get, "/openapi.json", "", nil},
		{"widget", get, widgetPath, "", nil},
		{"health", get, "/health", "", nil},
		{"health-slash", get, "/health/", "", nil},
		{"readyz", get, "/readyz", "", nil},
		{"livez", get, "/livez", "", nil},
		{"popular-items", get, popularPath, "", nil},
		{"similar-items", get, similarPath + "/PID", "", nil},
		{"similar-items-by-query", get, similarPath + "?item=PID", "", nil},
		{"similar-items-batch", post, batchPath, `{"items":["PID"]}`, nil},
		{"basket-recommendations", post, basketPath, `{"items":["PID"]}`, nil},
		{"order-recommendations", get, orderPath + "/1", "", nil},
		{"explain", get, explainPath + "?item=PID&other=Gloves", "", nil},
		{"orders-add", post, ordersPath, `{"order_id":"7","items":["PID",{"name":"Gloves","quantity":2}],"ordered_at":"2026-06-01T08:00:00Z"}`, nil},
		{"orders-add", post, ordersPath, `{"order_id":"7","items":["PID",{"name":"Gloves","quantity":2}],"ordered_at":"2026-06-01T08:00:00Z"}`, nil},
		{"orders-get", get, ordersPath + "/7", "", nil},
		{"orders-cancel", post, cancellationsPath, `{"order_id":"7","items":["PID"]}`, nil},
		{"orders-delete", del, ordersPath + "/7", "", nil},
		{"rules-add", post, rulesPath, `{"kind":"hide","items":["Sextant"],"reason":"recalled"}`, nil},
		{"rules-list", get, rulesPath, "", nil},
		{"rules-end", del, rulesPath + "/1", "", nil},
		{"hooks-shopify", post, shopifyPath, shopifyBody, asHook("X-Shopify-", "orders/create", shopifyBody)},
		{"hooks-woocommerce", post, wooPath, wooBody, asHook("X-WC-Webhook-", "order.created", wooBody)},
		{"mcp", post, mcpPath, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, map[string]string{"Accept": mcpAccept}},
		{"mcp", post, mcpPath, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, map[string]string{"Accept": mcpAccept}},
	}
}

func signatureOf(body string) string { return signature(body, hookSecret) }

// documented is a server whose questions need a key, so that its document has every response any server's may have.
type documented struct {
	*server

	reader, writer string // keys
}

// newDocumented fills in the fields that cfg leaves out.
func newDocumented(t *testing.T, cfg Config) *documented {
	t.Helper()
	secrets := filepath.Join(t.TempDir(), "secrets")
	if err := os.WriteFile(secrets, []byte(hookSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.KeyedReads, cfg.Orders = true, orders.NewStore(cfg.Pool.(*pg.Pool), "test")
	if cfg.ShopifySecret == "" {
		cfg.ShopifySecret = secrets
	}
	cfg.WooCommerceSecret = cfg.ShopifySecret
	screens := dashboard.New(dashboard.Config{Pool: cfg.Pool.(*pg.Pool), Version: "test", OpenReads: true})
	t.Cleanup(screens.Close)
	cfg.Dashboard = screens
	if cfg.AddressRate == 0 {
		cfg.AddressRate, cfg.KeyRate = 1e6, 1e6 // so that answers have rate limit headers
	}
	return &documented{serveAPI(t, cfg), "", ""}
}

func (d *documented) makeKeys(t *testing.T) {
	t.Helper()
	for scope, key := range map[apikey.Scope]*string{apikey.Read: &d.reader, apikey.Write: &d.writer} {
		var err error
		if *key, _, err = apikey.Create(t.Context(), d.pool, scope+"er", []string{scope}, nil, "tester"); err != nil {
			t.Fatal(err)
		}
	}
}

// keysFor returns a key that an operation accepts and one that it refuses; "" if it needs none.
func (d *documented) keysFor(operation string) (good, wrong string) {
	switch operation {
	case "rules-list", "rules-add", "rules-end", "orders-add", "orders-cancel", "orders-delete":
		return d.writer, d.reader
	case "orders-get", "explain", "mcp", "popular-items", "similar-items", "similar-items-by-query", "similar-items-batch",
		"basket-recommendations", "order-recommendations":
		return d.reader, d.writer
	}
	return "", ""
}

// ask sends the request after change.
func (d *documented) ask(t *testing.T, r request, key string, change ...func(*http.Request)) answer {
	t.Helper()
	sent, err := http.NewRequestWithContext(t.Context(), r.method, d.URL+r.path, strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	if r.body == "" {
		sent.Body, sent.GetBody, sent.ContentLength = http.NoBody, nil, 0
	} else {
		sent.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		sent.Header.Set("Authorization", "Bearer "+key)
	}
	for name, value := range r.header {
		sent.Header.Set(name, value)
	}
	for _, c := range change {
		c(sent)
	}
	response, err := d.Client().Do(sent)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, body}
}

// with returns the request with another path, body or header.
func (r request) with(path, body string, header ...string) request {
	if path != "" {
		r.path = path
	}
	if body != "" {
		r.body = body
	}
	if len(header) == 2 {
		r.header = maps.Clone(r.header)
		if r.header == nil {
			r.header = map[string]string{}
		}
		r.header[header[0]] = header[1]
	}
	return r
}

// A real server over a real database gives every documented response: each status, media type and header. Conversely,
// all tests of this package check that no undocumented one is given: see checking.
func TestEveryDocumentedAnswerIsGiven(t *testing.T) {
	t.Parallel()
	seen := map[given]bool{}
	var last *documented
	for _, part := range []func(*testing.T) *documented{answeredWell, answeredBadly, answeredLate, brokenInside, unmigrated, hurried, awayAtTimes} {
		last = part(t)
		maps.Copy(seen, last.checked.seen)
	}
	for _, missing := range last.checked.contract.missing(seen) {
		t.Errorf("documented and never given: %s", missing)
	}
}

// each visits the first request of each operation.
func each(visit func(request)) {
	done := map[string]bool{}
	for _, r := range wellAnswered() {
		if !done[r.operation] {
			done[r.operation] = true
			visit(r)
		}
	}
}

func want(t *testing.T, r request, a answer, status int) {
	t.Helper()
	if a.status != status {
		t.Errorf("%s %s: %d, want %d: %s", r.method, r.path, a.status, status, a.body)
	}
}

func answeredWell(t *testing.T) *documented {
	pool := dbtest.New(t)
	fill(t, pool, csvOf(t, []string{"1", "PID"}, []string{"1", "Gloves"}, []string{"2", "PID"}, []string{"2", "Gloves"}))
	d := newDocumented(t, Config{Pool: pool, CacheBytes: 1 << 20})
	d.makeKeys(t)
	for _, r := range wellAnswered() {
		good, _ := d.keysFor(r.operation)
		a := d.ask(t, r, good)
		if a.status >= 300 {
			t.Errorf("%s %s: %d %s", r.method, r.path, a.status, a.body)
		}
		if a.header.Get("ETag") != "" && r.method == http.MethodGet {
			if again := d.ask(t, r.with("", "", "If-None-Match", a.header.Get("ETag")), good); again.status != http.StatusNotModified && again.status != http.StatusOK {
				t.Errorf("%s %s: %d", r.method, r.path, again.status)
			}
		}
	}
	return d
}

func answeredBadly(t *testing.T) *documented {
	pool := dbtest.New(t)
	fill(t, pool, csvOf(t, []string{"1", "PID"}, []string{"1", "Gloves"}))
	d := newDocumented(t, Config{Pool: pool, MaxBody: 2000})
	d.makeKeys(t)
	each(func(r request) {
		good, wrong := d.keysFor(r.operation)
		hook := strings.HasPrefix(r.operation, "hooks-")
		if good != "" {
			want(t, r, d.ask(t, r, ""), http.StatusUnauthorized)
			want(t, r, d.ask(t, r, wrong), http.StatusForbidden)
		}
		switch {
		case hook:
			unsigned := r.with("", `{"id":1}`)
			want(t, r, d.ask(t, unsigned, ""), http.StatusUnauthorized)
			for name := range r.header {
				if !strings.HasSuffix(name, "Topic") {
					want(t, r, d.ask(t, unsigned.with("", "", name, signatureOf(unsigned.body)), ""), http.StatusUnprocessableEntity)
				}
			}
		case r.operation == "mcp":
			want(t, r, d.ask(t, r.with("", `{"id":1,"id":2}`), good), http.StatusUnprocessableEntity)
		case good != "":
			question := "?nothing=1"
			if strings.Contains(r.path, "?") {
				question = "&nothing=1"
			}
			want(t, r, d.ask(t, r.with(r.path+question, ""), good), http.StatusUnprocessableEntity)
		}
		if r.body != "" {
			want(t, r, d.ask(t, r.with("", strings.Repeat("x", 2001)), good), http.StatusRequestEntityTooLarge)
			want(t, r, d.ask(t, r.with("", "", "Content-Encoding", "gzip"), good), http.StatusUnsupportedMediaType)
			want(t, r, d.ask(t, r, good, func(r *http.Request) { r.Body, r.GetBody, r.ContentLength = http.NoBody, nil, 0 }), http.StatusBadRequest)
		}
	})
	for _, r := range []request{
		{"popular-items", http.MethodGet, popularPath + "?build_id=99", "", nil},
		{"similar-items", http.MethodGet, similarPath + "/nothing", "", nil},
		{"similar-items-by-query", http.MethodGet, similarPath + "?item=nothing", "", nil},
		{"similar-items-batch", http.MethodPost, batchPath, `{"items":["PID"],"build_id":99}`, nil},
		{"basket-recommendations", http.MethodPost, basketPath, `{"items":["PID"],"build_id":99}`, nil},
		{"order-recommendations", http.MethodGet, orderPath + "/nothing", "", nil},
		{"explain", http.MethodGet, explainPath + "?item=PID&other=nothing", "", nil},
		{"orders-get", http.MethodGet, ordersPath + "/nothing", "", nil},
		{"orders-cancel", http.MethodPost, cancellationsPath, `{"order_id":"nothing"}`, nil},
		{"orders-delete", http.MethodDelete, ordersPath + "/nothing", "", nil},
		{"rules-end", http.MethodDelete, rulesPath + "/99", "", nil},
	} {
		good, _ := d.keysFor(r.operation)
		want(t, r, d.ask(t, r, good), http.StatusNotFound)
	}
	protocolErrors(t, d)
	return d
}

// answeredLate sends bodies that never end.
func answeredLate(t *testing.T) *documented {
	d := newDocumented(t, Config{Pool: dbtest.New(t), Timeout: 300 * time.Millisecond})
	d.makeKeys(t)
	each(func(r request) {
		if r.body == "" {
			return
		}
		good, _ := d.keysFor(r.operation)
		// On a busy machine, checking the key may time out first.
		dbtest.Eventually(t, r.operation+" to wait for its body", func(context.Context) bool {
			body, never := io.Pipe()
			defer never.Close()
			a := d.ask(t, r, good, func(r *http.Request) { r.Body, r.GetBody, r.ContentLength = body, nil, 100 })
			return a.status == http.StatusRequestTimeout
		})
	})
	return d
}

// brokenInside cannot read its keys and the orders of shops.
func brokenInside(t *testing.T) *documented {
	d := newDocumented(t, Config{Pool: dbtest.New(t)})
	d.makeKeys(t)
	const breakIt = `ALTER TABLE api_keys RENAME COLUMN scopes TO broken; ALTER TABLE shop_orders RENAME COLUMN version TO broken`
	if _, err := d.pool.Exec(t.Context(), breakIt); err != nil {
		t.Fatal(err)
	}
	each(func(r request) {
		if good, _ := d.keysFor(r.operation); good != "" || strings.HasPrefix(r.operation, "hooks-") {
			want(t, r, d.ask(t, r, good), http.StatusInternalServerError)
		}
	})
	return d
}

// unmigrated has a database without tables.
func unmigrated(t *testing.T) *documented {
	pool, err := pg.Open(t.Context(), dbtest.NewEmptyURL(t), 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	d := newDocumented(t, Config{Pool: pool})
	d.reader, d.writer = "ab_x", "ab_x"
	each(func(r request) {
		if good, _ := d.keysFor(r.operation); good != "" || strings.HasPrefix(r.operation, "hooks-") {
			want(t, r, d.ask(t, r, good), http.StatusServiceUnavailable)
		}
	})
	return d
}

// hurried has used up the rate of this address.
func hurried(t *testing.T) *documented {
	d := newDocumented(t, Config{Pool: dbtest.New(t), AddressRate: 1.0 / 3600})
	d.get(t, "/docs")
	each(func(r request) {
		if !probeRoutes[r.path] {
			want(t, r, d.ask(t, r, ""), http.StatusTooManyRequests)
		}
	})
	return d
}

// awayAtTimes loses its database after it has answered every question.
func awayAtTimes(t *testing.T) *documented {
	pool, replica := dbtest.New(t), dbtest.New(t)
	for _, p := range []*pg.Pool{pool, replica} {
		fill(t, p, csvOf(t, []string{"1", "PID"}, []string{"1", "Gloves"}))
	}
	d := newDocumented(t, Config{Pool: pool, Replica: replica, CacheBytes: 1 << 20})
	d.makeKeys(t)
	ask := func(wanted func(request, answer)) {
		each(func(r request) {
			if strings.HasSuffix(r.operation, "-recommendations") || strings.HasPrefix(r.operation, "similar-items") || r.operation == "popular-items" {
				a := d.ask(t, r, d.reader)
				wanted(r, a)
				if etag := a.header.Get("ETag"); etag != "" {
					d.ask(t, r.with("", "", "If-None-Match", etag), d.reader)
				}
			}
		})
	}
	ask(func(r request, a answer) { want(t, r, a, http.StatusOK) })
	closeDatabase(t, pool)
	dbtest.Eventually(t, "the replica's order is marked", func(context.Context) bool {
		a := d.ask(t, request{operation: "orders-get", method: http.MethodGet, path: ordersPath + "/1"}, d.reader)
		return a.status == http.StatusOK && a.header.Get("Warning") != ""
	})
	closeDatabase(t, replica)
	d.expectHealth(t, "away", http.StatusServiceUnavailable, http.StatusServiceUnavailable)
	want(t, request{path: "/health/"}, d.get(t, "/health/"), http.StatusServiceUnavailable)
	ask(func(request, answer) {})
	return d
}

// closeDatabase permanently closes the database to all connections.
func closeDatabase(t *testing.T, pool *pg.Pool) {
	t.Helper()
	name, config := pool.Config().ConnConfig.Database, pool.Config().ConnConfig
	admin, err := pg.Open(t.Context(), fmt.Sprintf("host='%s' port=%d dbname=postgres user=%s password='%s'", config.Host, config.Port, config.User, config.Password), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	for _, statement := range []string{
		"ALTER DATABASE " + name + " ALLOW_CONNECTIONS false",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + name + "'",
	} {
		if _, err := admin.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}
