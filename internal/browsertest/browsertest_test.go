package browsertest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestProblems checks that everything a page must not do is reported.
func TestProblems(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if r.URL.Path == "/" {
			_, _ = fmt.Fprint(w, `<!doctype html><title>t</title><link rel="icon" href="data:,"><p id="p">text</p><script>
				console.error("an error of the page");
				fetch("http://192.0.2.1/elsewhere").catch(() => { p.textContent = "blocked" });
				setTimeout(() => { throw new Error("thrown") })</script>`)
			return
		}
		http.NotFound(w, r)
	}))
	defer server.Close()
	b := New(t, strings.TrimPrefix(server.URL, "http://"))
	b.Do(t, chromedp.Navigate(server.URL))
	b.Until(t, `p.textContent == "blocked"`)
	if got := Eval[string](t, b, "Promise.resolve(document.title)"); got != "t" {
		t.Errorf("title %q", got)
	}
	problems := b.unexpected()
	for _, want := range []string{"an error of the page", "192.0.2.1", "thrown"} {
		if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, want) }) {
			t.Errorf("%q is not in %q", want, problems)
		}
		b.Expect(want)
	}
	b.Expect("ERR_BLOCKED_BY_CLIENT")
	if left := b.unexpected(); len(left) > 0 {
		t.Errorf("not expected: %q", left)
	}
}
