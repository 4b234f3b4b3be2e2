package httpapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/alsobought/alsobought/internal/dbtest"
)

// On shutdown, a running request is answered. Then nothing listens, and Serve returns nil.
func TestServeEndsWithItsRequests(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	began, mayEnd := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(began)
		<-mayEnd
		fmt.Fprint(w, "answered")
	})
	ctx, end := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- serveConnections(ctx, listener, handler, newConnLimiter(10), Config{}.withDefaults())
	}()

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	asked := make(chan string, 1)
	go func() {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String(), http.NoBody)
		if err != nil {
			asked <- err.Error()
			return
		}
		response, err := client.Do(r)
		if err != nil {
			asked <- err.Error()
			return
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		asked <- fmt.Sprint(string(body), err)
	}()
	<-began
	end()
	dbtest.Eventually(t, "the listener to close", func(context.Context) bool {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	close(mayEnd)
	if got := <-asked; got != "answered<nil>" {
		t.Errorf("the running request got %q", got)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestServeSaysThatItCannot(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	if err := serveConnections(t.Context(), listener, http.NotFoundHandler(), newConnLimiter(10), Config{}.withDefaults()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve on a closed listener: %v", err)
	}
}

// Oversized headers are refused before they are stored.
func TestServeLimitsHeaders(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- serveConnections(ctx, listener, http.NotFoundHandler(), newConnLimiter(10), Config{}.withDefaults())
	}()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: test\r\nX: %s\r\n\r\n", strings.Repeat("x", 2*maxHeader))
	if line, err := bufio.NewReader(conn).ReadString('\n'); !strings.Contains(line, "431") {
		t.Errorf("%q, %v", line, err)
	}
	end()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// Each request logs one line, with the route instead of the path, and without an error unless there was one.
func TestLog(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tests := []struct {
		method, path, route, level string
		status                     int
	}{
		{http.MethodGet, "/api/v1/similar-items/PID", "/api/v1/similar-items/{item_name}", "INFO", 200},
		{http.MethodGet, "/api/v1/similar-items/no%2Fthing", "/api/v1/similar-items/{item_name}", "INFO", 404},
		{http.MethodGet, "/api/v1/popular-items?limit=0", "/api/v1/popular-items", "INFO", 422},
		{http.MethodHead, "/api/v1/popular-items", "/api/v1/popular-items", "INFO", 200},
		{http.MethodGet, "/nothing", "", "INFO", 404},
		{http.MethodDelete, "/health", "", "INFO", 405},
		{http.MethodGet, "/health", "/health", "DEBUG", 200},
	}
	for i, test := range tests {
		id := fmt.Sprint("request-", i)
		a := s.do(t, test.method, test.path, "", http.Header{requestIDHeader: {id}})
		l := s.log.of(t, id)
		want := line{
			"time": l["time"], "duration": l["duration"], "msg": "request", "level": test.level, "method": test.method, "route": test.route,
			"status": float64(test.status), "bytes": l["bytes"], "request_id": id,
		}
		if fmt.Sprint(l) != fmt.Sprint(want) {
			t.Errorf("%s %s: %v, want %v", test.method, test.path, l, want)
		}
		if test.method != http.MethodHead && l["bytes"] != float64(len(a.body)) {
			t.Errorf("%s %s: %v bytes, want %d", test.method, test.path, l["bytes"], len(a.body))
		}
	}
	select {
	case l := <-s.log.lines:
		t.Errorf("one more line: %v", l)
	default:
	}
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, id := range []string{"abc-123", "x", strings.Repeat("x", 64), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", `"quoted"`} {
		if got := s.do(t, http.MethodGet, "/livez", "", http.Header{requestIDHeader: {id}}).header.Get(requestIDHeader); got != id {
			t.Errorf("%q became %q", id, got)
		}
	}
	seen := map[string]bool{}
	for _, id := range []string{"", strings.Repeat("x", 65), "a b", "tab\tinside", "ünïcode", "\xff"} {
		got := s.do(t, http.MethodGet, "/livez", "", http.Header{requestIDHeader: {id}}).header.Get(requestIDHeader)
		if got == id || got == "" || seen[got] {
			t.Errorf("%q became %q", id, got)
		}
		seen[got] = true
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, path := range []string{"/", "/health", "/nothing", "/openapi.json", "/docs", "/docs/swagger-ui.css", "/api/v1/popular-items", "/api/v1/popular-items?x=1"} {
		h := s.get(t, path).header
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Content-Security-Policy": "frame-ancestors 'none'",
		} {
			if !strings.Contains(h.Get(name), want) {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
	}
}

// A panic before the answer begins is a 500. A partial answer is cut off, so that it does not look complete.
func TestPanics(t *testing.T) {
	t.Parallel()
	log := newLogbook()
	a := &API{Config: Config{Logger: slog.New(slog.NewJSONHandler(log, nil))}.withDefaults()}
	router := chi.NewRouter()
	router.Use(a.observe, secure, a.limit, routable)
	router.Get("/early", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		panic("secret cause")
	})
	router.Get("/late", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "half an ")
		panic("secret cause")
	})
	router.Get("/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	router.Get("/unencodable", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		encode(w, make(chan int))
	})
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- serveConnections(ctx, listener, router, newConnLimiter(10), Config{}.withDefaults()) }()
	for path, want := range map[string]struct {
		begins, contains, cause string
	}{
		"/early":       {"HTTP/1.1 500 ", "under request id", "secret cause"},
		"/unencodable": {"HTTP/1.1 500 ", "under request id", "unsupported type"},
		"/late":        {"", "", "secret cause"},
		"/abort":       {"", "", ""},
	} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: test\r\nX-Request-Id: %s\r\nConnection: close\r\n\r\n", path, path)
		got, err := io.ReadAll(conn)
		conn.Close()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(got), want.begins) || !strings.Contains(string(got), want.contains) ||
			strings.Contains(string(got), "secret") || want.begins == "" && len(got) > 0 && strings.Contains(string(got), "\r\n0\r\n") {
			t.Errorf("%s: %s", path, got)
		}
		l := log.of(t, path)
		if !strings.Contains(fmt.Sprint(l["error"]), want.cause) || (want.cause != "") != (l["stack"] != nil) || (want.cause != "") != (l["level"] == "ERROR") {
			t.Errorf("%s: log %v", path, l)
		}
	}
	end()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// The zero Config gets sensible defaults.
func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	c := Config{}.withDefaults()
	if c.Timeout < time.Second || c.Timeout >= min(readTimeout, writeTimeout) || c.MaxBody < 1<<16 || c.Logger == nil || c.Version == "" {
		t.Errorf("%+v", c)
	}
}
