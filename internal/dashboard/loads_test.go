package dashboard

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/alsobought/alsobought/internal/browsertest"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/httpapi"
	"github.com/alsobought/alsobought/internal/load"
)

// dirty is a file with rows of every outcome.
const dirty = `Order,Item,Quantity,Date,Status
1,Bread,1,2026-01-05,paid
1,Butter,2,2026-01-05,paid
1,Butter,1,2026-01-05,paid
2,Bread,1,2026-01-06,paid
2,Cheese,many,2026-01-06,paid
3,,1,2026-01-07,paid
4,Milk,1,2026-01-08,cancelled
5,Bread,1,2026-01-09,paid
5,Milk,1,2026-01-09,paid
`

// writeFile is a file that a browser can choose.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestUpload(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	fill(t, pool, sampleOrders(t))
	s := serve(t, pool, nil)
	b := browsertest.New(t, s.host())
	s.signIn(t, b, "admin")

	// A column that is not found is chosen by the form.
	b.Do(t, chromedp.Navigate(s.URL+"/dashboard/loads"),
		chromedp.SetUploadFiles("#file", []string{writeFile(t, "till.csv", strings.Replace(dirty, "Order", "Slip", 1))}),
		chromedp.Click("form[data-upload] button"))
	b.Until(t, `document.querySelector("#plan .problem")?.textContent.includes("till.csv has no order column")`)
	s.check(t, b, "a column that is not found")
	b.Do(t, chromedp.SetValue("#f-order-column", "Slip"), chromedp.Click("form.fields button"))
	b.Until(t, `!!document.querySelector("form[action$='/upload/load']")`)
	here := strings.TrimPrefix(browsertest.Eval[string](t, b, `location.href`), s.URL)
	s.inspect(t, b, here, "upload")
	text := browsertest.Eval[string](t, b, `document.querySelector("#plan").innerText`)
	for _, want := range []string{"Slip", "Item", "bad_quantity", "missing_item", "cancelled", "5 Jan 2026 00:00 UTC"} {
		if !strings.Contains(text, want) {
			t.Errorf("the plan does not say %q:\n%s", want, text)
		}
	}
	if n := scalar(t, pool, `SELECT count(*) FROM loads`); n != 1 {
		t.Errorf("%d loads after a look", n)
	}

	// Another mapping, by the form.
	b.Do(t, chromedp.SetValue("#f-quantity-column", "-"), chromedp.Click("form.fields button"))
	b.Until(t,
		`location.search.includes("quantity-column=-") && !!document.querySelector("#plan .legend") &&
			!document.querySelector("#plan").innerText.includes("bad_quantity")`)
	b.Do(t, chromedp.Click("form[action$='/upload/load'] button"))
	b.Until(t, `document.querySelector("#plan")?.innerText.includes("is now active")`)
	s.check(t, b, "a load that is done")
	if got := scalar(t, pool,
		`SELECT rows_loaded*10000 + rows_duplicate*1000 + rows_not_bought*100 + rows_rejected FROM loads
			WHERE load_id = 2`); got != 6*10000+1000+101 {
		t.Errorf("outcomes %d", got)
	}
	if n := scalar(t, pool, `SELECT count(*) FROM builds WHERE active AND built_by LIKE 'Anna%'`); n != 1 {
		t.Error("nothing was built")
	}

	// The same bytes once more: refused, until somebody insists.
	b.Do(t, chromedp.Navigate(s.URL+"/dashboard/loads"), chromedp.SetUploadFiles("#file", []string{
		writeFile(t, "again.csv", strings.Replace(dirty, "Order", "Slip", 1)),
	}),
		chromedp.Click("form[data-upload] button"))
	b.Until(t, `!!document.querySelector("#f-order-column")`)
	b.Do(t, chromedp.SetValue("#f-order-column", "Slip"), chromedp.Click("form.fields button"))
	b.Until(t, `!!document.querySelector("form[action$='/upload/load'] [name=build]")`)
	b.Do(t, chromedp.Click("form[action$='/upload/load'] button"))
	b.Until(t, `document.querySelector("[role=alert].note")?.textContent.includes("was already loaded, as load 2")`)
	b.Do(t, chromedp.Click("form[action$='/upload/discard'] button"))
	b.Until(t, `document.querySelector("[role=status] p")?.textContent.includes("discarded")`)
	if waiting := s.d.uploads.waiting(); len(waiting) != 0 {
		t.Errorf("%d uploads are left", len(waiting))
	}
}

