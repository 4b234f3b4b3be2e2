package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/alsobought/alsobought/internal/dbtest"
)

// A server notifies systemd when it is ready and when it stops, serves metrics on a separate address, and sends spans
// to where the environment says.
func TestTelemetry(t *testing.T) {
	t.Parallel()
	url := dbtest.NewURL(t)
	want(t, url, strings.NewReader(smallShop), "load", "-")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{
		Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	var spans bytes.Buffer
	var mu sync.Mutex
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.Copy(&spans, r.Body)
	}))
	defer collector.Close()

	key := strings.TrimSpace(want(t, url, nil, "keys", "create", "shop"))
	server := command(t, url, "serve", "--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--log-format", "json")
	server.Env = append(server.Env, "NOTIFY_SOCKET="+systemd.LocalAddr().String(),
		"OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL)
	stderr, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	lines := begin(t, server)
	log := bufio.NewScanner(stderr)
	var metrics struct{ Msg, Addr string }
	for metrics.Msg != "serving metrics and profiles" {
		if !log.Scan() {
			t.Fatal("no line that says where metrics are")
		}
		if err := json.Unmarshal(log.Bytes(), &metrics); err != nil {
			t.Fatal(err)
		}
	}
	go func() {
		for log.Scan() {
			_ = log.Bytes() // keeps the server from blocking on its log
		}
	}()
	_, rest, _ := strings.Cut(<-lines, "http://")
	address, _, _ := strings.Cut(rest, " ")
	notified := func(state string) {
		t.Helper()
		heard := make([]byte, 1000)
		if n, err := systemd.Read(heard); err != nil || string(heard[:n]) != state {
			t.Errorf("systemd heard %q, %v; want %s", heard[:n], err, state)
		}
	}
	notified("READY=1")
	fetch(t, "http://"+address+"/api/v1/popular-items", "")
	if status, body := sendOrder(t, "http://"+address, key, "11"); status != http.StatusCreated {
		t.Errorf("an order: %d %s", status, body)
	}
	fetch(t, "http://"+address+"/dashboard/", "")
	if m := fetch(t, "http://"+metrics.Addr+"/metrics", ""); !strings.Contains(m, `route="/api/v1/popular-items",status="200"} 1`) {
		t.Errorf("%s", m)
	}
	interrupt(t, server, lines)
	notified("STOPPING=1")
	mu.Lock()
	defer mu.Unlock()
	// The last three are statements about questions, of the dashboard, and about orders.
	for _, part := range []string{"GET /api/v1/popular-items", "service.name", "alsobought", "SELECT", "BuildActive", "LoadStart"} {
		if !bytes.Contains(spans.Bytes(), []byte(part)) {
			t.Errorf("no %q in %d bytes of spans", part, spans.Len())
		}
	}
}

func TestTracingRefuses(t *testing.T) {
	for _, c := range []struct{ variable, value, want string }{
		{"OTEL_TRACES_EXPORTER", "zipkin", "choose otlp or none"},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "only http/protobuf is supported"},
	} {
		t.Run(c.variable, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			t.Setenv(c.variable, c.value)
			if _, err := newTracing(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) || !isUsage(err) {
				t.Errorf("%v", err)
			}
		})
	}
	for _, off := range []map[string]string{{}, {
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
		"OTEL_SDK_DISABLED":           "true",
	}, {"OTEL_TRACES_EXPORTER": "none"}} {
		t.Run("off", func(t *testing.T) {
			for name, value := range off {
				t.Setenv(name, value)
			}
			if tracing, err := newTracing(t.Context()); err != nil || tracing.provider != nil || tracing.queries != nil {
				t.Errorf("%+v, %v", tracing, err)
			}
		})
	}
}
