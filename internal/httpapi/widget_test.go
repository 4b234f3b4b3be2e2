package httpapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/browsertest"
	"github.com/alsobought/alsobought/internal/dbtest"
)

var pictures = flag.String("pictures", "", "a directory for screenshots of the widget")

// maxWidget is the maximum size of the widget in bytes, uncompressed.
const maxWidget = 3 << 10

func TestWidgetIsServed(t *testing.T) {
	t.Parallel()
	s := serveAPI(t, Config{AllowOrigins: []string{"https://shop.example"}})
	a := s.do(t, http.MethodGet, widgetPath, "", http.Header{"Origin": {"https://shop.example"}})
	for name, want := range map[string]string{
		"Content-Type": "text/javascript; charset=utf-8", "Cache-Control": widgetCache, "Cross-Origin-Resource-Policy": "cross-origin",
		"Access-Control-Allow-Origin": "https://shop.example",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if a.status != http.StatusOK || len(a.body) == 0 || len(a.body) > maxWidget {
		t.Errorf("%d, %d bytes, want at most %d", a.status, len(a.body), maxWidget)
	}
	var compressed bytes.Buffer
	w := gzip.NewWriter(&compressed)
	_, _ = w.Write(a.body) // to memory
	_ = w.Close()
	t.Logf("%d bytes, %d by gzip", len(a.body), compressed.Len())
	again := s.do(t, http.MethodGet, widgetPath, "", http.Header{"If-None-Match": {a.header.Get("ETag")}})
	if again.status != http.StatusNotModified || again.header.Get("ETag") != a.header.Get("ETag") {
		t.Errorf("%d %v", again.status, again.header)
	}
}

// hostile is a name that would run as code if it were interpreted as HTML, as a URL or as part of one.
const hostile = `"><img src=x onerror="document.title='run'"><script>document.title='run'</script> a/b?c=d#e&amp; {item} $& ünï`

// shopPage is a page of another origin whose policy allows the widget's server and nothing inline.
type shopPage struct {
	*httptest.Server

	api *server
}

// newShop serves pages whose body is in the query, and an API that allows their origin.
func newShop(t *testing.T) *shopPage {
	t.Helper()
	shop := new(shopPage)
	shop.Server = httptest.NewServer(http.HandlerFunc(shop.page))
	t.Cleanup(shop.Close)
	pool := dbtest.New(t)
	fill(t, pool, csvOf(t,
		[]string{"1", "Machine"}, []string{"1", hostile}, []string{"1", "Beans"}, []string{"1", "Jug"}, []string{"1", "Papers"},
		[]string{"2", "Machine"}, []string{"2", hostile}, []string{"2", "Beans"}, []string{"2", "Jug"},
		[]string{"3", "Machine"}, []string{"3", hostile}, []string{"3", "Beans"}, []string{"4", "Machine"}, []string{"4", hostile},
		[]string{"5", "Alone"}, []string{"6", "Papers"}, []string{"6", "Alone, too"}, []string{"6", "Jug"},
	))
	for name, attributes := range map[string][3]string{
		"Beans": {"Espresso beans <b>1 kg</b>", "/p/beans", "/red.svg"}, "Jug": {"Milk jug, 1/2 l", "/p/jug", "/nothing.png"},
	} {
		if _, err := pool.Exec(t.Context(), `INSERT INTO item_attributes (item_id, label, url, image_url, price, source, changed_by)
			SELECT i.item_id, $2, $3, $4, 1234.5, 'f', 'me' FROM items AS i WHERE i.name = $1`,
			name, attributes[0], shop.URL+attributes[1], shop.URL+attributes[2]); err != nil {
			t.Fatal(err)
		}
	}
	shop.api = serveAPI(t, Config{Pool: pool, AllowOrigins: []string{shop.URL}})
	return shop
}

func (p *shopPage) page(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; script-src %[1]s; connect-src %[1]s; img-src 'self'; style-src 'self'; "+
			"require-trusted-types-for 'script'", p.api.URL))
		_, _ = fmt.Fprintf(w, `<!doctype html><html lang="de"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
			<title>shop</title><link rel="icon" href="/red.svg"><link rel="stylesheet" href="/shop.css"><body>%s`,
			strings.ReplaceAll(r.URL.Query().Get("body"), "API", p.api.URL))
	case "/shop.css":
		w.Header().Set("Content-Type", "text/css")
		_, _ = fmt.Fprint(w, `:root { color-scheme: light dark } body { font: 16px/1.4 sans-serif; margin: 24px }
			h2 { color: rgb(1, 2, 3) } .theme { --also-bought-accent: rgb(200, 0, 80); --also-bought-gap: 32px; --also-bought-radius: 0 }
			.theme::part(name) { font-style: italic }`)
	case "/red.svg":
		w.Header().Set("Content-Type", "image/svg+xml")
		_, _ = fmt.Fprint(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 3"><rect width="4" height="3" fill="#c44"/></svg>`)
	default:
		http.NotFound(w, r)
	}
}

