package dashboard

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/browsertest"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/httpapi"
)

// session is a cookie of a session by a key of the scope.
func (s *site) session(t *testing.T, scope string) string {
	t.Helper()
	response, body := s.send(t, http.MethodPost, "/dashboard/sign-in", url.Values{"key": {s.keys[scope]}}.Encode(),
		http.Header{})
	if response.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d: %s", response.StatusCode, body)
	}
	cookie := response.Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.MaxAge != 12*60*60 ||
		cookie.Secure || cookie.Path != "/" {
		t.Errorf("cookie %v", cookie)
	}
	return cookieName + "=" + cookie.Value
}

func TestSession(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	s := serve(t, pool, nil)
	if response, _ := s.get(t, "/dashboard/", ""); response.Header.Get("Location") != "/dashboard/sign-in" {
		t.Errorf("a stranger: %d %v", response.StatusCode, response.Header)
	}
	cookie := s.session(t, "read")
	if response, _ := s.get(t, "/dashboard/", cookie); response.StatusCode != http.StatusOK {
		t.Errorf("signed in: %d", response.StatusCode)
	}
	other := serve(t, pool, nil) // another server of the same database
	if response, _ := other.get(t, "/dashboard/", cookie); response.StatusCode != http.StatusOK {
		t.Errorf("on another server: %d", response.StatusCode)
	}
	if n := scalar(t, pool, `SELECT count(*) FROM dashboard_sessions WHERE encode(token_sha256, 'escape') LIKE '%'||'`+
		strings.TrimPrefix(cookie, cookieName+"=")+`'||'%'`); n != 0 {
		t.Error("the database has the token")
	}
	if response, _ := s.send(t, http.MethodPost, "/dashboard/checks", "",
		http.Header{"Cookie": {cookie}}); response.StatusCode != http.StatusForbidden {
		t.Errorf("an action that needs more: %d", response.StatusCode)
	}
	ended := s.session(t, "read")
	s.send(t, http.MethodPost, "/dashboard/sign-out", "", http.Header{"Cookie": {ended}})
	if response, _ := s.get(t, "/dashboard/", ended); response.StatusCode != http.StatusSeeOther {
		t.Errorf("after the end: %d", response.StatusCode)
	}
	key, err := apikey.Of(t.Context(), pool, strings.TrimPrefix(cookie, cookieName+"="))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := apikey.Revoke(t.Context(), pool, key.KeyID, "test"); err != nil {
		t.Fatal(err)
	}
	if response, _ := s.get(t, "/dashboard/", cookie); response.StatusCode != http.StatusSeeOther {
		t.Errorf("with a revoked key: %d", response.StatusCode)
	}
	expired := s.session(t, "write")
	if _, err := pool.Exec(t.Context(),
		`UPDATE dashboard_sessions SET created_at = now() - interval '13 hours',
			expires_at = now() - interval '1 hour'`); err != nil {
		t.Fatal(err)
	}
	if response, _ := s.get(t, "/dashboard/", expired); response.StatusCode != http.StatusSeeOther {
		t.Errorf("expired: %d", response.StatusCode)
	}
	s.session(t, "write")
	if n := scalar(t, pool, `SELECT count(*) FROM dashboard_sessions`); n != 1 {
		t.Errorf("%d sessions are kept", n)
	}
}

// Behind a proxy that ends TLS, and is trusted, the cookie is for HTTPS only.
func TestSecureCookie(t *testing.T) {
	t.Parallel()
	for name, trusted := range map[string][]netip.Prefix{
		"a proxy": {netip.MustParsePrefix("127.0.0.0/8")},
		"anybody": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, dbtest.New(t), func(_ *Config, api *httpapi.Config) { api.TrustedProxies = trusted })
			response, _ := s.send(t, http.MethodPost, "/dashboard/sign-in", url.Values{"key": {s.keys["read"]}}.Encode(),
				http.Header{"X-Forwarded-Proto": {"https"}})
			if got := response.Cookies()[0].Secure; got != (trusted != nil) {
				t.Errorf("secure: %t", got)
			}
		})
	}
}

