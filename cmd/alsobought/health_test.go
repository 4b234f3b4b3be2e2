package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealthEndsAsTheAPISays(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, tc := range []struct {
		name           string
		answer         int // 0 means that nothing listens
		status         int
		stdout, stderr string
	}{
		{"healthy", http.StatusOK, exitDone, "answer of /health\n", ""},
		{"unhealthy", http.StatusServiceUnavailable, exitFailed, "", "503 Service Unavailable: answer of /health"},
		{"nobody there", 0, exitFailed, "", "alsobought: no API on " + gone.Listener.Addr().String() + ": dial tcp"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			addr := gone.Listener.Addr().String()
			if tc.answer != 0 {
				api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.WriteHeader(tc.answer)
					_, _ = w.Write([]byte("answer of " + r.URL.Path + "\n"))
				}))
				defer api.Close()
				addr = api.Listener.Addr().String()
			}
			e := alsobought(t, "", nil, "health", "--addr", addr)
			if e.status != tc.status || e.stdout != tc.stdout || !strings.Contains(e.stderr, tc.stderr) ||
				strings.Count(e.stderr, "\n") > 1 {
				t.Errorf("exit status %d, %q, %q; want %d, %q, ... %q ... in one line", e.status, e.stdout, e.stderr,
					tc.status, tc.stdout, tc.stderr)
			}
		})
	}
}
