package httpapi

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/pg"
)

func mustCreateKey(t *testing.T, pool *pg.Pool, name string) string {
	t.Helper()
	key, _, err := apikey.Create(t.Context(), pool, name, apikey.Usual, nil, "tester")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func withKey(key string) http.Header {
	return http.Header{"Authorization": {"Bearer " + key}, "Content-Type": {"application/json"}}
}

// keyedRoutes are the routes that need a key, each with a valid request.
var keyedRoutes = []struct{ method, path, body string }{
	{http.MethodGet, rulesPath, ""},
	{http.MethodPost, rulesPath, `{"kind":"hide","items":["PID"],"reason":"recalled"}`},
	{http.MethodDelete, rulesPath + "/1", ""},
	{http.MethodPost, mcpPath, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`},
}

// Whatever is wrong with a key, and wherever else it is sent, the answer is the same and nothing happens.
func TestKeysRefused(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	s := serveAPI(t, Config{Pool: pool, WrongKeys: 1000})
	good := mustCreateKey(t, pool, "good")
	expired, revoked := mustCreateKey(t, pool, "expired"), mustCreateKey(t, pool, "revoked")
	for _, statement := range []string{
		"UPDATE api_keys SET created_at = now() - interval '1 day', expires_at = now() WHERE name = 'expired'",
		"UPDATE api_keys SET revoked_at = now(), revoked_by = 'tester' WHERE name = 'revoked'",
		"INSERT INTO rules (kind, items, reason, author) VALUES ('hide', '{a}', 'kept', 'tester')",
	} {
		if _, err := pool.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	authorization := func(values ...string) http.Header { return http.Header{"Authorization": values} }
	tests := []struct {
		name   string
		header http.Header
		query  string
		logged string // the reason
	}{
		{"none", nil, "", "none was sent"},
		{"empty", authorization(""), "", "none was sent"},
		{"only a scheme", authorization("Bearer"), "", "none was sent"},
		{"only a scheme and a blank", authorization("Bearer "), "", "none was sent"},
		{"only a key", authorization(good), "", "none was sent"},
		{"another scheme", authorization("Basic " + good), "", "none was sent"},
		{"a scheme that begins like it", authorization("Bearers " + good), "", "none was sent"},
		{"a tab between", authorization("Bearer\t" + good), "", "none was sent"},
		{"a colon", authorization("Bearer: " + good), "", "none was sent"},
		{"twice", authorization("Bearer "+good, "Bearer "+good), "", "none was sent"},
		{"two keys", authorization("Bearer "+good, "Bearer ab_x"), "", "none was sent"},
		{"two in one", authorization("Bearer " + good + ", Bearer " + good), "", "unknown key"},
		{"in quotes", authorization(`Bearer "` + good + `"`), "", "unknown key"},
		{"in other headers", http.Header{"X-Api-Key": {good}, "Cookie": {"key=" + good}, "Proxy-Authorization": {"Bearer " + good}}, "", "none was sent"},
		{"in the query", nil, "?key=" + good + "&access_token=" + good + "&authorization=Bearer+" + good, "none was sent"},
		{"unknown", authorization("Bearer ab_" + strings.Repeat("A", 30)), "", "unknown key"},
		{"other case", authorization("Bearer " + strings.ToLower(good)), "", "unknown key"},
		{"cut", authorization("Bearer " + good[:len(good)-1]), "", "unknown key"},
		{"no text", authorization("Bearer \xff\xfe"), "", "unknown key"},
		{"oversized", authorization("Bearer " + strings.Repeat("x", 32<<10)), "", "unknown key"},
		{"expired", authorization("Bearer " + expired), "", "has expired"},
		{"revoked", authorization("Bearer " + revoked), "", "was revoked"},
	}
	const want = "this needs a key: send it as Authorization: Bearer KEY"
	for i, test := range tests {
		for j, route := range keyedRoutes {
			id := fmt.Sprint("refused-", i, "-", j)
			header := http.Header{requestIDHeader: {id}, "Content-Type": {"application/json"}}
			maps.Copy(header, test.header)
			a := s.do(t, route.method, route.path+test.query, route.body, header)
			if detail := problemDetail(t, a, http.StatusUnauthorized); detail != want {
				t.Errorf("%s: %s %s: detail %q", test.name, route.method, route.path, detail)
			}
			if got := a.header.Values("WWW-Authenticate"); len(got) != 1 || got[0] != "Bearer" {
				t.Errorf("%s: %s %s: WWW-Authenticate %q", test.name, route.method, route.path, got)
			}
			l := s.log.of(t, id)
			if l["level"] != "WARN" || !strings.Contains(fmt.Sprint(l["error"]), test.logged) || l["key_id"] != nil {
				t.Errorf("%s: log %v", test.name, l)
			}
			for _, secret := range []string{good[7:], expired[7:], revoked[7:]} {
				if strings.Contains(fmt.Sprint(l), secret) || strings.Contains(string(a.body), secret) {
					t.Errorf("%s: a key is shown: %v %s", test.name, l, a.body)
				}
			}
		}
	}
	var rules, ended int
	err := pool.QueryRow(t.Context(), "SELECT count(*), count(r.ended_at) FROM rules AS r").Scan(&rules, &ended)
	if err != nil || rules != 1 || ended != 0 {
		t.Errorf("%d rules, %d ended, error %v", rules, ended, err)
	}
}

// The scheme is case-insensitive (RFC 9110) and any number of spaces may follow it.
func TestKeysTaken(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	s := serveAPI(t, Config{Pool: pool})
	key := mustCreateKey(t, pool, "good")
	for i, value := range []string{"Bearer " + key, "bearer " + key, "BEARER " + key, "Bearer   " + key, "  Bearer " + key + "  "} {
		id := fmt.Sprint("taken-", i)
		a := s.do(t, http.MethodGet, rulesPath, "", http.Header{"Authorization": {value}, requestIDHeader: {id}})
		if a.status != http.StatusOK || a.header.Get("WWW-Authenticate") != "" {
			t.Errorf("%q: %d %s", value, a.status, a.body)
		}
		if l := s.log.of(t, id); l["level"] != "INFO" || l["key_id"] != 1.0 || strings.Contains(strings.ToLower(fmt.Sprint(l)), strings.ToLower(key[7:])) {
			t.Errorf("log %v", l)
		}
	}
	if a := s.do(t, http.MethodHead, rulesPath, "", withKey(key)); a.status != http.StatusOK || len(a.body) > 0 {
		t.Errorf("HEAD: %d", a.status)
	}
	// Open routes ignore keys.
	if a := s.do(t, http.MethodGet, "/livez", "", withKey("wrong")); a.status != http.StatusOK {
		t.Errorf("an open route: %d %s", a.status, a.body)
	}
}

// A key may do what its scopes allow, and one with scope admin everything. Questions need scope read only if they are
// not open.
func TestScopes(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	open, closed := serveAPI(t, Config{Pool: pool}), serveAPI(t, Config{Pool: pool, KeyedReads: true})
	const asked, changed = http.StatusServiceUnavailable, http.StatusCreated // there is no build
	for _, test := range []struct {
		scopes                     []string
		openRead, closedRead, rule int
	}{
		{nil, asked, http.StatusUnauthorized, http.StatusUnauthorized},
		{[]string{"read"}, asked, asked, http.StatusForbidden},
		{[]string{"write"}, asked, http.StatusForbidden, changed},
		{[]string{"read", "write"}, asked, asked, changed},
		{[]string{"admin"}, asked, asked, changed},
	} {
		header := http.Header{"Content-Type": {"application/json"}}
		if test.scopes != nil {
			key, _, err := apikey.Create(t.Context(), pool, strings.Join(test.scopes, " "), test.scopes, nil, "tester")
			if err != nil {
				t.Fatal(err)
			}
			header = withKey(key)
		}
		const rule = `{"kind":"hide","items":["PID"],"reason":"recalled"}`
		for _, request := range []struct {
			s                  *server
			method, path, body string
			want               int
		}{
			{open, http.MethodGet, popularPath, "", test.openRead},
			{closed, http.MethodGet, popularPath, "", test.closedRead},
			{closed, http.MethodGet, similarPath + "/PID", "", test.closedRead},
			{closed, http.MethodPost, basketPath, `{"items":["PID"]}`, test.closedRead},
			{closed, http.MethodPost, batchPath, `{"items":["PID"]}`, test.closedRead},
			{closed, http.MethodGet, orderPath + "/1", "", test.closedRead},
			{closed, http.MethodGet, explainPath + "?item=a&other=b", "", test.closedRead},
			{open, http.MethodPost, rulesPath, rule, test.rule},
			{closed, http.MethodGet, "/health", "", http.StatusOK},
			{closed, http.MethodGet, "/openapi.json", "", http.StatusOK},
		} {
			a := request.s.do(t, request.method, request.path, request.body, header)
			if a.status != request.want {
				t.Errorf("scopes %v: %s %s: %d, want %d: %s", test.scopes, request.method, request.path, a.status, request.want, a.body)
			}
			if a.status == http.StatusForbidden && !strings.Contains(a.header.Get("WWW-Authenticate"), `error="insufficient_scope"`) {
				t.Errorf("%v", a.header)
			}
		}
	}
}

// Clients that guess keys have to wait. Keys that were valid before still work from the same address.
func TestGuessing(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	s := serveAPI(t, Config{Pool: pool, WrongKeys: 3})
	old, late := mustCreateKey(t, pool, "old"), mustCreateKey(t, pool, "late")
	ask := func(key string) answer { return s.do(t, http.MethodGet, rulesPath, "", withKey(key)) }
	if a := ask(old); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	dbtest.Eventually(t, "guesses to be refused", func(context.Context) bool {
		a := ask("ab_guess")
		if a.status == http.StatusTooManyRequests && a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		return a.status == http.StatusTooManyRequests
	})
	if a := ask(old); a.status != http.StatusOK {
		t.Errorf("a key that was good before: %d %s", a.status, a.body)
	}
	// On a slow machine, a token may be back.
	if a := ask(late); a.status != http.StatusTooManyRequests && a.status != http.StatusOK {
		t.Errorf("one that was not: %d %s", a.status, a.body)
	}
	if a := s.do(t, http.MethodGet, rulesPath, "", nil); a.status != http.StatusUnauthorized {
		t.Errorf("none: %d %s", a.status, a.body)
	}
}

// Requests with a valid key count against the key, also on open routes and from an address beyond its limit. Others
// count against their address, and so does a wrong key, which open routes ignore.
func TestKeyRate(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	s := serveAPI(t, Config{Pool: pool, AddressRate: 1.0 / 3600, KeyRate: 2.0 / 3600})
	key, other := mustCreateKey(t, pool, "till"), mustCreateKey(t, pool, "shop")
	const byAddress, byKey = `"address";q=1;w=3600`, `"key";q=1;w=1800`
	for i, c := range []struct {
		path, key string
		status    int
		policy    string
	}{
		{"/openapi.json", "ab_guess", http.StatusOK, byAddress},
		{"/openapi.json", "", http.StatusTooManyRequests, byAddress},
		{"/openapi.json", key, http.StatusOK, byKey},
		{rulesPath, key, http.StatusTooManyRequests, byKey},
		{rulesPath, other, http.StatusOK, byKey},
		{rulesPath, "ab_guess", http.StatusTooManyRequests, byAddress},
	} {
		header := http.Header{}
		if c.key != "" {
			header = withKey(c.key)
		}
		a := s.do(t, http.MethodGet, c.path, "", header)
		if a.status != c.status || a.header.Get("Ratelimit-Policy") != c.policy {
			t.Errorf("request %d: %d %q", i, a.status, a.header.Get("Ratelimit-Policy"))
		}
	}
}

// If there are no keys, the answer says how to create one. Revoked keys do not count.
func TestNoKeysYet(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	s := serveAPI(t, Config{Pool: pool})
	refused := func(header http.Header) {
		t.Helper()
		for _, route := range keyedRoutes {
			a := s.do(t, route.method, route.path, route.body, header)
			if detail := problemDetail(t, a, http.StatusUnauthorized); !strings.Contains(detail, "alsobought keys create") ||
				a.header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%v %s", a.header, a.body)
			}
		}
	}
	refused(nil)
	refused(withKey("ab_x"))
	key, row, err := apikey.Create(t.Context(), pool, "only", apikey.Usual, nil, "tester")
	if err != nil {
		t.Fatal(err)
	}
	if a := s.do(t, http.MethodGet, rulesPath, "", withKey(key)); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
	if _, err := apikey.Revoke(t.Context(), pool, row.KeyID, "tester"); err != nil {
		t.Fatal(err)
	}
	refused(withKey(key))
}

// Without a key, the answer comes before any of the body is read.
func TestKeysBeforeBodies(t *testing.T) {
	t.Parallel()
	s := serveAPI(t, Config{Pool: dbtest.New(t)})
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n", rulesPath)
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "401") {
		t.Errorf("%q, %v", line, err)
	}
}

// A database that does not answer is a 503 here, too, never a wrong key.
func TestKeysWithoutDatabase(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	key := mustCreateKey(t, pool, "good")
	lock, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback(context.Background())
	if _, err := lock.Exec(t.Context(), "LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	s := serveAPI(t, Config{Pool: pool, Timeout: 50 * time.Millisecond})
	a := s.do(t, http.MethodGet, rulesPath, "", withKey(key))
	if detail := problemDetail(t, a, http.StatusServiceUnavailable); !strings.Contains(detail, "too long") || a.header.Get("Retry-After") == "" ||
		a.header.Get("WWW-Authenticate") != "" {
		t.Errorf("%v %s", a.header, a.body)
	}
}

// A key is the whole value of the only header, or there is none.
func FuzzBearer(f *testing.F) {
	for _, seed := range []string{"", "Bearer x", "bearer  x ", "Bearer", "Basic x", "Bearer x y", "Bearer\u00a0x", "Bearer \x00"} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, value string, twice bool) {
		header := http.Header{"Authorization": {value}}
		if twice {
			header.Add("Authorization", value)
		}
		key := bearer(header)
		if key == "" {
			return
		}
		if twice || !strings.EqualFold(value[:7], "Bearer ") || strings.Trim(value[7:], " ") != key {
			t.Errorf("%q (twice: %t) has the key %q", value, twice, key)
		}
	})
}
