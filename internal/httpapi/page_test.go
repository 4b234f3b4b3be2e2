package httpapi

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/alsobought/alsobought/internal/dashboard"
	"github.com/alsobought/alsobought/internal/dbtest"
)

func TestRootForBrowsersAndOthers(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	screens := dashboard.New(dashboard.Config{Pool: pool, Version: "test", OpenReads: true})
	t.Cleanup(screens.Close)
	s := serveAPI(t, Config{Pool: pool, Dashboard: screens})
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
	for accept, wantPage := range map[string]bool{
		browser: true, "text/html": true, "text/html;q=0.9,application/json;q=0.1": true,
		"": false, "*/*": false, "application/json": false, "application/json, text/plain, */*": false, "text/html;q=0.1, application/json": false,
	} {
		a := s.do(t, http.MethodGet, "/", "", http.Header{"Accept": {accept}})
		if page := a.header.Get("Content-Type") == "text/html; charset=utf-8"; page != wantPage || !strings.HasPrefix(a.header.Get("Vary"), "Accept") || a.status != http.StatusOK {
			t.Errorf("Accept %q: %d %v", accept, a.status, a.header)
		}
	}
}

var (
	inline    = regexp.MustCompile(`(?s)<(script|style)>(.*?)</(?:script|style)>`)
	loaded    = regexp.MustCompile(`(?:src|href)="([^"]*)"`)
	elsewhere = regexp.MustCompile(`(https?:)?//[a-z0-9.-]+\.[a-z]+|@import|url\(`)
)

// The page runs under its own policy and loads nothing from elsewhere.
func TestDocs(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, path := range []string{"/docs"} {
		a := s.do(t, http.MethodGet, path, "", http.Header{"Accept": {"text/html"}})
		html, policy := string(a.body), a.header.Get("Content-Security-Policy")
		if a.status != http.StatusOK || a.header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
		found := inline.FindAllStringSubmatch(html, -1)
		if len(found) == 0 {
			t.Errorf("%s: no script", path)
		}
		for _, tag := range found {
			allowed := strings.Contains(policy, digest(tag[2])) || tag[1] == "style" && strings.Contains(policy, "style-src 'self' 'unsafe-inline'")
			if !allowed {
				t.Errorf("%s: the policy %q forbids the inline %s", path, policy, tag[1])
			}
		}
		if strings.Contains(policy, "script-src 'self' 'unsafe") || strings.Contains(policy, "{") || !strings.HasPrefix(policy, "default-src 'none';") {
			t.Errorf("%s: policy %q", path, policy)
		}
		for _, attribute := range []string{" onclick=", " onload=", " style=", "javascript:", "innerHTML", "document.write", "eval("} {
			if strings.Contains(html, attribute) {
				t.Errorf("%s has %s", path, attribute)
			}
		}
		bare := strings.ReplaceAll(html, "http://www.w3.org/2000/svg", "") // a namespace, not a URL
		if outside := elsewhere.FindString(bare); outside != "" {
			t.Errorf("%s asks for %s", path, outside)
		}
		for _, link := range loaded.FindAllStringSubmatch(html, -1) {
			if link[1] == "#" || strings.HasPrefix(link[1], "data:") {
				continue
			}
			if a := s.get(t, "/"+link[1]); a.status != http.StatusOK || len(a.body) == 0 {
				t.Errorf("%s asks for %s: %d", path, link[1], a.status)
			}
		}
	}
}

func TestDocsFiles(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for file, mediaType := range map[string]string{"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "javascript", "favicon-32x32.png": "image/png"} {
		a := s.get(t, "/docs/"+file)
		if a.status != http.StatusOK || !strings.Contains(a.header.Get("Content-Type"), mediaType) || len(a.body) < 500 {
			t.Errorf("%s: %d %s, %d bytes", file, a.status, a.header.Get("Content-Type"), len(a.body))
		}
	}
}
