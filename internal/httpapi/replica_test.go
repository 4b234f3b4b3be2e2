package httpapi

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/orders"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
)

// replicated is a server that sends questions to a replica and all else to the primary.
type replicated struct {
	*server

	servers *dbtest.Replicated
	write   http.Header
}

func newReplicated(t *testing.T) *replicated {
	t.Helper()
	servers := dbtest.NewReplicated(t)
	primary := servingPool(t, servers.Primary)
	fill(t, primary.Pool, csvOf(t, []string{"1", "PID"}, []string{"1", "Gloves"}, []string{"2", "PID"}, []string{"2", "Gloves"}, []string{"3", "PID"}, []string{"3", "YSI"}))
	write := withKey(mustCreateKey(t, primary.Pool, "shop"))
	servers.CatchUp(t)
	loader, err := pg.Open(t.Context(), servers.Primary, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(loader.Close)
	s := serveAPI(t, Config{
		Pool: primary, Replica: servingPool(t, servers.Standby), Orders: orders.NewStore(loader, "test"), CacheBytes: 1 << 20,
		Metrics: prometheus.NewRegistry(),
	})
	return &replicated{s, servers, write}
}

func servingPool(t *testing.T, url string) *pg.ServicePool {
	t.Helper()
	pool, err := pg.Open(t.Context(), url, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	serving, err := pg.Serving(t.Context(), pool, pg.Service{Timeout: patience, Warm: recommend.Warm})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(serving.Close)
	return serving
}

func (r *replicated) addOrder(t *testing.T, id string) answer {
	t.Helper()
	return r.do(t, http.MethodPost, ordersPath, `{"order_id":"`+id+`","items":["PID"]}`, r.write)
}

func (r *replicated) pause(t *testing.T) {
	dbtest.Value[string](t, r.servers.Standby, "SELECT pg_wal_replay_pause()::text")
}

func (r *replicated) resume(t *testing.T) {
	dbtest.Value[string](t, r.servers.Standby, "SELECT pg_wal_replay_resume()::text")
}

// A lagging replica answers from the state it has replayed. Only unknown orders are looked up on the primary.
func TestReplicaThatLags(t *testing.T) {
	t.Parallel()
	r := newReplicated(t)
	r.pause(t)
	before := r.get(t, similarPath+"/PID")
	if a := r.addOrder(t, "new"); a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if got := decodeBody[orders.Stored](t, r.do(t, http.MethodGet, ordersPath+"/new", "", r.write)); got.OrderID != "new" || !got.Pending {
		t.Errorf("%+v", got)
	}
	if a := r.get(t, orderPath+"/new"); a.status != http.StatusOK || a.header.Get("Warning") != "" {
		t.Errorf("an order just written: %d %s", a.status, a.body)
	}
	problemDetail(t, r.get(t, orderPath+"/never"), http.StatusNotFound)
	problemDetail(t, r.do(t, http.MethodGet, ordersPath+"/never", "", r.write), http.StatusNotFound)

	alone := serveAPI(t, Config{Pool: r.api.Replica})
	if detail := problemDetail(t, alone.get(t, orderPath+"/new"), http.StatusNotFound); !strings.Contains(detail, "according to a replica, up to ") {
		t.Errorf("an order that only the primary has: %s", detail)
	}

	// The primary takes and lists rules. Answers, even cached ones, follow once the replica has replayed them.
	if a := r.do(t, http.MethodPost, rulesPath, `{"kind":"hide","items":["Gloves"],"reason":"why"}`, r.write); a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := r.do(t, http.MethodGet, rulesPath, "", r.write); !strings.Contains(string(a.body), `"Gloves"`) {
		t.Errorf("rules: %s", a.body)
	}
	if a := r.get(t, similarPath+"/PID"); string(a.body) != string(before.body) {
		t.Errorf("an answer has what the replica has not replayed: %s", a.body)
	}
	newKey, _, err := apikey.Create(t.Context(), r.pool, "new", apikey.Usual, nil, "tester")
	if err != nil {
		t.Fatal(err)
	}
	if a := r.do(t, http.MethodGet, rulesPath, "", withKey(newKey)); a.status != http.StatusOK {
		t.Errorf("a new key: %d %s", a.status, a.body)
	}
	r.awaitHealth(t, func(h healthBody) bool {
		return h.Replica != nil && h.Replica.LagSeconds != nil && *h.Replica.LagSeconds > 0
	})
	r.resume(t)
	r.servers.CatchUp(t)
	if a := r.get(t, similarPath+"/PID"); strings.Contains(string(a.body), `"item_name":"Gloves","similarity`) {
		t.Errorf("a rule that was replayed is not in the answer: %s", a.body)
	}
	r.awaitHealth(t, func(h healthBody) bool {
		return *h.Replica.LagSeconds == 0 && h.Primary.Connected && !h.Primary.Answers && !h.ReadOnly && h.DatabaseConnected
	})
}

func (r *replicated) awaitHealth(t *testing.T, is func(healthBody) bool) {
	t.Helper()
	dbtest.Eventually(t, "/health is as it should be", func(context.Context) bool {
		return is(decodeBody[healthBody](t, r.get(t, "/health")))
	})
}

// fresh waits for an answer that is not stale: on a busy machine, the database may briefly count as away.
func (r *replicated) fresh(t *testing.T, path string) (a answer) {
	t.Helper()
	dbtest.Eventually(t, "the database answers "+path, func(context.Context) bool {
		a = r.get(t, path)
		return a.header.Get("Warning") == "" && a.status != http.StatusServiceUnavailable
	})
	return a
}

// Without its primary, a replica answers questions. For an order it does not know, it only says that it may lag.
func TestReplicaWithoutPrimary(t *testing.T) {
	t.Parallel()
	r := newReplicated(t)
	r.servers.StopPrimary(t)
	if a := r.get(t, similarPath+"/PID"); a.status != http.StatusOK || a.header.Get("Warning") != "" {
		t.Errorf("a question: %d %v %s", a.status, a.header, a.body)
	}
	if a := r.get(t, orderPath+"/1"); a.status != http.StatusOK {
		t.Errorf("a known order: %d %s", a.status, a.body)
	}
	mayLag := func(what string, a answer) {
		t.Helper()
		detail := decodeBody[struct {
			Type, Title, Detail string
			Status              int
		}](t, a)
		if a.status != http.StatusServiceUnavailable || detail.Type != mayLagType || !strings.Contains(detail.Detail, "may lag") || a.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %v %s", what, a.status, a.header, a.body)
		}
	}
	mayLag("recommendations", r.get(t, orderPath+"/never"))
	mayLag("order", r.do(t, http.MethodGet, ordersPath+"/never", "", r.write))
	if a := r.do(t, http.MethodGet, ordersPath+"/1", "", r.write); a.status != http.StatusOK || a.header.Get("Warning") != staleWarning {
		t.Errorf("an order of the replica: %d %v %s", a.status, a.header, a.body)
	}
	for _, path := range []string{ordersPath, rulesPath} {
		a := r.do(t, http.MethodPost, path, `{"order_id":"x","items":["PID"]}`, r.write)
		if path == rulesPath {
			a = r.do(t, http.MethodPost, path, `{"kind":"hide","items":["Gloves"],"reason":"why"}`, r.write)
		}
		problemDetail(t, a, http.StatusServiceUnavailable)
	}
	r.awaitHealth(t, func(h healthBody) bool {
		return h.Status == "healthy" && h.DatabaseConnected && !h.Primary.Connected && h.Replica != nil && !h.Replica.Streaming
	})
	if a := r.get(t, "/readyz"); a.status != http.StatusOK {
		t.Errorf("/readyz: %d %s", a.status, a.body)
	}
}

// Without its replica, the primary answers questions. With both away, cached answers are stale.
func TestPrimaryWithoutReplica(t *testing.T) {
	t.Parallel()
	r := newReplicated(t)
	kept := r.get(t, popularPath)
	r.servers.StopStandby(t)
	for _, path := range []string{popularPath, popularPath + "?limit=1", orderPath + "/1", explainPath + "?item=PID&other=Gloves"} {
		if a := r.fresh(t, path); a.status != http.StatusOK {
			t.Errorf("%s: %d %v %s", path, a.status, a.header, a.body)
		}
	}
	if a := r.post(t, batchPath, `{"items":["PID"]}`); a.status != http.StatusOK {
		t.Errorf("batch: %d %s", a.status, a.body)
	}
	problemDetail(t, r.get(t, orderPath+"/never"), http.StatusNotFound)
	r.awaitHealth(t, func(h healthBody) bool {
		return h.Status == "healthy" && h.Primary.Connected && h.Primary.Answers && h.Replica == nil
	})
	// A new build on the primary is in the next answer.
	if _, err := builds.Run(t.Context(), r.pool, builds.Options{Settings: builds.DefaultSettings(), Keep: 5, Full: true}); err != nil {
		t.Fatal(err)
	}
	latest := r.fresh(t, popularPath)
	if string(latest.body) == string(kept.body) || latest.status != http.StatusOK {
		t.Errorf("after a build: %d %s", latest.status, latest.body)
	}
	r.servers.StopPrimary(t)
	if a := r.get(t, popularPath); a.status != http.StatusOK || string(a.body) != string(latest.body) || a.header.Get("Warning") != staleWarning {
		t.Errorf("both away: %d %v %s", a.status, a.header, a.body)
	}
	problemDetail(t, r.get(t, popularPath+"?limit=2"), http.StatusServiceUnavailable)
	r.awaitHealth(t, func(h healthBody) bool {
		return h.Status == "unhealthy" && !h.DatabaseConnected && !h.Primary.Connected
	})
}