const script = `<script async src="API/widget.js"></script>`

// open opens the page of a body in a browser.
func (p *shopPage) open(t *testing.T, b *browsertest.Browser, body string) {
	t.Helper()
	b.Do(t, chromedp.Navigate(p.URL+"/?"+url.Values{"body": {body}}.Encode()))
}

// shadow is a JavaScript expression for something inside the n-th widget.
func shadow(n int, rest string) string {
	return fmt.Sprintf("document.querySelectorAll('also-bought')[%d]?.shadowRoot?.%s", n, rest)
}

// texts returns the texts of the named parts of the n-th widget.
func texts(t *testing.T, b *browsertest.Browser, n int, part string) []string {
	t.Helper()
	return browsertest.Eval[[]string](t, b, "[..."+shadow(n, fmt.Sprintf("querySelectorAll('[part=%s]')", part))+"].map((e) => e.textContent)")
}

// asked is the list of finished API requests of the page. answered checks that there are at least n.
const asked = "performance.getEntriesByType('resource').filter((e) => e.name.includes('/api/v1/') && e.responseEnd > 0)"

func answered(n int) string { return fmt.Sprintf("%s.length >= %d", asked, n) }

func TestWidget(t *testing.T) { //nolint:tparallel // one browser, step after step
	t.Parallel()
	shop := newShop(t)
	b := browsertest.New(t, strings.TrimPrefix(shop.URL, "http://"), strings.TrimPrefix(shop.api.URL, "http://"))
	b.Expect("nothing.png") // a missing picture
	b.Expect("404")         // an unknown item
	b.Expect("elsewhere.example")

	shop.open(t, b, `<p>before</p>`+script+`
		<also-bought item="Machine" link="/p?name={item}" currency="EUR"></also-bought>
		<also-bought basket='["Machine","Beans"]' limit="1" heading="Passt &lt;dazu&gt;" class="theme" currency="EUR"></also-bought>
		<also-bought item="Alone"></also-bought><also-bought item="nothing"></also-bought><also-bought></also-bought>
		<also-bought item="Machine" currency="no currency"></also-bought><also-bought basket="no JSON"></also-bought>
		<also-bought item="Alone" fill limit="2"></also-bought><also-bought item="Machine" src="https://elsewhere.example/"></also-bought>`)
	b.Until(t, shadow(0, "querySelectorAll('li').length == 4"))
	b.Until(t, shadow(1, "querySelectorAll('li').length == 1"))
	b.Until(t, shadow(7, "querySelectorAll('li').length == 2"))
	b.Until(t, answered(6))

	t.Run("texts", func(t *testing.T) { //nolint:paralleltest // one browser, step after step
		names := []string{hostile, "Espresso beans <b>1 kg</b>", "Milk jug, 1/2 l", "Papers"}
		if diff := cmp.Diff(names, texts(t, b, 0, "name")); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"1.234,50\u00a0€", "1.234,50\u00a0€"}, texts(t, b, 0, "price")); diff != "" {
			t.Errorf("prices (-want +got):\n%s", diff)
		}
		if got := texts(t, b, 1, "heading"); !cmp.Equal(got, []string{"Passt <dazu>"}) {
			t.Errorf("heading %q", got)
		}
		links := browsertest.Eval[[]string](t, b, "[..."+shadow(0, "querySelectorAll('a')")+"].map(a => a.href)")
		query := browsertest.Eval[string](t, b, "new URL("+shadow(0, "querySelector('a')")+".href).searchParams.get('name')")
		if len(links) != 4 || links[1] != shop.URL+"/p/beans" || query != hostile {
			t.Errorf("links %q, name %q", links, query)
		}
		if browsertest.Eval[string](t, b, "document.title") != "shop" || browsertest.Eval[int](t, b, shadow(0, "querySelectorAll('script, b, [src=x]').length")) > 0 {
			t.Error("a name was read as HTML")
		}
	})
	t.Run("nothing", func(t *testing.T) { //nolint:paralleltest // one browser, step after step
		for _, n := range []int{2, 3, 4, 5, 6, 8} {
			if got := browsertest.Eval[int](t, b, shadow(n, "childNodes.length")); got != 0 {
				t.Errorf("widget %d shows something", n)
			}
			if got := browsertest.Eval[float64](t, b, fmt.Sprintf("document.querySelectorAll('also-bought')[%d].getBoundingClientRect().height", n)); got > 30 {
				t.Errorf("widget %d takes %v pixels", n, got)
			}
		}
	})
	t.Run("theme", func(t *testing.T) { //nolint:paralleltest // one browser, step after step
		for expression, want := range map[string]string{
			"getComputedStyle(" + shadow(1, "querySelector('ul')") + ").rowGap":                                         "32px",
			"getComputedStyle(" + shadow(1, "querySelector('li')") + ").borderRadius":                                   "0px",
			"getComputedStyle(" + shadow(1, "querySelector('[part=name]')") + ").fontStyle":                             "italic",
			"getComputedStyle(" + shadow(0, "querySelector('[part=name]')") + ").fontStyle":                             "normal",
			"getComputedStyle(" + shadow(0, "querySelector('h2')") + ").color == getComputedStyle(document.body).color": "true",
		} {
			if got := browsertest.Eval[string](t, b, "String("+expression+")"); got != want {
				t.Errorf("%s is %s, want %s", expression, got, want)
			}
		}
	})
	t.Run("keyboard", func(t *testing.T) { //nolint:paralleltest // one browser, step after step
		browsertest.Eval[bool](t, b, `(addEventListener("also-bought-click", (e) => {
			globalThis.clicked = e.target.localName + " " + e.detail.position + " " + e.detail.item.item_name; }), true)`)
		b.Do(t, chromedp.KeyEvent("\t"), chromedp.KeyEvent("\t"))
		if got := browsertest.Eval[string](t, b, shadow(0, "activeElement.textContent")); !strings.HasPrefix(got, "Espresso beans") {
			t.Errorf("the second Tab goes to %q", got)
		}
		outline := browsertest.Eval[string](t, b, "getComputedStyle("+shadow(0, "activeElement")+").outlineStyle")
		if outline != "solid" {
			t.Errorf("focus is shown by an outline %q", outline)
		}
		roles := browsertest.Eval[string](t, b, "["+shadow(0, "querySelector('section').ariaLabel")+","+shadow(0, "querySelector('ul').role")+","+
			shadow(0, "querySelector('img').alt")+"].join('|')")
		if roles != "Customers also bought|list|" {
			t.Errorf("%q", roles)
		}
		// Stay on the page, to check what it received.
		browsertest.Eval[bool](t, b, `(addEventListener("click", (e) => e.preventDefault()), true)`)
		b.Do(t, chromedp.KeyEvent("\r"))
		b.Until(t, `globalThis.clicked == "also-bought 2 Beans"`)
	})
	t.Run("change", func(t *testing.T) { //nolint:paralleltest // one browser, step after step
		const first = "document.querySelector('also-bought')"
		browsertest.Eval[bool](t, b, "("+first+".setAttribute('item', 'Papers'), "+first+".setAttribute('limit', 1), true)")
		b.Until(t, shadow(0, "querySelectorAll('li').length == 1"))
		browsertest.Eval[bool](t, b, "("+first+".setAttribute('item', 'nothing'), true)")
		b.Until(t, shadow(0, "querySelectorAll('li').length == 0"))
	})
	t.Run("one tag", func(t *testing.T) { //nolint:paralleltest // one browser, step after step
		shop.open(t, b, `<script async src="API/widget.js" data-item="Machine" data-limit="3" data-currency="EUR" data-link="/p/{item}"></script>`)
		b.Until(t, shadow(0, "querySelectorAll('li').length == 3"))
		shop.pictures(t, b)
	})
	t.Run("no answer", func(t *testing.T) { //nolint:paralleltest // one browser, step after step
		if _, err := shop.api.pool.Exec(t.Context(), "ALTER TABLE builds RENAME TO gone"); err != nil {
			t.Fatal(err)
		}
		b.Expect("503")
		shop.open(t, b, script+`<also-bought item="Machine" limit="2"></also-bought><p id="after">after</p>`)
		b.Until(t, answered(1))
		if got := browsertest.Eval[int](t, b, asked+".at(-1).responseStatus"); got != http.StatusServiceUnavailable {
			t.Errorf("status %d", got)
		}
		// Wait for anything that is yet to show.
		browsertest.Eval[bool](t, b, "new Promise((done) => setTimeout(done, 50, true))")
		if got := browsertest.Eval[int](t, b, shadow(0, "childNodes.length")); got != 0 {
			t.Error("an error is shown")
		}
	})
}

// pictures writes screenshots for people to look at: go test -run Widget -pictures DIRECTORY.
func (p *shopPage) pictures(t *testing.T, b *browsertest.Browser) {
	t.Helper()
	if *pictures == "" {
		return
	}
	for _, width := range []int64{360, 1000} {
		for _, scheme := range []string{"light", "dark"} {
			b.Do(t, chromedp.EmulateViewport(width, 700), chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
				_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
					Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
				})
				return err
			}))
			picture := browsertest.Get(t, b, chromedp.FullScreenshot(100))
			if err := os.WriteFile(filepath.Join(*pictures, fmt.Sprintf("widget-%d-%s.png", width, scheme)), picture, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}