// upload posts files and follows to where their page is.
func (s *site) upload(t *testing.T, cookie string, files map[string]string) (*http.Response, string) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, content := range files {
		part, err := w.CreateFormFile("file", name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(part, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/dashboard/loads/upload", &body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", w.FormDataContentType())
	r.Header.Set("Cookie", cookie)
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

// Without script: files go up, the page is looked at again, the load runs in the server's life.
func TestUploadWithoutScript(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	s := serve(t, pool, func(cfg *Config, _ *httpapi.Config) { cfg.MaxUpload = 10_000 })
	writer, reader := s.session(t, "write"), s.session(t, "read")
	if response, _ := s.upload(t, reader, map[string]string{"a.csv": dirty}); response.StatusCode != http.StatusForbidden {
		t.Errorf("a reader: %d", response.StatusCode)
	}
	if response, body := s.upload(t, writer, nil); response.StatusCode != http.StatusUnprocessableEntity ||
		!strings.Contains(body, "Choose a file first") {
		t.Errorf("no file: %d", response.StatusCode)
	}
	if response, body := s.upload(t, writer,
		map[string]string{"a.csv": strings.Repeat("x", 10_001)}); !strings.Contains(body, "at most 9.8 KiB") {
		t.Errorf("too large: %d %s", response.StatusCode, body)
	}
	response, _ := s.upload(t, writer, map[string]string{"till.csv": dirty, "b.csv": "order,item\nb1,Bread\nb1,Salt\n"})
	page := response.Header.Get("Location")
	id := strings.TrimPrefix(page, "/dashboard/loads/upload?id=")
	if response.StatusCode != http.StatusSeeOther || id == page {
		t.Fatalf("%d to %q", response.StatusCode, page)
	}
	if _, body := s.get(t, page+"&whole=1", writer); !strings.Contains(body, "bad_quantity") ||
		!strings.Contains(body, "Salt") {
		t.Errorf("the plan: %s", body)
	}
	for name, want := range map[string]string{
		"time-zone=Nowhere": "Unknown time zone", "order-column=Nothing": "Nothing",
		"format=xml": "Unknown format",
	} {
		if _, body := s.get(t, page+"&whole=1&"+name, writer); !strings.Contains(body, want) ||
			strings.Contains(body, "-column;") {
			t.Errorf("%s: no %q, or a flag", name, want)
		}
	}
	form := url.Values{"id": {id}, "build": {"1"}}
	if response, _ := s.post(t, "/dashboard/loads/upload/load", writer, form); response.Header.Get("Location") != page {
		t.Errorf("after the load: %v", response.Header)
	}
	var body string
	dbtest.Eventually(t, "the load", func(context.Context) bool {
		_, body = s.get(t, page, writer)
		return strings.Contains(body, "is now active")
	})
	if n := scalar(t, pool, `SELECT count(*) FROM orders WHERE items <> '{}'`); n != 4 {
		t.Errorf("%d orders", n)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "alsobought-upload-*")); len(left) > 0 {
		t.Errorf("left in the temporary directory: %v", left)
	}

	// A few at a time.
	for i := range mostUploads {
		if response, _ := s.upload(t, writer,
			map[string]string{fmt.Sprintf("%d.csv", i): "order,item\n1,a\n"}); response.StatusCode != http.StatusSeeOther {
			t.Fatalf("upload %d: %d", i, response.StatusCode)
		}
	}
	if _, body := s.upload(t, writer, map[string]string{"more.csv": "order,item\n1,a\n"}); !strings.Contains(body,
		"uploads are waiting already") {
		t.Error("there is no end of uploads")
	}
	if _, body := s.get(t, "/dashboard/loads/upload?id=nothing", writer); !strings.Contains(body,
		"Choose the files again") {
		t.Error("an upload that is not there")
	}
}

func TestLoads(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	fill(t, pool, sampleOrders(t))
	fill(t, pool, dirty)
	s := serve(t, pool, nil)
	b := browsertest.New(t, s.host())
	s.signIn(t, b, "admin")
	s.inspect(t, b, "/dashboard/loads", "loads")
	s.inspect(t, b, "/dashboard/loads/load?id=2", "load")
	s.inspect(t, b, "/dashboard/loads/load?id=1", "")

	// What a revert says that goes is what goes.
	b.Do(t, chromedp.Navigate(s.URL+"/dashboard/loads/load?id=2"), chromedp.Click("a[href*='/loads/revert']"))
	b.Until(t, `!!document.querySelector("#counts .tiles")`)
	s.inspect(t, b, "/dashboard/loads/revert?id=2", "")
	count := `SELECT count(*)*1000000 + (SELECT count(*) FROM order_lines)*1000 + (SELECT count(DISTINCT item_id)
		FROM order_lines) FROM orders`
	before := scalar(t, pool, count)
	shown := browsertest.Eval[[]int64](t, b,
		`[...document.querySelectorAll("#counts dd")].map((e) => parseInt(e.textContent))`)
	b.Do(t, chromedp.Click("form[action$='/loads/revert'] button"))
	b.Until(t, `document.querySelector("[role=status] p")?.textContent.includes("was reverted")`)
	if got, want := before-scalar(t, pool, count), shown[0]*1_000_000+shown[1]*1000+shown[2]; got != want ||
		shown[0] == 0 {
		t.Errorf("%d went, the page shown %v", got, shown)
	}
	b.Until(t, `document.querySelector("#now")?.innerText.includes("is complete and active")`)
	s.inspect(t, b, "/dashboard/loads/load?id=2", "")
	b.Expect("422")
	b.Do(t, chromedp.Navigate(s.URL+"/dashboard/loads/revert?id=2"))
	b.Until(t, `document.querySelector("main")?.innerText.includes("there is nothing to revert")`)
}

// Hostile names, many rejects, and no load at all.
func TestLoadsOfAnyName(t *testing.T) {
	t.Parallel()
	odd, empty := dbtest.New(t), dbtest.New(t)
	fill(t, odd, hostileOrders()+strings.Repeat("broken,"+strings.Repeat("w", 2500)+"\n", 60))
	strange, none := serve(t, odd, nil), serve(t, empty, nil)
	b := browsertest.New(t, strange.host(), none.host())
	none.signIn(t, b, "admin")
	none.inspect(t, b, "/dashboard/loads", "")
	strange.signIn(t, b, "admin")
	strange.inspect(t, b, "/dashboard/loads", "")
	strange.inspect(t, b, "/dashboard/loads/load?id=1", "")
}

// The rows that were refused are a file that can be loaded.
func TestRejectedRows(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	fill(t, pool, dirty+"9,=cmd(),x,2026-01-01,paid\n")
	s := serve(t, pool, nil)
	writer := s.session(t, "write")
	if response, _ := s.get(t, "/dashboard/loads/rows.csv?id=1",
		s.session(t, "read")); response.StatusCode != http.StatusForbidden {
		t.Errorf("who only reads sees rows: %d", response.StatusCode)
	}
	for outcome, want := range map[string][]string{
		load.Rejected: {"bad_quantity", "missing_item", "bad_quantity"}, load.NotBought: {"cancelled"},
	} {
		response, body := s.get(t, "/dashboard/loads/rows.csv?id=1&outcome="+outcome, writer)
		if response.Header.Get("Content-Type") != "text/csv; charset=utf-8" ||
			!strings.Contains(response.Header.Get("Content-Disposition"), "load-1-") {
			t.Errorf("%s: %v", outcome, response.Header)
		}
		rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
		if err != nil || len(rows) == 0 {
			t.Fatalf("%s: %v", outcome, err)
		}
		column := slices.Index(rows[0], "reason")
		var reasons []string
		for _, row := range rows[1:] {
			reasons = append(reasons, row[column])
		}
		if !slices.Equal(reasons, want) {
			t.Errorf("%s: %q, want %q", outcome, reasons, want)
		}
		for _, row := range rows {
			if slices.ContainsFunc(row, func(cell string) bool { return strings.HasPrefix(cell, "=") }) {
				t.Errorf("a spreadsheet would run %q", row)
			}
		}
	}
	admin := s.session(t, "admin")
	_, body := s.get(t, "/dashboard/loads/load?id=1&reason=missing_item", admin)
	if strings.Contains(body, "many") || !strings.Contains(body, "missing_item") {
		t.Error("rows of another reason are shown")
	}
	for _, path := range []string{
		"/dashboard/loads/load?id=9", "/dashboard/loads/rows.csv?id=9",
		"/dashboard/loads/load",
	} {
		if response, _ := s.get(t, path, admin); response.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
	// A server that may not load says so, and does not.
	weak := serve(t, pool, func(cfg *Config, _ *httpapi.Config) { cfg.Loader = nil })
	writer = weak.session(t, "admin")
	if _, body := weak.get(t, "/dashboard/loads", writer); !strings.Contains(body, "cannot load files") ||
		strings.Contains(body, `type="file"`) {
		t.Error("it does not say that it may not load")
	}
	for _, path := range []string{"/dashboard/loads/revert?id=1", "/dashboard/builds/activate?id=1"} {
		if response, body := weak.get(t, path, writer); response.StatusCode != http.StatusUnprocessableEntity ||
			!strings.Contains(body, "--load-url") {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
	for path, form := range map[string]url.Values{
		"/dashboard/loads/revert": {"id": {"1"}}, "/dashboard/builds/new": {},
		"/dashboard/builds/activate": {"id": {"1"}},
	} {
		if response, _ := weak.post(t, path, writer, form); response.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
}
