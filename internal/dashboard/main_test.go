package dashboard

import (
	"bytes"
	_ "embed"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/browsertest"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/httpapi"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/pg"
)

var update = flag.Bool("update", false, "write the pictures of docs/dashboard anew")

//go:embed testdata/check.js
var checker string

func TestMain(m *testing.M) { dbtest.Main(m) }

// apikeys gives each key a name of its own.
var apikeys atomic.Int64

// site is the dashboard behind the API, as it is served.
type site struct {
	*httptest.Server

	pool *pg.Pool
	d    *Dashboard
	keys map[string]string // by scope
}

func serve(t *testing.T, pool *pg.Pool, change func(*Config, *httpapi.Config)) *site {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	cfg := Config{Pool: pool, Loader: pool, Version: "test", Logger: logger}
	api := httpapi.Config{Pool: pool, Version: "test", Logger: logger, KeyedReads: true, Timeout: 40 * time.Second}
	if change != nil {
		change(&cfg, &api)
	}
	d := New(cfg)
	api.Dashboard = d
	handler := httpapi.New(api)
	server := httptest.NewServer(handler)
	t.Cleanup(func() { server.Close(); handler.Close(); d.Close() })
	s := &site{server, pool, d, map[string]string{}}
	for _, scopes := range [][]apikey.Scope{{apikey.Read}, {apikey.Write, apikey.Read}, {apikey.Admin}} {
		scope := scopes[0]
		key, _, err := apikey.Create(t.Context(), pool, fmt.Sprintf("Anna %d", apikeys.Add(1)), scopes, nil, "test")
		if err != nil {
			t.Fatal(err)
		}
		s.keys[scope] = key
	}
	return s
}

func (s *site) host() string { return strings.TrimPrefix(s.URL, "http://") }

// fill loads orders and makes a build of all there are.
func fill(t *testing.T, pool *pg.Pool, orders string) {
	t.Helper()
	source := load.Source{
		Name: "orders.csv", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(orders)), nil },
	}
	if _, err := load.Run(t.Context(), pool, []load.Source{source}, load.Options{LoadedBy: "test"}); err != nil {
		t.Fatal(err)
	}
	if _, err := builds.Run(t.Context(), pool, builds.Options{
		Settings: builds.DefaultSettings(), Keep: 100,
		BuiltBy: "test",
	}); err != nil {
		t.Fatal(err)
	}
}

// signIn signs the browser in, by the form.
func (s *site) signIn(t *testing.T, b *browsertest.Browser, scope string) {
	t.Helper()
	b.Do(t, chromedp.Navigate(s.URL+"/dashboard/sign-in"), chromedp.SendKeys("#key", s.keys[scope]+"\r"))
	b.Until(t, `document.querySelector("h1")?.textContent == "Overview"`)
}

// inspect looks at a page wide and narrow, light and dark, for all that check.js finds, and takes its picture for docs
// if it has a name.
func (s *site) inspect(t *testing.T, b *browsertest.Browser, path, picture string) {
	t.Helper()
	for _, width := range []int{1440, 360} {
		for _, dark := range []bool{false, true} {
			b.Resize(t, width, dark)
			if !dark {
				b.Do(t, chromedp.Navigate(s.URL+path))
				b.Until(t, `document.documentElement.classList.contains("scripted") && !document.querySelector(".waiting")`)
			}
			for _, problem := range browsertest.Eval[[]string](t, b, checker) {
				t.Errorf("%s, %d wide, dark %t: %s", path, width, dark, problem)
			}
			if *update && picture != "" && (picture == "overview" || width == 1440 && !dark) {
				writePicture(t, fmt.Sprintf("%s-%d-%s.png", picture, width, map[bool]string{false: "light", true: "dark"}[dark]),
					smaller(t, b.Picture(t)))
			}
		}
	}
	b.Resize(t, 1440, false)
}

// writePicture keeps pictures small enough for a repository: the upper part of the page, as small as PNG makes it.
func writePicture(t *testing.T, name string, content []byte) {
	t.Helper()
	const most, height = 150 << 10, 1200
	picture, err := png.Decode(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	bounds := picture.Bounds()
	bounds.Max.Y = min(bounds.Max.Y, height)
	upper := image.NewPaletted(bounds, commonColours(picture, bounds))
	nearest := map[color.Color]uint8{}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			c := picture.At(x, y)
			index, known := nearest[c]
			if !known {
				index = uint8(upper.Palette.Index(c))
				nearest[c] = index
			}
			upper.SetColorIndex(x, y, index)
		}
	}
	var small bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, upper); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join("..", "..", "docs", "dashboard")
	if small.Len() >= most {
		t.Errorf("%s has %d bytes, which is too much", name, small.Len())
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), small.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// commonColours are the 256 that most of a picture has: those of text between them are near others.
func commonColours(picture image.Image, bounds image.Rectangle) color.Palette {
	counts := map[color.Color]int{}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			counts[picture.At(x, y)]++
		}
	}
	all := slices.Collect(maps.Keys(counts))
	slices.SortFunc(all, func(a, b color.Color) int { return counts[b] - counts[a] })
	return all[:min(len(all), 256)]
}

// get is a request as a browser sends it, without a session unless cookie is one.
func (s *site) get(t *testing.T, path, cookie string) (*http.Response, string) {
	t.Helper()
	return s.send(t, http.MethodGet, path, "", http.Header{"Cookie": {cookie}})
}

// send does not follow redirects.
func (s *site) send(t *testing.T, method, path, body string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header.Clone()
	r.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := s.Client().Transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(content)
}
