package main

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/client"
	"github.com/alsobought/alsobought/internal/dbtest"
)

// Commands that change nothing, and commands that do.
var (
	reading = [][]string{
		{"popular"},
		{"popular", "--days", "7"},
		{"similar", "cups", "--measure", "lift"},
		{"basket", "cups", "NA"},
		{"order", "2026/1"},
		{"explain", "cups", "saucers"},
		{"popular", "--build", "1"},
		{"builds"},
		{"builds", "diff", "1", "2"},
		{"loads"},
		{"loads", "show", "1"},
		{"loads", "rejects", "1"},
		{"rules"},
		{"keys"},
		{"items"},
		{"items", "categories"},
		{"doctor"},
		{"migrate", "status"},
		{"migrate"}, // nothing to migrate
	}
	writing = [][]string{
		{"load", "-"},
		{"loads", "revert", "1"},
		{"orders", "delete", "2026/1"},
		{"items", "load", "-"},
		{"build"},
		{"builds", "activate", "1"},
		{"builds", "rollback"},
		{"builds", "prune"},
		{"rules", "add", "hide", "saucers", "--reason", "why"},
		{"rules", "end", "1"},
		{"keys", "create", "other"},
		{"keys", "revoke", "1"},
		{"evaluate"},
		{"migrate", "down", "--yes"},
	}
)

const readOnlyDetail = "the database is read-only: send writes to the primary"

// wantReadOnly runs every command on two URLs of the same data, the second of them read-only: reading commands print
// the same, writing ones fail with a one-line error. It returns the API key it created.
func wantReadOnly(t *testing.T, writable, readOnly string, caughtUp func()) (key string) {
	t.Helper()
	want(t, writable, strings.NewReader(smallShop), "load", "-")
	want(t, writable, nil, "build", "--shrinkage", "3")
	want(t, writable, nil, "rules", "add", "hide", "scale", "--reason", "broken")
	key = strings.TrimSpace(want(t, writable, nil, "keys", "create", "shop"))
	caughtUp()
	for _, args := range reading {
		if diff := cmp.Diff(want(t, writable, nil, args...), want(t, readOnly, nil, args...)); diff != "" {
			t.Errorf("alsobought %s (-writable +read only):\n%s", strings.Join(args, " "), diff)
		}
	}
	for _, args := range writing {
		got := alsobought(t, readOnly, strings.NewReader("order_id,item_name\n9,cups\n"), args...)
		if got.status != exitFailed || got.stderr != "alsobought: "+readOnlyDetail+"\n" {
			t.Errorf("alsobought %s: exit status %d\n%s", strings.Join(args, " "), got.status, got.stderr)
		}
	}
	return key
}

func healthOf(t *testing.T, base string) client.HealthBody {
	t.Helper()
	response, err := apiAt(t, base, "").HealthWithResponse(t.Context())
	if err != nil || response.JSON200 == nil {
		t.Fatalf("%+v, %v", response, err)
	}
	return *response.JSON200
}

// wantRule posts a rule with the key, checks the status of the response and returns its body.
func wantRule(t *testing.T, base, key string, status int) string {
	t.Helper()
	got, body := sendRule(t, base, key)
	if got != status {
		t.Fatalf("a rule: status %d, want %d: %s", got, status, body)
	}
	return body
}

func sendRule(t *testing.T, base, key string) (status int, body string) {
	t.Helper()
	rule := client.RuleBody{Kind: client.RuleKindHide, Items: []string{"saucers"}, Reason: "why"}
	response, err := apiAt(t, base, key).RulesAddWithResponse(t.Context(), rule)
	if refused, ok := errors.AsType[*client.Error](err); ok {
		return refused.Status, refused.Detail
	}
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode(), string(response.Body)
}

func wantRefusedRule(t *testing.T, base, key string) {
	t.Helper()
	if body := wantRule(t, base, key, http.StatusServiceUnavailable); !strings.Contains(body, readOnlyDetail) {
		t.Errorf("a rule: %s", body)
	}
}

const saucers = "/api/v1/similar-items/cups?exclude=NA"

