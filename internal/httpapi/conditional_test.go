package httpapi

import (
	"net/http"
	"testing"

	"github.com/alsobought/alsobought/internal/dbtest"
)

// Popular and similar items have a strong ETag, cached or not. A request that sends it back gets a 304 without a body
// until something changes. The operator sets Cache-Control.
func TestConditionalRequests(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	fill(t, pool, csvOf(t, []string{"0", "PID"}, []string{"0", "a/b"}))
	const policy = "public, max-age=60"
	kept := serveAPI(t, Config{Pool: pool, CacheBytes: 1 << 20, CacheControl: policy})
	asked := serveAPI(t, Config{Pool: pool})
	conditional := func(s *server, path, tags string) answer {
		return s.do(t, http.MethodGet, path, "", http.Header{"If-None-Match": {tags}})
	}
	paths := []string{"/api/v1/popular-items", "/api/v1/similar-items/a/b", "/api/v1/similar-items?item=PID&measure=lift"}
	tags := map[string]string{}
	for _, path := range paths {
		first, other := kept.get(t, path), asked.get(t, path)
		tag := first.header.Get("ETag")
		if len(tag) < 10 || tag[0] != '"' || other.header.Get("ETag") != tag || string(other.body) != string(first.body) {
			t.Errorf("%s: ETags %q and %q", path, tag, other.header.Get("ETag"))
		}
		if got := first.header.Get("Cache-Control"); got != policy {
			t.Errorf("%s: Cache-Control %q", path, got)
		}
		if got := other.header.Get("Cache-Control"); got != "no-cache" {
			t.Errorf("%s: Cache-Control %q by default", path, got)
		}
		for _, s := range []*server{kept, asked} {
			for _, has := range []string{tag, "W/" + tag, `"else", ` + tag} {
				if a := conditional(s, path, has); a.status != http.StatusNotModified || len(a.body) > 0 || a.header.Get("ETag") != tag {
					t.Errorf("%s, %s: %d %s", path, has, a.status, a.body)
				}
			}
			if a := conditional(s, path, `"else"`); a.status != http.StatusOK || string(a.body) != string(first.body) {
				t.Errorf("%s with another's tag: %d", path, a.status)
			}
		}
		tags[path] = tag
	}
	if _, err := pool.Exec(t.Context(), "INSERT INTO rules (kind, items, reason, author) VALUES ('hide', '{PID}', 'why', 'me')"); err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		for _, s := range []*server{kept, asked} {
			if a := conditional(s, path, tags[path]); a.status != http.StatusOK || a.header.Get("ETag") == tags[path] {
				t.Errorf("%s after a rule: %d, ETag %s", path, a.status, a.header.Get("ETag"))
			}
		}
	}
	if a := kept.get(t, "/api/v1/recommendations/0"); a.status != http.StatusOK || a.header.Get("ETag") != "" {
		t.Errorf("an order has ETag %q", a.header.Get("ETag"))
	}
}
