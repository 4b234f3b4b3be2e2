package httpapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/alsobought/alsobought/internal/dbtest"
)

func TestStrict(t *testing.T) {
	t.Parallel()
	nested := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for _, good := range []string{
		`{}`, `{"items":["a","b"]}`, ` {"a":{"b":1},"c":{"b":1}} `, `"\ud83d\ude42"`, `{"a":"` + strings.Repeat("[", 100) + `"}`, nested(maxDepth),
		`[` + strings.Repeat("[],", 100) + `[]]`,
		"", "{", `{"a"`, "nonsense", `{"a":1}{"a":1}`, "{\"a\":\"\xff\"", // not JSON: refused elsewhere
	} {
		if p := strict([]byte(good)); p != nil {
			t.Errorf("%q: %v", good, p)
		}
	}
	for body, want := range map[string]string{
		`{"a":1,"b":2,"a":3}`:                                "body.a",
		`{"a":[{"b":1},{"c":1,"c":1}]}`:                      "body.a[1].c",
		"{\"a\":[\"\xed\xa0\x80\"]}":                         "body.a[0]",
		`{"a":"\udc00"}`:                                     "body.a",
		`{"` + strings.Repeat("x", 1000) + `":"\ud800"}`:     "body." + strings.Repeat("x", 100),
		`{"` + strings.Repeat(`é`, 100) + `":["\ud800"]}`:    "body." + strings.Repeat("é", 50) + "...",
		`[[[[[[[[[[[[1]]]]]]]]]]],{"` + "\x7f" + `":"\ud8"}`: "",
	} {
		p := strict([]byte(body))
		if want == "" {
			if p != nil {
				t.Errorf("%q: %+v", body, p)
			}
			continue
		}
		if p == nil || p.Status != http.StatusUnprocessableEntity || p.Errors[0].Location != want {
			t.Errorf("%.60q: %+v, want %s", body, p, want)
		}
	}
	if p := strict([]byte(nested(maxDepth + 1))); p == nil || p.Status != http.StatusBadRequest {
		t.Errorf("too deep: %+v", p)
	}
}