// TestReplica runs commands and a server on a hot standby that follows its primary, lags behind it, and is promoted.
func TestReplica(t *testing.T) {
	t.Parallel()
	servers := dbtest.NewReplicated(t)
	key := wantReadOnly(t, servers.Primary, servers.Standby, func() { servers.CatchUp(t) })
	if e := alsobought(t, servers.Standby, nil,
		"builds"); e.stderr != "alsobought: the database is a replica, up to date\n" {
		t.Errorf("builds on a replica: %q", e.stderr)
	}
	backups := t.TempDir()
	want(t, servers.Standby, nil, "backup", "--backup-dir", backups)
	want(t, servers.Standby, nil, "drill", "--backup-dir", backups)
	base := served(t, servers.Standby)
	// This URL has several hosts, of which the driver picks the primary.
	_, hosts, _ := strings.Cut(servers.Standby, "?host=")
	hosts, _, _ = strings.Cut(hosts, "&")
	both := strings.Replace(servers.Primary, "&port=5432", ","+hosts+"&port=5432,5432", 1)
	writer := served(t, both+"&target_session_attrs=read-write")
	const used = "SELECT count(*) FROM api_keys WHERE last_used_at IS NOT NULL"
	wantRefusedRule(t, base, key)
	if h := healthOf(t, base); !h.ReadOnly || h.Replica == nil || !h.Replica.Streaming {
		t.Errorf("health of a replica: %+v", h)
	}

	// A standby whose replay is paused reports its lag; after resuming it shows what was written meanwhile.
	dbtest.Value[string](t, servers.Standby, "SELECT pg_wal_replay_pause()::text")
	if !strings.Contains(fetch(t, base+saucers, ""), `"saucers"`) {
		t.Fatal("saucers do not go with cups")
	}
	want(t, servers.Primary, nil, "rules", "add", "hide", "saucers", "--reason", "why")
	awaitHealth(t, base, "lag", func(h client.HealthBody) bool {
		return h.Replica != nil && h.Replica.LagSeconds != nil && *h.Replica.LagSeconds > 0
	})
	lagging := regexp.MustCompile(`^alsobought: the database is a replica, up to [0-9.]+m?s behind\n$`)
	if e := alsobought(t, servers.Standby, nil, "loads"); !lagging.MatchString(e.stderr) {
		t.Errorf("loads on a replica that lags: %q", e.stderr)
	}
	dbtest.Value[string](t, servers.Standby, "SELECT pg_wal_replay_resume()::text")
	servers.CatchUp(t)
	if strings.Contains(fetch(t, base+saucers, ""), `"saucers"`) {
		t.Error("a rule that was replayed is not in the next answer")
	}
	awaitHealth(t, base, "no lag", func(h client.HealthBody) bool {
		return h.Replica != nil && h.Replica.LagSeconds != nil && *h.Replica.LagSeconds == 0
	})
	want(t, servers.Primary, nil, "rules", "end", "2")
	servers.CatchUp(t)

	servers.Promote(t)
	awaitHealth(t, base, "a primary", func(h client.HealthBody) bool { return !h.ReadOnly && h.Replica == nil })
	if n := dbtest.Value[int](t, servers.Standby, used); n != 0 {
		t.Errorf("%d keys were used according to a replica", n)
	}
	if !strings.Contains(fetch(t, base+saucers, ""), `"saucers"`) {
		t.Error("saucers are hidden before there is a rule")
	}
	wantRule(t, base, key, http.StatusCreated)
	if strings.Contains(fetch(t, base+saucers, ""), `"saucers"`) {
		t.Error("the promoted server's own rule is not in the next answer")
	}
	if n := dbtest.Value[int](t, servers.Standby, used); n != 1 {
		t.Errorf("%d keys were used after the promotion", n)
	}
	want(t, servers.Standby, nil, "build")
	dbtest.Eventually(t, "a server that looks for the primary finds it", func(context.Context) bool {
		status, _ := sendRule(t, writer, key)
		return status == http.StatusCreated
	})
}

// awaitHealth waits until /health is as wanted; the server refreshes it four times a second.
func awaitHealth(t *testing.T, base, what string, is func(client.HealthBody) bool) {
	t.Helper()
	dbtest.Eventually(t, "/health shows "+what, func(context.Context) bool { return is(healthOf(t, base)) })
}

// TestReadOnlyDatabase runs the same checks on a primary whose sessions are read-only.
func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	writable := dbtest.NewURL(t)
	readOnly := writable + "&default_transaction_read_only=on"
	if !strings.Contains(writable, "?") {
		readOnly = writable + "?default_transaction_read_only=on"
	}
	key := wantReadOnly(t, writable, readOnly, func() {})
	base := served(t, readOnly)
	if h := healthOf(t, base); !h.ReadOnly || h.Replica != nil {
		t.Errorf("health: %+v", h)
	}
	if !strings.Contains(fetch(t, base+saucers, ""), `"saucers"`) {
		t.Fatal("saucers do not go with cups")
	}
	wantRefusedRule(t, base, key)
	want(t, writable, nil, "rules", "add", "hide", "saucers", "--reason", "why")
	if strings.Contains(fetch(t, base+saucers, ""), `"saucers"`) {
		t.Error("a rule that is committed is not in the next answer")
	}
}