func TestWrongKeysAreSlowedDown(t *testing.T) {
	t.Parallel()
	s := serve(t, dbtest.New(t), func(_ *Config, api *httpapi.Config) { api.WrongKeys = 3 })
	var last int
	for range 4 {
		response, _ := s.send(t, http.MethodPost, "/dashboard/sign-in", "key=ab_wrong", http.Header{})
		last = response.StatusCode
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the fourth wrong key: %d", last)
	}
}

func TestOtherSitesChangeNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, dbtest.New(t), nil)
	cookie := s.session(t, "admin")
	for name, header := range map[string]http.Header{
		"another origin": {"Origin": {"https://elsewhere.example"}}, "another site": {"Sec-Fetch-Site": {"cross-site"}},
	} {
		header.Set("Cookie", cookie)
		if response, _ := s.send(t, http.MethodPost, "/dashboard/checks", "",
			header); response.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", name, response.StatusCode)
		}
	}
}

// Whoever asks this machine by a name of its own is the guest; a name from elsewhere that leads here is nobody.
func TestGuest(t *testing.T) {
	t.Parallel()
	s := serve(t, dbtest.New(t), func(cfg *Config, _ *httpapi.Config) {
		cfg.Guest = apikey.Key{Name: "demo", Scopes: []apikey.Scope{apikey.Admin}}
	})
	if response, body := s.get(t, "/", ""); response.StatusCode != http.StatusOK || !strings.Contains(body, "demo") {
		t.Errorf("the guest: %d", response.StatusCode)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/dashboard/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "rebound.example:80"
	response, err := s.Client().Transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusSeeOther {
		t.Errorf("by another name: %d", response.StatusCode)
	}
}

func TestLocal(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{
		"/dashboard/item?name=a%2Fb": "/dashboard/item?name=a%2Fb", "https://elsewhere.example/dashboard/": "",
		"//elsewhere.example/dashboard/": "",
		"/dashboard/\\elsewhere":         "", "/api/v1/rules": "", "javascript:alert(1)": "", "": "",
	} {
		if got := local(target); got != want {
			t.Errorf("%q: %q, want %q", target, got, want)
		}
	}
}

func TestSignInPage(t *testing.T) {
	t.Parallel()
	s := serve(t, dbtest.New(t), nil)
	b := browsertest.New(t, s.host())
	s.inspect(t, b, "/dashboard/sign-in", "")
	b.Expect("401") // Chromium says so in the console
	b.Do(t, chromedp.SendKeys("#key", "ab_wrong\r"))
	b.Until(t, `document.querySelector("#problem")?.textContent.includes("not valid")`)
	s.signIn(t, b, "read")
	b.Do(t, chromedp.Click("form[action$='/sign-out'] button"))
	b.Until(t, `document.querySelector("[role=status]")?.textContent == "You are signed out."`)
	b.Expect("404")
	s.signIn(t, b, "read")
	s.inspect(t, b, "/dashboard/nowhere", "")
}

// Assets are small, and kept for good under URLs that change with them.
func TestAssets(t *testing.T) {
	t.Parallel()
	s := serve(t, dbtest.New(t), nil)
	total := 0
	for name, file := range s.d.assets.files {
		total += len(file.content)
		response, _ := s.get(t, s.d.assets.url(name), "")
		if response.StatusCode != http.StatusOK || !strings.Contains(response.Header.Get("Cache-Control"), "immutable") ||
			file.mediaType == "" {
			t.Errorf("%s: %d %v", name, response.StatusCode, response.Header)
		}
		again, _ := s.send(t, http.MethodGet, s.d.assets.url(name), "", http.Header{
			"If-None-Match": {response.Header.Get("ETag")},
		})
		if again.StatusCode != http.StatusNotModified {
			t.Errorf("%s again: %d", name, again.StatusCode)
		}
		if response, _ := s.get(t, "/dashboard/assets/older/"+name,
			""); strings.Contains(response.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s of another version is kept for good", name)
		}
	}
	if total > 150<<10 {
		t.Errorf("assets have %d bytes", total)
	}
	response, body := s.get(t, "/dashboard/sign-in", "")
	policy := response.Header.Get("Content-Security-Policy")
	if strings.Contains(policy, "unsafe") || !strings.HasPrefix(policy, "default-src 'none';") ||
		strings.Contains(body, "style=") {
		t.Errorf("policy %q", policy)
	}
}
