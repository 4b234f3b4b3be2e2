package httpapi

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/alsobought/alsobought/internal/dbtest"
)

// On shutdown, /readyz fails while requests are still accepted.
func TestReadyzTurnsFirst(t *testing.T) {
	t.Parallel()
	a := New(Config{Pool: dbtest.New(t), DrainDelay: patience})
	t.Cleanup(a.Close)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- a.Serve(ctx, listener) }()
	end()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(path string) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String()+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return fmt.Sprint(response.StatusCode, string(body), err)
	}
	dbtest.Eventually(t, "/readyz to say that the server stops", func(context.Context) bool {
		ready := ask("/readyz")
		return strings.HasPrefix(ready, "503") && strings.Contains(ready, "the server is stopping")
	})
	if live := ask("/livez"); !strings.HasPrefix(live, "200") {
		t.Errorf("/livez: %s", live)
	}
	listener.Close() // do not wait for the delay
	if err := <-served; err == nil {
		t.Error("no error of a listener that was closed")
	}
}
