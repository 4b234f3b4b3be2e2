package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/localpg"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
)

// The API notices every kind of database loss, and recovers from it.
func TestLosingTheDatabase(t *testing.T) {
	t.Parallel()
	private := startPrivate(t)
	pool, err := pg.Open(t.Context(), private.URL(), 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if _, err := pg.MigrateUp(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	fill(t, pool, csvOf(t, []string{"1", "PID"}, []string{"1", "Gloves"}))
	// The test server does not sync its log: without a checkpoint, the kill may lose the last commits.
	if _, err := pool.Exec(t.Context(), "CHECKPOINT"); err != nil {
		t.Fatal(err)
	}
	serving, err := pg.Serving(t.Context(), pool, pg.Service{Timeout: patience, Warm: recommend.Warm})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(serving.Close)
	s := serveAPI(t, Config{Pool: serving, KeyedReads: true, CacheBytes: 1 << 20})
	s.key = mustCreateKey(t, pool, "till")
	s.expectHealth(t, "at first", http.StatusOK, http.StatusOK)
	kept := s.get(t, "/api/v1/popular-items")
	if kept.status != http.StatusOK || kept.header.Get("Age") != "" || kept.header.Get("Warning") != "" {
		t.Fatalf("%v %s", kept.header, kept.body)
	}

	// Frozen with all its connections: nothing is answered.
	frozen := s.freeze(t, private)
	s.expectHealth(t, "frozen", http.StatusServiceUnavailable, http.StatusServiceUnavailable)
	if a := s.get(t, "/health"); !strings.Contains(string(a.body), `"status":"unhealthy","database_connected":false`) {
		t.Errorf("frozen: %s", a.body)
	}
	s.expectStale(t, "frozen", kept)
	signal(t, unix.SIGCONT, frozen...)
	s.expectHealth(t, "thawed", http.StatusOK, http.StatusOK)
	s.expectAnswers(t, "thawed")

	// Killed while frozen, so that the loss cannot go unnoticed; localpg restarts it.
	frozen = s.freeze(t, private)
	s.expectStale(t, "frozen again", kept) // before any health check
	s.expectHealth(t, "frozen again", http.StatusServiceUnavailable, http.StatusServiceUnavailable)
	signal(t, unix.SIGKILL, frozen...)
	s.expectHealth(t, "started again after a kill", http.StatusOK, http.StatusOK)
	s.expectAnswers(t, "started again after a kill")

	// Stopped cleanly: nothing listens.
	if err := private.Close(); err != nil {
		t.Fatal(err)
	}
	s.expectHealth(t, "stopped", http.StatusServiceUnavailable, http.StatusServiceUnavailable)
	s.expectStale(t, "stopped", kept)
	if a := s.get(t, "/livez"); a.status != http.StatusOK {
		t.Errorf("/livez: %d", a.status)
	}
}

func startPrivate(t *testing.T) *localpg.Server {
	t.Helper()
	private, err := localpg.Start(t.Context(), localpg.Config{
		Dir:       filepath.Join(t.TempDir(), "data"),
		Throwaway: true,
		BinDir:    os.Getenv("ALSOBOUGHT_PG_BIN"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := private.Close(); err != nil {
			t.Error(err)
		}
	})
	return private
}

// expectHealth waits until /health and /readyz have the statuses, and logs how long that took.
func (s *server) expectHealth(t *testing.T, when string, health, ready int) {
	t.Helper()
	began := time.Now()
	dbtest.Eventually(t, "/health "+when, func(context.Context) bool { return s.get(t, "/health").status == health })
	dbtest.Eventually(t, "/readyz "+when, func(context.Context) bool { return s.get(t, "/readyz").status == ready })
	t.Logf("%s: /health %d, /readyz %d after %s", when, health, ready, time.Since(began).Round(time.Millisecond))
}

// expectStale checks that a known key gets the cached answer, marked as stale, and that all other questions and keys
// are refused.
func (s *server) expectStale(t *testing.T, when string, kept answer) {
	t.Helper()
	a := s.get(t, "/api/v1/popular-items")
	if a.status != http.StatusOK || string(a.body) != string(kept.body) || a.header.Get("ETag") != kept.header.Get("ETag") ||
		a.header.Get("Age") == "" || a.header.Get("Warning") != `110 alsobought "Response is Stale"` {
		t.Errorf("%s: %d %v %s", when, a.status, a.header, a.body)
	}
	has := withKey(s.key)
	has.Set("If-None-Match", kept.header.Get("ETag"))
	if a := s.do(t, http.MethodGet, "/api/v1/popular-items", "", has); a.status != http.StatusNotModified || a.header.Get("Age") == "" {
		t.Errorf("%s: %d %v", when, a.status, a.header)
	}
	began := time.Now()
	for _, a := range []answer{
		s.get(t, "/api/v1/popular-items?limit=7"), s.get(t, explainPath+"?item=PID&other=Gloves"), s.get(t, orderPath+"/1"),
		s.get(t, rulesPath), s.do(t, http.MethodGet, popularPath, "", withKey("ab_unknown")),
	} {
		problemDetail(t, a, http.StatusServiceUnavailable)
		if a.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", when)
		}
	}
	t.Logf("%s: refused after %s", when, time.Since(began).Round(time.Millisecond))
}

// expectAnswers waits until questions are answered, i.e. until the pool has replaced its dead connections.
func (s *server) expectAnswers(t *testing.T, when string) {
	t.Helper()
	began := time.Now()
	dbtest.Eventually(t, "answers "+when, func(context.Context) bool {
		a := s.get(t, "/api/v1/similar-items/PID")
		return a.status == http.StatusOK && a.header.Get("Age") == ""
	})
	t.Logf("%s: answers after %s", when, time.Since(began).Round(time.Millisecond))
}

// freeze stops all processes of the server and returns their ids, the postmaster's first.
func (s *server) freeze(t *testing.T, private *localpg.Server) []int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(private.Dir(), "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	postmaster, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := s.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	t.Cleanup(func() { signal(t, unix.SIGCONT, postmaster) }) // a frozen one cannot be stopped
	signal(t, unix.SIGSTOP, postmaster)                       // first, so that it forks no more
	var others []int
	if err := conn.QueryRow(t.Context(), "SELECT array_agg(pid) FROM pg_stat_activity").Scan(&others); err != nil {
		t.Fatal(err)
	}
	signal(t, unix.SIGSTOP, others...)
	return append([]int{postmaster}, others...)
}

func signal(t *testing.T, what unix.Signal, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if err := unix.Kill(pid, what); err != nil && !errors.Is(err, unix.ESRCH) {
			t.Fatalf("signal %d: %v", pid, err)
		}
	}
}

// A pool without a free connection is busy, not unhealthy. Concurrent checks share one look at the database.
func TestHealthOfABusyPool(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	held := s.pool.Config().MaxConns
	for range held {
		conn, err := s.pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
	}
	const askers = 50
	var asking sync.WaitGroup
	answers := make([]answer, askers)
	for i := range answers {
		asking.Go(func() { answers[i] = s.get(t, []string{"/health", "/readyz"}[i%2]) })
	}
	asking.Wait()
	looks := map[time.Time]bool{}
	for i, a := range answers {
		if a.status != http.StatusOK {
			t.Errorf("answer %d: %d %s", i, a.status, a.body)
		}
		if i%2 == 0 {
			looks[decodeBody[healthBody](t, a).Timestamp] = true
		}
	}
	if len(looks) >= askers/2 {
		t.Errorf("%d looks for %d requests", len(looks), askers/2)
	}
}

// A server that is out of connections still serves existing ones.
func TestHealthOfAFullServer(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var name string
	if err := s.pool.QueryRow(t.Context(), "SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	// Superusers bypass connection limits, so the API needs another role.
	role := "limited_" + name
	for _, statement := range []string{
		"CREATE ROLE " + role + " LOGIN PASSWORD 'limited' CONNECTION LIMIT 1",
		"GRANT USAGE ON SCHEMA public TO " + role,
		"GRANT SELECT ON ALL TABLES IN SCHEMA public TO " + role,
	} {
		if _, err := s.pool.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	config := s.pool.Config().ConnConfig
	url := fmt.Sprintf("host='%s' port=%d dbname=%s user=%s password=limited", config.Host, config.Port, name, role)
	limited, err := pg.Open(t.Context(), url, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		limited.Close()
		for _, statement := range []string{"DROP OWNED BY " + role, "DROP ROLE " + role} {
			if _, err := s.pool.Exec(context.Background(), statement); err != nil {
				t.Error(err)
			}
		}
	})
	api := serveAPI(t, Config{Pool: limited})
	// The pool has the only connection, so no other can be opened.
	for _, path := range []string{"/api/v1/popular-items", "/health", "/readyz"} {
		if a := api.get(t, path); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if _, err := pg.Connect(t.Context(), limited); !pg.IsFull(err) {
		t.Errorf("the server took one more: %v", err)
	}
}

// /livez does not need the database.
func TestLivezNeedsNoDatabase(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	s := serveAPI(t, Config{Pool: pool})
	pool.Close()
	if a := s.get(t, "/livez"); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// A connection lost while idle does not fail a question: it is retried on another one.
func TestLostConnections(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	want := s.get(t, "/api/v1/similar-items/PID")
	for range 3 {
		// Terminate all of the pool's connections but this one, which the pool keeps.
		if _, err := s.pool.Exec(t.Context(), `SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS a
			WHERE a.datname = current_database() AND a.application_name = 'alsobought' AND a.pid <> pg_backend_pid()`); err != nil && !pg.IsLost(err) {
			t.Fatal(err)
		}
		var asking sync.WaitGroup
		for range 4 {
			asking.Go(func() {
				if a := s.get(t, "/api/v1/similar-items/PID"); a.status != http.StatusOK || string(a.body) != string(want.body) {
					t.Errorf("%d %s", a.status, a.body)
				}
			})
		}
		asking.Wait()
	}
}

// A pool without a free connection does not block requests: cached answers are served as stale, others refused.
func TestExhaustedPool(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	fill(t, pool, csvOf(t, []string{"1", "PID"}, []string{"1", "Gloves"}))
	serving, err := pg.Serving(t.Context(), pool, pg.Service{Timeout: patience, Warm: recommend.Warm})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(serving.Close)
	s := serveAPI(t, Config{Pool: serving, CacheBytes: 1 << 20, Timeout: 2 * patience})
	want := s.get(t, popularPath)
	for range serving.Config().MaxConns {
		conn, err := serving.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
	}
	if a := s.get(t, popularPath); a.status != http.StatusOK || string(a.body) != string(want.body) || a.header.Get("Age") == "" {
		t.Errorf("kept: %d %v %s", a.status, a.header, a.body)
	}
	problemDetail(t, s.get(t, popularPath+"?limit=7"), http.StatusServiceUnavailable)
	if a := s.get(t, "/readyz"); a.status != http.StatusOK {
		t.Errorf("/readyz: %d %s", a.status, a.body)
	}
}

// PostgreSQL cancels statements that wait for a lock or run too long.
func TestServerEndsStatements(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	serving, err := pg.Serving(t.Context(), pool, pg.Service{Timeout: 200 * time.Millisecond, Warm: recommend.Warm})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(serving.Close)
	if _, err := serving.Exec(t.Context(), "SELECT pg_sleep(3600)"); !pg.IsTimeout(err) {
		t.Errorf("%v", err)
	}
	var limits string
	err = serving.QueryRow(t.Context(), "SELECT concat_ws(' ', current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout'))").Scan(&limits)
	if err != nil || limits != "1s 200ms" {
		t.Errorf("%q, %v", limits, err)
	}
}
