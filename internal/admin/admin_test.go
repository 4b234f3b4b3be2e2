package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/alsobought/alsobought/internal/admin"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/httpapi"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/rules"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

var quiet = slog.New(slog.DiscardHandler)

// administered serves metrics and profiles and returns a function that gets them.
func administered(
	t *testing.T, pool *pg.Pool, configure func(*httpapi.Config),
) (api *httpapi.API, get func(path string) string) {
	t.Helper()
	registry := admin.NewRegistry(pool, nil, "1.2.3", quiet)
	cfg := httpapi.Config{Pool: pool, CacheBytes: 1 << 20, Metrics: registry}
	if configure != nil {
		configure(&cfg)
	}
	api = httpapi.New(cfg)
	t.Cleanup(api.Close)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() { served <- admin.Serve(ctx, listener, registry, quiet) }()
	t.Cleanup(func() {
		end()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return api, func(path string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+
			listener.Addr().String()+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d\n%s", response.StatusCode, body)
	}
}

func fill(t *testing.T, pool *pg.Pool, orders string) {
	t.Helper()
	source := load.Source{
		Name: "orders.csv", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(orders)), nil },
	}
	if _, err := load.Run(t.Context(), pool, []load.Source{source}, load.Options{}); err != nil {
		t.Fatal(err)
	}
}

func ask(api *httpapi.API, method, path string) int {
	w := httptest.NewRecorder()
	api.ServeHTTP(w, httptest.NewRequest(method, path, http.NoBody))
	return w.Code
}

// has wants a line in the metrics.
func has(t *testing.T, metrics string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(metrics, "\n"+line+"\n") {
			t.Errorf("no line %q in\n%s", line, regexp.MustCompile(`(?m)^(#|go_|process_).*\n`).ReplaceAllString(metrics, ""))
		}
	}
}

// Every metric has the right value, and every metric in an alert or the dashboard exists.
func TestMetrics(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	api, get := administered(t, pool, nil)
	has(t, get("/metrics"), "alsobought_database_up 1", "alsobought_active_build 0", "alsobought_pending_orders 0",
		"alsobought_cache_hits_total 0",
		`alsobought_http_refused_total{limit="concurrency"} 0`, `alsobought_build_info{version="1.2.3"} 1`)

	fill(t, pool, "order_id,item_name\n1,tea\n1,cups\n1,tea\n2,\n2,tea\n")
	if _, err := builds.Run(t.Context(), pool, builds.Options{Settings: builds.DefaultSettings(), Keep: 2}); err != nil {
		t.Fatal(err)
	}
	fill(t, pool, "order_id,item_name\n3,tea\n3,jam\n")
	added, err := rules.Add(t.Context(), pool, rules.Draft{
		Kind: "hide", Items: []string{"jam"}, Reason: "none left", Author: "tester",
	})
	if err == nil {
		_, err = rules.End(t.Context(), pool, added.RuleID, "tester")
	}
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"/api/v1/popular-items":         200,
		"/api/v1/similar-items/nothing": 404, "/wp-login.php": 404,
	} {
		for range 2 {
			if got := ask(api, http.MethodGet, path); got != want {
				t.Errorf("%s: %d", path, got)
			}
		}
	}
	ask(api, "BREW", "/livez")
	metrics := get("/metrics")
	has(t, metrics,
		`alsobought_active_build 1`, `alsobought_active_build_size{of="orders"} 2`,
		`alsobought_active_build_size{of="items"} 2`,
		`alsobought_active_build_size{of="pairs"} 1`, `alsobought_pending_orders 1`, `alsobought_rows{outcome="loaded"} 5`,
		`alsobought_rows{outcome="duplicate"} 1`, `alsobought_rows{outcome="rejected"} 1`,
		`alsobought_rows{outcome="not_bought"} 0`, `alsobought_rule_changes_total 2`, `alsobought_rules_in_force 0`,
		`alsobought_http_requests_total{method="GET",route="/api/v1/popular-items",status="200"} 2`,
		`alsobought_http_requests_total{method="GET",route="/api/v1/similar-items/{item_name}",status="404"} 2`,
		`alsobought_http_requests_total{method="GET",route="",status="404"} 2`,
		`alsobought_http_requests_total{method="other",route="",status="405"} 1`,
		`alsobought_http_request_duration_seconds_count{route="/api/v1/popular-items"} 2`,
		`alsobought_http_requests_in_flight 0`,
		`alsobought_cache_hits_total 1`, `alsobought_database_away 0`,
	)
	if !regexp.MustCompile(`(?m)^alsobought_active_build_built_timestamp_seconds 1\.\d+e\+09$`).MatchString(metrics) {
		t.Error("no moment of the build")
	}
	wantNamed(t, metrics, false)
	if profile := get("/debug/pprof/goroutine?debug=1"); !strings.HasPrefix(profile, "200\ngoroutine profile:") {
		t.Errorf("%.200s", profile)
	}
	if other := get("/api/v1/popular-items"); !strings.HasPrefix(other, "404") {
		t.Errorf("it answers questions: %.200s", other)
	}
}

