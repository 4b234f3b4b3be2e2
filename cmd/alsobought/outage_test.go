package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/localpg"
)

// outageFor is the variable with the duration of the outage in TestOutage ("30s"); the default is a few seconds.
const outageFor = "ALSOBOUGHT_OUTAGE"

// TestOutage stops PostgreSQL under load. Cached answers are still served, and correctly; every other request fails
// quickly and with the documented error until PostgreSQL is back.
func TestOutage(t *testing.T) {
	t.Parallel()
	length := 4 * time.Second
	if text := os.Getenv(outageFor); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", outageFor, err)
		}
	}
	config := localpg.Config{Dir: filepath.Join(openTempDir(t), "server"), BinDir: os.Getenv("ALSOBOUGHT_PG_BIN")}
	server, err := localpg.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}()
	want(t, server.URL(), nil, "migrate", "up")
	want(t, server.URL(), manyOrders(), "load", "-")
	api := startAPI(t, server.URL())
	defer api.kill()

	o := &outage{address: api.address, kept: map[string]string{}}
	for i := range 50 {
		path := similarPath(fmt.Sprint("item ", i))
		status, body, _ := o.get(t, path)
		if status != http.StatusOK {
			t.Fatalf("%s: %d %s", path, status, body)
		}
		o.kept[path] = recommended(t, body)
	}
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() { o.askKept(ctx, t) })
	}
	clients.Go(func() { o.askNew(ctx, t) })

	dbtest.Eventually(t, "new questions are answered", func(context.Context) bool { return o.answered.Load() > 10 })
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	away := time.Now()
	dbtest.Eventually(t, "the outage has lasted, and was seen", func(context.Context) bool {
		return o.refused.Load() > 0 && o.stale.Load() > 0 && time.Since(away) >= length
	})
	if server, err = localpg.Start(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	back, before := time.Now(), o.answered.Load()
	dbtest.Eventually(t, "new questions are answered again",
		func(context.Context) bool { return o.answered.Load() > before })
	t.Logf("PostgreSQL away for %s; first answer %s after it was back", length, time.Since(back).Round(time.Millisecond))
	stop()
	clients.Wait()
	t.Logf("%d answers of what is kept, %d of them stale; %d new ones, %d refused, the slowest after %s",
		o.fresh.Load()+o.stale.Load(), o.stale.Load(), o.answered.Load(), o.refused.Load(), time.Duration(o.slowest.Load()))
}

// outage records what clients see of it.
type outage struct {
	address string
	kept    map[string]string // recommended items by path

	fresh, stale, answered, refused, slowest atomic.Int64
}

func similarPath(item string) string { return "/api/v1/similar-items/" + url.PathEscape(item) }

func (o *outage) askKept(ctx context.Context, t *testing.T) {
	for ctx.Err() == nil {
		for path, kept := range o.kept {
			status, body, header := o.get(t, path)
			if status != http.StatusOK || recommended(t, body) != kept {
				t.Errorf("%s: %d %s, want %s", path, status, body, kept)
				return
			}
			if header.Get("Age") != "" {
				o.stale.Add(1)
			} else {
				o.fresh.Add(1)
			}
		}
	}
}

// askNew asks a question that is not cached.
func (o *outage) askNew(ctx context.Context, t *testing.T) {
	for i := 0; ctx.Err() == nil; i++ {
		began := time.Now()
		status, body, header := o.get(t, similarPath("item 1")+"?exclude="+fmt.Sprint("never-", i))
		switch {
		case status == http.StatusOK:
			o.answered.Add(1)
		case status == http.StatusServiceUnavailable && header.Get("Content-Type") == "application/problem+json":
			o.refused.Add(1)
			o.slowest.Store(max(o.slowest.Load(), int64(time.Since(began))))
		default:
			t.Errorf("a new question: %d %s", status, body)
			return
		}
	}
}

func (o *outage) get(t *testing.T, path string) (status int, body []byte, header http.Header) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.address+path, http.NoBody)
	if err != nil {
		t.Error(err)
		return 0, nil, nil
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Error(err)
		return 0, nil, nil
	}
	defer response.Body.Close()
	if body, err = io.ReadAll(response.Body); err != nil {
		t.Error(err)
	}
	return response.StatusCode, body, response.Header
}

// recommended returns the items of an answer, in order.
func recommended(t *testing.T, body []byte) string {
	var answer struct {
		Recommendations []struct {
			Item string `json:"item_name"`
		} `json:"recommendations"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Errorf("%s: %v", body, err)
	}
	items := make([]string, len(answer.Recommendations))
	for i, r := range answer.Recommendations {
		items[i] = r.Item
	}
	return strings.Join(items, ", ")
}
