package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/alsobought/alsobought/client"
	"github.com/alsobought/alsobought/internal/dbtest"
)

// A server sends questions to the replica, and orders, rules and builds to the primary.
func TestReadURL(t *testing.T) {
	t.Parallel()
	servers := dbtest.NewReplicated(t)
	want(t, servers.Primary, strings.NewReader(smallShop), "load", "-")
	key := strings.TrimSpace(want(t, servers.Primary, nil, "keys", "create", "shop"))
	servers.CatchUp(t)
	metrics := "127.0.0.1:" + freePort(t)
	base := served(t, servers.Primary, "--read-url", servers.Standby, "--admin-addr", metrics, "--rebuild-after", "1",
		"--rebuild-every", "0s")

	dbtest.Value[string](t, servers.Standby, "SELECT pg_wal_replay_pause()::text")
	if status, body := sendOrder(t, base, key, "11"); status != http.StatusCreated {
		t.Fatalf("an order: %d %s", status, body)
	}
	if !strings.Contains(fetch(t, base+"/api/v1/recommendations/11", ""), `"order_id":"11"`) {
		t.Error("an order just written has no recommendations")
	}
	wantRule(t, base, key, http.StatusCreated)
	if !strings.Contains(fetch(t, base+saucers, ""), `"saucers"`) {
		t.Error("an answer is not of the replica, or saucers do not go with cups")
	}
	awaitHealth(t, base, "lag", func(h client.HealthBody) bool {
		return h.Replica != nil && h.Replica.LagSeconds != nil && *h.Replica.LagSeconds > 0
	})
	text := fetch(t, "http://"+metrics+"/metrics", "")
	for _, line := range []string{
		"alsobought_replica_up 1", "alsobought_replica_streaming 1",
		`alsobought_pool_connections{server="replica",state="idle"}`,
		`alsobought_http_questions_to_primary_total{why="unknown_order"} 1`, "alsobought_rules_in_force 1",
		"alsobought_replica_active_build 1",
	} {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("no %q in the metrics", line)
		}
	}
	if strings.Contains(text, "\nalsobought_replica_lag_seconds 0\n") ||
		!strings.Contains(text, "\nalsobought_replica_lag_seconds ") {
		t.Error("no lag in the metrics")
	}
	dbtest.Value[string](t, servers.Standby, "SELECT pg_wal_replay_resume()::text")
	servers.CatchUp(t)
	if strings.Contains(fetch(t, base+saucers, ""), `"saucers"`) {
		t.Error("a rule that was replayed is not in the next answer")
	}
	awaitHealth(t, base, "no lag", func(h client.HealthBody) bool {
		return h.Replica != nil && h.Replica.LagSeconds != nil && *h.Replica.LagSeconds == 0
	})
}

// A server that is not a replica of the database is refused with a one-line error.
func TestReadURLRefused(t *testing.T) {
	t.Parallel()
	database, other := dbtest.NewURL(t), dbtest.NewURL(t)
	dbtest.Value[int](t, other, "WITH moved AS (UPDATE goose_db_version SET tstamp = tstamp + interval '1 day' "+
		"RETURNING 1) SELECT count(*)::integer FROM moved")
	for name, c := range map[string]struct {
		database, replica, want string
		status                  int
	}{
		"another database": {
			database, other, "--read-url: not a replica of the database in DATABASE_URL: use one of its hot standbys",
			exitFailed,
		},
		"empty": {
			database, dbtest.NewEmptyURL(t), "--read-url: not a replica of the database in DATABASE_URL: " +
				"use one of its hot standbys", exitFailed,
		},
		"nobody there": {database, "postgres://u@127.0.0.1:1/db", "--read-url: ", exitFailed},
		"no database":  {"", database, "--read-url requires the URL of its primary in DATABASE_URL", exitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := alsobought(t, c.database, nil, "serve", "--addr", "127.0.0.1:0", "--read-url", c.replica)
			if got.status != c.status || !strings.HasPrefix(got.stderr, "alsobought: "+c.want) ||
				strings.Count(got.stderr, "\n") != 1 {
				t.Errorf("exit status %d: %s", got.status, got.stderr)
			}
			if name == "nobody there" && !strings.HasSuffix(got.stderr,
				"check that the replica is running, or start without it\n") {
				t.Errorf("%s", got.stderr)
			}
		})
	}
}

// A wrong URL is reported under the name by which it was given.
func TestWrongURLIsNamed(t *testing.T) {
	t.Parallel()
	url := dbtest.NewURL(t)
	const unreadable, closed = "postgres://u@host:port/db", "postgres://u@127.0.0.1:1/db"
	for _, c := range []struct {
		database string
		flags    []string
		begins   string
		ends     string
	}{
		{unreadable, nil, "DATABASE_URL: invalid database URL: ", ""},
		{closed, nil, "connect to PostgreSQL: ", ": check that it is running and that DATABASE_URL is right"},
		{url, []string{"--load-url", unreadable}, "--load-url: invalid database URL: ", ""},
		{url, []string{"--load-url", closed}, "--load-url: connect to PostgreSQL: ", ": check that it is running and that --load-url is right"},
		{url, []string{"--read-url", unreadable}, "--read-url: invalid database URL: ", ""},
	} {
		got := alsobought(t, c.database, nil, append([]string{"serve", "--addr", "127.0.0.1:0"}, c.flags...)...)
		if got.status != exitFailed || strings.Count(got.stderr, "\n") != 1 ||
			!strings.HasPrefix(got.stderr, "alsobought: "+c.begins) || !strings.HasSuffix(got.stderr, c.ends+"\n") {
			t.Errorf("%s %v: exit status %d\n%s", c.database, c.flags, got.status, got.stderr)
		}
	}
}