// wantNamed wants the metrics that alerts and the dashboard name: those of a replica, or the others.
func wantNamed(t *testing.T, metrics string, ofReplica bool) {
	t.Helper()
	for _, file := range []string{"../../deploy/prometheus/alerts.yml", "../../deploy/grafana/dashboard.json"} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		named := regexp.MustCompile(`\b(alsobought|process|go)_[a-z0-9_]+`).FindAllString(string(content), -1)
		if len(named) < 10 {
			t.Errorf("%s names only %q", file, named)
		}
		for _, name := range named {
			if strings.HasPrefix(name, "alsobought_replica_") != ofReplica {
				continue
			}
			if !regexp.MustCompile(`(?m)^` + name + `[ {]`).MatchString(metrics) {
				t.Errorf("%s names %s, which is not there", file, name)
			}
		}
	}
}

// A replica's figures are there while it is, with a primary beside it or without.
func TestMetricsOfReplica(t *testing.T) {
	t.Parallel()
	servers := dbtest.NewReplicated(t)
	open := func(url string) *pg.Pool {
		pool, err := pg.Open(t.Context(), url, 2)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		return pool
	}
	primary, standby := open(servers.Primary), open(servers.Standby)
	fill(t, primary, "order_id,item_name\n1,tea\n1,cups\n")
	if _, err := builds.Run(t.Context(), primary,
		builds.Options{Settings: builds.DefaultSettings(), Keep: 2}); err != nil {
		t.Fatal(err)
	}
	servers.CatchUp(t)
	for name, registry := range map[string]*prometheus.Registry{
		"beside its primary": admin.NewRegistry(primary, standby, "1", quiet),
		"alone":              admin.NewRegistry(standby, nil, "1", quiet),
	} {
		metrics := gathered(t, registry)
		wantNamed(t, metrics, true)
		has(t, metrics, "alsobought_replica_up 1", "alsobought_replica_streaming 1", "alsobought_replica_active_build 1",
			"alsobought_active_build 1")
		if beside := strings.Contains(metrics,
			`alsobought_pool_connections_max{server="replica"} 2`); beside != (name != "alone") {
			t.Errorf("%s: a pool of the replica: %t", name, beside)
		}
	}
	servers.StopStandby(t)
	metrics := gathered(t, admin.NewRegistry(primary, standby, "1", quiet))
	has(t, metrics, "alsobought_replica_up 0", "alsobought_database_up 1")
	if metrics = gathered(t, admin.NewRegistry(primary, nil, "1", quiet)); strings.Contains(metrics,
		"alsobought_replica") {
		t.Errorf("of a primary: %s", metrics)
	}
}

func gathered(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w,
		httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	return w.Body.String()
}

// The server's own metrics are available without the database.
func TestMetricsWithoutDatabase(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	_, get := administered(t, pool, nil)
	pool.Close()
	metrics := get("/metrics")
	has(t, metrics, "alsobought_database_up 0", "alsobought_http_requests_in_flight 0")
	if strings.Contains(metrics, "alsobought_pending_orders") || !strings.HasPrefix(metrics, "200\n") {
		t.Errorf("%s", metrics)
	}
}

// Requests refused by limits are counted.
func TestRefusalsAreCounted(t *testing.T) {
	t.Parallel()
	api, get := administered(t, dbtest.New(t), func(c *httpapi.Config) { c.AddressRate = 1.0 / 3600 })
	ask(api, http.MethodGet, "/openapi.json")
	if status := ask(api, http.MethodGet, "/openapi.json"); status != http.StatusTooManyRequests {
		t.Errorf("status %d", status)
	}
	has(t, get("/metrics"), `alsobought_http_refused_total{limit="address_rate"} 1`)
}

// The dashboard is valid for Grafana: JSON, with panels that have queries.
func TestDashboard(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../deploy/grafana/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		UID    string `json:"uid"`
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		} `json:"panels"`
	}
	if err := json.Unmarshal(content, &dashboard); err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range dashboard.Panels {
		if seen[p.ID] || p.Title == "" || len(p.Targets) == 0 || p.Targets[0].Expr == "" {
			t.Errorf("panel %+v", p)
		}
		seen[p.ID] = true
	}
	if dashboard.UID != "alsobought" || len(seen) < 10 {
		t.Errorf("%q with %d panels", dashboard.UID, len(seen))
	}
}