func FuzzStrict(f *testing.F) {
	for _, seed := range []string{`{"a":1,"a":2}`, "{\"a\":\"\xff\"}", `{"a":"\ud800"}`, "[[[[", `{"":[]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var p *huma.ErrorModel
		if p = strict(body); p == nil {
			return
		}
		for _, e := range p.Errors {
			if len(e.Location) > 400 || !strings.HasPrefix(e.Location, "body") {
				t.Errorf("%q: %+v", body, e)
			}
		}
	})
}

// A client's address is what a trusted proxy says, never what the client itself claims.
func TestClientOf(t *testing.T) {
	t.Parallel()
	a := &API{Config: Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}}
	for _, test := range []struct {
		peer  string
		lines []string
		want  string
	}{
		{"192.0.2.1:1", nil, "192.0.2.1"},
		{"192.0.2.1:1", []string{"203.0.113.9"}, "192.0.2.1"}, // not a trusted proxy
		{"10.0.0.1:1", nil, "10.0.0.1"},
		{"10.0.0.1:1", []string{"203.0.113.9"}, "203.0.113.9"},
		{"10.0.0.1:1", []string{"198.51.100.7, 203.0.113.9"}, "203.0.113.9"}, // the first may be forged
		{"10.0.0.1:1", []string{"198.51.100.7, 203.0.113.9, 10.2.3.4"}, "203.0.113.9"},
		{"10.0.0.1:1", []string{"198.51.100.7", "203.0.113.9", "fd00::1 ,10.2.3.4"}, "203.0.113.9"},
		{"10.0.0.1:1", []string{"203.0.113.9, unknown"}, "10.0.0.1"},
		{"10.0.0.1:1", []string{"203.0.113.9, x, 10.9.9.9"}, "10.9.9.9"},
		{"10.0.0.1:1", []string{""}, "10.0.0.1"},
		{"[::ffff:10.0.0.1]:1", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{"[fd00::2%eth0]:1", []string{"2001:db8::7"}, "2001:db8::7"},
		{"@", []string{"203.0.113.9"}, "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: test.peer, Header: http.Header{"X-Forwarded-For": test.lines}}
		if got := a.clientOf(r); got.String() != test.want {
			t.Errorf("%s %q: %s, want %s", test.peer, test.lines, got, test.want)
		}
	}
	for addr, want := range map[string]string{"192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "fe80::1%eth0": "fe80::"} {
		if got := addressOf(netip.MustParseAddr(addr)); got.String() != want {
			t.Errorf("%s counts as %s, want %s", addr, got, want)
		}
	}
}

// Each address has its own rate, sees its remaining quota, and is refused beyond it. Probes are exempt.
func TestAddressRate(t *testing.T) {
	t.Parallel()
	// So slow that no token is added during the test.
	a := New(Config{AddressRate: 1.0 / 3600, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	ask := func(client, path string) *http.Response {
		r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
		r.RemoteAddr = "127.0.0.1:1"
		r.Header.Set("X-Forwarded-For", client)
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		return w.Result()
	}
	first := ask("192.0.2.1", "/openapi.json")
	if first.StatusCode != http.StatusOK || first.Header.Get("Ratelimit-Policy") != `"address";q=1;w=3600` ||
		first.Header.Get("Ratelimit") != `"address";r=0;t=3600` {
		t.Errorf("%d %v", first.StatusCode, first.Header)
	}
	second := ask("192.0.2.1", "/openapi.json")
	if second.StatusCode != http.StatusTooManyRequests || second.Header.Get("Retry-After") != "3600" || second.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %v", second.StatusCode, second.Header)
	}
	if other := ask("192.0.2.2", "/openapi.json"); other.StatusCode != http.StatusOK {
		t.Errorf("another address: %d", other.StatusCode)
	}
	if probe := ask("192.0.2.1", "/livez"); probe.StatusCode != http.StatusOK {
		t.Errorf("/livez: %d", probe.StatusCode)
	}
	if free := New(Config{}); free.addressRate != nil {
		t.Error("there is a limit by default")
	}
}

// When all slots are taken, others are refused after a moment. Leaving frees a slot.
func TestSlots(t *testing.T) {
	t.Parallel()
	r := make(slots, 1)
	if err := r.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.enter(t.Context()); !errors.Is(err, errBusy) {
		t.Errorf("full: %v", err)
	}
	ctx, leave := context.WithCancel(t.Context())
	leave()
	if err := r.enter(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("gone: %v", err)
	}
	r.leave()
	if err := r.enter(t.Context()); err != nil {
		t.Errorf("left: %v", err)
	}
}

// Above the limit of concurrent requests, the answer is a 503 with Retry-After. Health checks are exempt.
func TestConcurrencyIsBounded(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	s := serveAPI(t, Config{Pool: pool, MaxRequests: 1})
	if err := s.api.queries.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := s.get(t, "/api/v1/popular-items")
	if detail := problemDetail(t, a, http.StatusServiceUnavailable); !strings.Contains(detail, "concurrent requests") || a.header.Get("Retry-After") == "" {
		t.Errorf("%v %s", a.header, a.body)
	}
	if a := s.get(t, "/health"); a.status != http.StatusOK {
		t.Errorf("/health: %d", a.status)
	}
	s.api.queries.leave()
	if a := s.get(t, "/api/v1/popular-items"); !strings.Contains(string(a.body), "load orders first") {
		t.Errorf("%s", a.body)
	}
}

// Pages of allowed origins can read that they asked too often, and when to ask again.
func TestOriginBeyondRate(t *testing.T) {
	t.Parallel()
	const shop = "https://shop.example"
	a := New(Config{AllowOrigins: []string{shop}, AddressRate: 1.0 / 3600})
	for _, status := range []int{http.StatusNotFound, http.StatusTooManyRequests} {
		r := httptest.NewRequest(http.MethodGet, "/nothing", http.NoBody)
		r.Header.Set("Origin", shop)
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		h := w.Header()
		if w.Code != status || h.Get("Access-Control-Allow-Origin") != shop || !strings.Contains(h.Get("Access-Control-Expose-Headers"), "Retry-After") {
			t.Errorf("%d %v, want %d", w.Code, h, status)
		}
	}
}

// Only pages of allowed origins may read answers.
func TestOrigins(t *testing.T) {
	t.Parallel()
	const shop = "https://shop.example"
	preflight := func(a *API, origin string) *http.Response {
		r := httptest.NewRequest(http.MethodOptions, basketPath, http.NoBody)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", http.MethodPost)
		r.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		return w.Result()
	}
	allowing := New(Config{AllowOrigins: []string{shop}})
	if p := preflight(allowing, shop); p.StatusCode != http.StatusNoContent || p.Header.Get("Access-Control-Allow-Origin") != shop ||
		p.Header.Get("Access-Control-Allow-Methods") != http.MethodPost || p.Header.Get("Access-Control-Max-Age") != "600" {
		t.Errorf("%d %v", p.StatusCode, p.Header)
	}
	r := httptest.NewRequest(http.MethodGet, "/livez", http.NoBody)
	r.Header.Set("Origin", shop)
	w := httptest.NewRecorder()
	allowing.ServeHTTP(w, r)
	if h := w.Header(); h.Get("Access-Control-Allow-Origin") != shop || h.Get("Access-Control-Allow-Credentials") != "" ||
		!strings.Contains(strings.ToLower(h.Get("Access-Control-Expose-Headers")), "etag") || h.Get("Vary") != "Origin" {
		t.Errorf("%v", h)
	}
	for _, p := range []*http.Response{preflight(allowing, "https://shop.example.evil.example"), preflight(New(Config{}), shop)} {
		if p.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("allowed: %v", p.Header)
		}
	}
}

// crowded serves handler on up to most connections.
func crowded(t *testing.T, most int, handler http.HandlerFunc) (dial func() net.Conn) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	served := make(chan error, 1)
	go func() {
		served <- serveConnections(ctx, listener, handler, newConnLimiter(most), Config{}.withDefaults())
	}()
	var dialed []net.Conn
	t.Cleanup(func() {
		for _, conn := range dialed {
			conn.Close()
		}
		end()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return func() net.Conn {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		dialed = append(dialed, conn)
		return conn
	}
}

func askOver(t *testing.T, conn net.Conn) string {
	t.Helper()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// A flood of connections that are idle, or never finish their headers, displaces itself. Busy connections stay, and new
// requests are answered.
func TestConnectionFlood(t *testing.T) {
	t.Parallel()
	const most = 20
	began, mayEnd := make(chan struct{}, 1), make(chan struct{})
	dial := crowded(t, most, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			began <- struct{}{}
			<-mayEnd
		}
		fmt.Fprint(w, "answered")
	})
	slow := dial()
	fmt.Fprint(slow, "GET /slow HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
	<-began
	idle := make([]net.Conn, 5*most)
	for i := range idle {
		idle[i] = dial()
		fmt.Fprint(idle[i], []string{"", "GET / HTTP/1.1\r\nX-Slow: "}[i%2])
	}
	// The first one was closed long ago, which a read shows as EOF or a reset.
	if n, err := idle[0].Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the oldest connection is still there: %d bytes, %v", n, err)
	}
	if got := askOver(t, dial()); !strings.HasSuffix(got, "answered") {
		t.Errorf("during the flood: %q", got)
	}
	close(mayEnd)
	got, err := io.ReadAll(slow)
	if err != nil || !strings.HasSuffix(string(got), "answered") {
		t.Errorf("the slow answer: %q, %v", got, err)
	}
}

// While all connections are busy, a new one is closed at once.
func TestConnectionsAllBusy(t *testing.T) {
	t.Parallel()
	began, mayEnd := make(chan struct{}), make(chan struct{})
	dial := crowded(t, 1, func(w http.ResponseWriter, _ *http.Request) {
		began <- struct{}{}
		<-mayEnd
		fmt.Fprint(w, "answered")
	})
	busy := dial()
	fmt.Fprint(busy, "GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
	<-began
	if n, err := dial().Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	close(mayEnd)
	if got, err := io.ReadAll(busy); err != nil || !strings.HasSuffix(string(got), "answered") {
		t.Errorf("%q, %v", got, err)
	}
}

// A client that sends its headers one byte at a time is cut off.
func TestSlowHeaders(t *testing.T) {
	t.Parallel()
	dial := crowded(t, 10, func(http.ResponseWriter, *http.Request) {})
	conn := dial()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: te")
	if got, err := bufio.NewReader(conn).ReadString('\n'); err == nil && !strings.Contains(got, "408") {
		t.Errorf("%q", got)
	}
}
