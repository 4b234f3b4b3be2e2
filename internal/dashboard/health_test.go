package dashboard

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/browsertest"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/httpapi"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
)

func newQueries(pool *pg.Pool) *db.Queries { return db.New(pool) }

func TestHealth(t *testing.T) {
	t.Parallel()
	pool, empty := dbtest.New(t), dbtest.New(t)
	fill(t, pool, sampleOrders(t))
	stats := func(cfg *Config, _ *httpapi.Config) {
		cfg.CacheStats = func() recommend.Stats { return recommend.Stats{Hits: 3, Misses: 1, Bytes: 4096} }
	}
	s, none := serve(t, pool, stats), serve(t, empty, nil)
	b := browsertest.New(t, s.host(), none.host())
	none.signIn(t, b, "read")
	none.inspect(t, b, "/dashboard/health", "")
	if browsertest.Eval[bool](t, b, `!!document.querySelector("#keys")`) {
		t.Error("a key that only reads sees the others")
	}
	s.signIn(t, b, "admin")
	s.inspect(t, b, "/dashboard/health", "health")
	long := strings.Repeat("W", apikey.MaxName)
	if _, _, err := apikey.Create(t.Context(), pool, long, apikey.Scopes, nil, "كتاب"); err != nil {
		t.Fatal(err)
	}
	s.inspect(t, b, "/dashboard/health", "")
	if text := browsertest.Eval[string](t, b, `document.querySelector("main").innerText`); !strings.Contains(text,
		"75.0 %") || !strings.Contains(text, "Reads and writes.") {
		t.Errorf("cache or database: %s", text)
	}

	// A key is shown once, works, and does not when it is revoked.
	b.Do(t, chromedp.SendKeys("#name", "Till 3"), chromedp.Click("form[action$='/keys/new'] [value=write]"),
		chromedp.Click("form[action$='/keys/new'] button"))
	b.Until(t, `!!document.querySelector("#secret")`)
	s.check(t, b, "a new key")
	key := browsertest.Eval[string](t, b, `document.querySelector("#secret").textContent`)
	made, err := apikey.Check(t.Context(), pool, key)
	if err != nil || made.Name != "Till 3" || fmt.Sprint(made.Scopes) != "[read]" ||
		!strings.HasPrefix(made.CreatedBy, "Anna") {
		t.Errorf("the new key: %+v, error %v", made, err)
	}
	b.Do(t, chromedp.Navigate(s.URL+"/dashboard/health"),
		chromedp.Click(fmt.Sprintf("a[href$='/keys/revoke?id=%d']", made.KeyID)))
	b.Until(t, `document.querySelector("h1")?.textContent == "Revoke a key?"`)
	s.check(t, b, "a key to revoke")
	b.Do(t, chromedp.Click("form[action$='/keys/revoke'] button"))
	b.Until(t, `document.querySelector("[role=status] p")?.textContent.includes("Till 3 is revoked")`)
	if _, err := apikey.Check(t.Context(), pool, key); err == nil {
		t.Error("a revoked key works")
	}
	if browsertest.Eval[bool](t, b, fmt.Sprintf(`document.body.innerHTML.includes(%q)`, key)) {
		t.Error("the key is shown again")
	}
}

func TestWrongKeyForms(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	s := serve(t, pool, nil)
	admin, writer := s.session(t, "admin"), s.session(t, "write")
	for name, c := range map[string]struct {
		form url.Values
		want string
	}{
		"no name":  {url.Values{"scope": {"read"}}, "Name is empty"},
		"no scope": {url.Values{"name": {"x"}}, "choose one or more of read"},
		"a day":    {url.Values{"name": {"x"}, "scope": {"read"}, "expires": {"soon"}}, "write it as 2027-01-31"},
		"past":     {url.Values{"name": {"x"}, "scope": {"read"}, "expires": {"2020-01-01"}}, "is in the past"},
	} {
		if response, body := s.post(t, "/dashboard/keys/new", admin,
			c.form); response.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d, no %q", name, response.StatusCode, c.want)
		}
	}
	if response, _ := s.post(t, "/dashboard/keys/new", writer,
		url.Values{"name": {"x"}, "scope": {"admin"}}); response.StatusCode != http.StatusForbidden {
		t.Errorf("a writer makes a key: %d", response.StatusCode)
	}
	// The key that signs in can be revoked, too: that is the end of the session.
	id := fmt.Sprint(scalar(t, pool, `SELECT key_id FROM api_keys WHERE scopes = '{admin}'`))
	if response, _ := s.post(t, "/dashboard/keys/revoke", admin,
		url.Values{"id": {id}}); response.StatusCode != http.StatusSeeOther {
		t.Errorf("revoke: %d", response.StatusCode)
	}
	if response, _ := s.get(t, "/dashboard/health", admin); response.Header.Get("Location") == "" {
		t.Errorf("after that: %d", response.StatusCode)
	}
}
