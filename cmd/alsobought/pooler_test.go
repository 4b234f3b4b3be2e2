package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/client"
	"github.com/alsobought/alsobought/internal/dbtest"
)

const pooledLine = "alsobought: the connection goes through a pooler in transaction mode, " +
	"which does not support session locks: " +
	"use a direct URL of PostgreSQL, or a pooler in session mode (DATABASE_URL; for serve, --load-url)\n"

const heldLocks = "SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database " +
	"WHERE l.locktype = 'advisory' AND d.datname = current_database()"

// needSessions lists the commands that need session locks, roles or snapshots, besides those that write.
func needSessions(t *testing.T) [][]string {
	t.Helper()
	return [][]string{
		{"migrate"}, {"migrate", "status"}, {"builds", "diff", "1", "2"}, {
			"backup", "--backup-dir", filepath.Join(t.TempDir(), "backups"),
		},
	}
}

// isPlain reports whether a command runs single statements and needs no session.
func isPlain(args []string) bool { return args[0] == "rules" || args[0] == "keys" }

// Through PgBouncer in session mode every command works as without it. In transaction mode reading commands do, and
// commands that need a session fail with a one-line error before they take a lock.
func TestCommandsThroughPooler(t *testing.T) {
	t.Parallel()
	direct := dbtest.NewURL(t)
	session, transaction := dbtest.NewPgBouncer(t, direct, "session"), dbtest.NewPgBouncer(t, direct, "transaction")
	want(t, session, strings.NewReader(smallShop), "load", "-")
	want(t, session, nil, "build", "--shrinkage", "3")
	want(t, session, nil, "migrate", "status")
	for range 2 { // the second time would find a lock left behind
		want(t, session, strings.NewReader("order_id,item_name\n9,cups\n9,NA\n"), "load", "--again", "--no-build", "-")
	}
	want(t, transaction, nil, "rules", "add", "hide", "scale", "--reason", "broken")
	want(t, transaction, nil, "keys", "create", "shop")
	refused := needSessions(t)
	for _, args := range reading {
		if slices.ContainsFunc(refused, func(r []string) bool { return slices.Equal(r, args) }) {
			continue
		}
		if diff := cmp.Diff(want(t, direct, nil, args...), want(t, transaction, nil, args...)); diff != "" {
			t.Errorf("alsobought %s (-direct +pooled):\n%s", strings.Join(args, " "), diff)
		}
	}
	for _, args := range slices.Concat(refused, writing) {
		if isPlain(args) {
			continue
		}
		got := alsobought(t, transaction, strings.NewReader("order_id,item_name\n10,cups\n"), args...)
		if got.status != exitFailed || got.stderr != pooledLine {
			t.Errorf("alsobought %s: exit status %d\n%s", strings.Join(args, " "), got.status, got.stderr)
		}
	}
	if n := dbtest.Value[int](t, direct, heldLocks); n != 0 {
		t.Errorf("%d locks are left", n)
	}
	if n := dbtest.Value[int](t, direct, "SELECT count(*) FROM orders WHERE external_id = '10'"); n != 0 {
		t.Error("a refused load has loaded")
	}
}

// A server whose connections go through PgBouncer in transaction mode answers correctly while others build and add
// rules, and while orders arrive over its direct connection.
func TestServeThroughPooler(t *testing.T) {
	t.Parallel()
	direct := dbtest.NewURL(t)
	transaction := dbtest.NewPgBouncer(t, direct, "transaction", "default_pool_size = 3", "min_pool_size = 2")
	want(t, direct, strings.NewReader(smallShop), "load", "-")
	key := strings.TrimSpace(want(t, direct, nil, "keys", "create", "shop"))
	if got := alsobought(t, transaction, nil, "serve", "--addr", "127.0.0.1:0", "--load-url",
		transaction); got.status != exitFailed || got.stderr != pooledLine {
		t.Errorf("--load-url through the pooler: exit status %d\n%s", got.status, got.stderr)
	}
	alone := served(t, transaction)
	if status, body := sendOrder(t, alone, key, "11"); status != http.StatusServiceUnavailable ||
		!strings.Contains(body, "may not change orders") {
		t.Errorf("an order without --load-url: %d %s", status, body)
	}
	base := served(t, transaction, "--load-url", direct, "--rebuild-after", "1", "--rebuild-every", "0s")

	askThroughBuilds(t, direct, []string{alone, base})
	if !strings.Contains(fetch(t, base+saucers, ""), `"saucers"`) {
		t.Fatal("saucers do not go with cups")
	}
	wantRule(t, base, key, http.StatusCreated)
	for _, server := range []string{alone, base} {
		if strings.Contains(fetch(t, server+saucers, ""), `"saucers"`) {
			t.Error("a rule that is committed is not in the next answer")
		}
	}
	if status, body := sendOrder(t, base, key, "11"); status != http.StatusCreated {
		t.Errorf("an order: %d %s", status, body)
	}
	dbtest.Eventually(t, "the order is counted", func(context.Context) bool {
		return strings.Contains(fetch(t, base+"/health", ""), `"pending_orders":0`)
	})
	if !strings.Contains(fetch(t, base+"/api/v1/recommendations/11", ""), `"order_id":"11"`) {
		t.Error("no recommendations for the order")
	}
	dbtest.Eventually(t, "no lock is left",
		func(context.Context) bool { return dbtest.Value[int](t, direct, heldLocks) == 0 })
}

// builtOf matches what differs between answers from different builds of the same orders.
var builtOf = regexp.MustCompile(`"build_id":\d+,"built_at":"[^"]*"`)

// askThroughBuilds asks all servers the same questions during consecutive builds of the same orders, and expects the
// same answers.
func askThroughBuilds(t *testing.T, direct string, servers []string) {
	t.Helper()
	questions := []string{
		"/api/v1/popular-items?limit=4", "/api/v1/similar-items/cups", "/api/v1/similar-items/cups?measure=lift&exclude=NA",
		"/api/v1/recommendations/2026/1",
		"/api/v1/similar-items/grinder%201%2F2?limit=1",
	}
	right := map[string]string{}
	for _, q := range questions {
		right[q] = builtOf.ReplaceAllString(fetch(t, servers[0]+q, ""), "")
	}
	ctx, stop := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for i := range 8 {
		asking.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				q := questions[(i+n)%len(questions)]
				// Every other time, ask a question that is not cached.
				extra := "?"
				if strings.Contains(q, "?") {
					extra = "&"
				}
				if n%2 == 0 {
					extra = fmt.Sprintf("%sexclude=nothing-%d-%d", extra, i, n)
				} else {
					extra = ""
				}
				if got := builtOf.ReplaceAllString(fetch(t, servers[n%len(servers)]+q+extra, ""), ""); got != right[q] {
					t.Errorf("%s: %s\nwant %s", q, got, right[q])
					return
				}
			}
		})
	}
	for range 5 {
		want(t, direct, nil, "build", "--full", "--keep", "1")
	}
	stop()
	asking.Wait()
}

func sendOrder(t *testing.T, base, key, id string) (status int, body string) {
	t.Helper()
	body = `{"order_id":"` + id + `","items":["cups","NA"]}`
	response, err := apiAt(t, base, key).OrdersAddWithBodyWithResponse(t.Context(), nil, "application/json",
		strings.NewReader(body))
	if refused, ok := errors.AsType[*client.Error](err); ok {
		return refused.Status, refused.Detail
	}
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode(), string(response.Body)
}
