package dashboard

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/alsobought/alsobought/internal/browsertest"
	"github.com/alsobought/alsobought/internal/catalogue"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/httpapi"
	"github.com/alsobought/alsobought/internal/pg"
)

// Names that pages have to hold.
var (
	longName   = strings.Repeat("Pressure regulator ", 15) + strings.Repeat("W", 60) // 345 letters
	rightName  = "منظم الضغط للمختبر 34 لتر"
	pictorial  = "👩🏽‍🔬 Lab kit 🧪 🧫"
	markedName = `<b>"Bold" & 'brave'</b>`
)

// awkwardOrders are those of items of such names, with a catalogue.
func awkward(t *testing.T, pool *pg.Pool) {
	t.Helper()
	var b strings.Builder
	b.WriteString("order_id,item_name,ordered_at\n")
	all := []string{longName, rightName, pictorial, markedName, "PID", "Gloves"}
	for i := range 40 {
		for j, name := range all {
			if (i+j)%7 != 0 || j > 3 {
				fmt.Fprintf(&b, "o%d,\"%s\",2026-%02d-10\n", i, strings.ReplaceAll(name, `"`, `""`), 1+i%9)
			}
		}
	}
	fill(t, pool, b.String())
	rows := "item_name\tcategory\tprice\tactive\tlabel\n" +
		"PID\t" + strings.Repeat("Meters and sensors ", 20) +
		"\t1234567.5\ttrue\tPhoto ionisation detector\nGloves\tClothes\t3\tfalse\t\n"
	source := catalogue.Source{
		Name: "items.tsv", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(rows)), nil },
	}
	if _, err := catalogue.Load(t.Context(), pool, []catalogue.Source{source},
		catalogue.Options{ChangedBy: "test"}); err != nil {
		t.Fatal(err)
	}
}

// A merchandiser finds out why an item is recommended, hides it, sees it gone in the API, and takes it back.
func TestItemIsHidden(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	fill(t, pool, sampleOrders(t))
	s := serve(t, pool, nil)
	b := browsertest.New(t, s.host())
	s.signIn(t, b, "write")

	b.Do(t, chromedp.SendKeys("#search", "reuglator\r"))
	b.Until(t, `!!document.querySelector("#results table")`)
	s.inspect(t, b, "/dashboard/item?q=reuglator", "")
	b.Do(t, chromedp.Navigate(s.URL+"/dashboard/item?name=PID"))
	s.inspect(t, b, "/dashboard/item?name=PID", "item")
	first := browsertest.Eval[string](t, b, `document.querySelector("#list tbody a").textContent`)
	if want := s.similar(t, "PID"); want[0] != first {
		t.Errorf("%q is first, want %q", first, want[0])
	}

	b.Do(t, chromedp.Click("#list .why summary"))
	b.Until(t, `document.querySelector("#list .why").textContent.includes("Newest orders with both")`)
	b.Do(t, chromedp.Click("#list .more"))
	b.Until(t, `document.querySelector("#change-0").matches(":popover-open")`)
	for _, problem := range browsertest.Eval[[]string](t, b, checker) {
		t.Errorf("with the sheet: %s", problem)
	}
	b.Do(t, chromedp.Click("#change-0 input[value=hide]"), chromedp.SendKeys("#reason-0", "not in season"),
		chromedp.Click("#change-0 .primary"))
	b.Until(t, `document.querySelector("[role=status]")?.textContent.includes("is hidden")`)
	for _, name := range s.similar(t, "PID") {
		if name == first {
			t.Errorf("the API still recommends %q", first)
		}
	}
	if text := browsertest.Eval[string](t, b, `document.querySelector("#list").textContent`); !strings.Contains(text,
		"1 rule changed this list") {
		t.Errorf("the list does not say so: %s", text)
	}
	if rule := scalar(t, pool,
		`SELECT count(*) FROM rules WHERE kind = 'hide' AND item = 'PID' AND reason = 'not in season'
			AND author LIKE 'Anna %'`); rule != 1 {
		t.Error("no such rule")
	}
	b.Do(t, chromedp.Click("[role=status] button")) // undo
	b.Until(t, `document.querySelector("[role=status]")?.textContent.includes("has ended")`)
	if got := s.similar(t, "PID"); got[0] != first {
		t.Errorf("%q is first after the end of the rule", got[0])
	}
}

// The keyboard goes through the page in its order, and is always seen.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	awkward(t, pool)
	s := serve(t, pool, nil)
	b := browsertest.New(t, s.host())
	s.signIn(t, b, "write")
	b.Do(t, chromedp.Navigate(s.URL+"/dashboard/item?name=Gloves"))
	b.Until(t, `document.documentElement.classList.contains("scripted")`)
	var before string
	for i := range 25 {
		b.Do(t, chromedp.KeyEvent("\t"))
		stop := browsertest.Eval[struct{ Name, Order, Outline string }](t, b, `(() => {
			const all = [...document.querySelectorAll("*")];
			const e = document.activeElement;
			const order = String(all.indexOf(e)).padStart(6, "0");
			return {Name: e.outerHTML.slice(0, 80), Order: order, Outline: getComputedStyle(e).outlineStyle};
		})()`)
		if stop.Order <= before {
			t.Fatalf("stop %d, %s, is not behind the one before", i, stop.Name)
		}
		if stop.Outline == "none" {
			t.Errorf("stop %d, %s, cannot be seen", i, stop.Name)
		}
		before = stop.Order
	}
	browsertest.Eval[bool](t, b,
		`document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "/", bubbles: true, cancelable: true}))`)
	b.Do(t, chromedp.KeyEvent("PID"))
	if got := browsertest.Eval[string](t, b, `document.getElementById("search").value`); got != "PID" {
		t.Errorf("the search has %q", got)
	}
}

// What is new is found: exactly at once, by a part of its name when the names are read again.
func TestSearchFollows(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	awkward(t, pool)
	d := serve(t, pool, nil).d
	search := func(query string) (names []string) {
		t.Helper()
		f, err := d.find(t.Context(), query, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range f.Items {
			names = append(names, item.Name)
		}
		return names
	}
	if got := search("ionisation"); !slices.Equal(got, []string{"PID"}) {
		t.Errorf("by its label: %q", got)
	}
	if _, err := pool.Exec(t.Context(), `INSERT INTO items (name) VALUES ('Brand new thing')`); err != nil {
		t.Fatal(err)
	}
	if got := search("Brand new thing"); !slices.Equal(got, []string{"Brand new thing"}) {
		t.Errorf("by its whole name: %q", got)
	}
	d.names.mu.Lock()
	d.names.since.at = time.Now().Add(-searchAge)
	d.names.mu.Unlock()
	dbtest.Eventually(t, "the new item is found by a part of its name",
		func(context.Context) bool { return len(search("brnd new")) == 1 })
}

// similar is what the API says.
func (s *site) similar(t *testing.T, item string) (names []string) {
	t.Helper()
	_, body := s.send(t, http.MethodGet, "/api/v1/similar-items?limit=10&item="+url.QueryEscape(item), "",
		http.Header{"Authorization": {"Bearer " + s.keys["read"]}})
	var answer struct {
		Recommendations []struct {
			ItemName string `json:"item_name"`
		} `json:"recommendations"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Recommendations) == 0 {
		t.Fatalf("%v in %s", err, body)
	}
	for _, r := range answer.Recommendations {
		names = append(names, r.ItemName)
	}
	return names
}

// Every other action of a row does what it says.
func TestRowActions(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	awkward(t, pool)
	s := serve(t, pool, nil)
	cookie := s.session(t, "write")
	for do, want := range map[string]string{
		"hide everywhere": `kind = 'hide' AND item IS NULL AND items = ARRAY['PID']`,
		"pin":             `kind = 'pin' AND item = 'Gloves' AND items = ARRAY['PID']`,
		"apart":           `kind = 'apart' AND item IS NULL AND items = ARRAY['Gloves', 'PID']`,
	} {
		form := url.Values{
			"do": {do}, "item": {"Gloves"}, "other": {"PID"}, "reason": {"because"}, "until": {"2099-12-31"},
			"back": {"https://elsewhere.example/"},
		}
		response, body := s.send(t, http.MethodPost, "/dashboard/rules", form.Encode(), http.Header{"Cookie": {cookie}})
		if response.StatusCode != http.StatusSeeOther || response.Header.Get("Location") != "/dashboard/item" {
			t.Errorf("%s: %d to %s: %s", do, response.StatusCode, response.Header.Get("Location"), body)
		}
		if n := scalar(t, pool, `SELECT count(*) FROM rules WHERE valid_until = '2099-12-31 00:00+00' AND `+want); n != 1 {
			t.Errorf("%s: %d rules", do, n)
		}
	}
	for name, form := range map[string]url.Values{
		"no reason": {"do": {"hide"}, "item": {"Gloves"}, "other": {"PID"}}, "no action": {
			"item": {"Gloves"}, "other": {"PID"}, "reason": {"r"},
		},
		"a wrong day": {"do": {"hide"}, "item": {"Gloves"}, "other": {"PID"}, "reason": {"r"}, "until": {"tomorrow"}},
	} {
		if response, _ := s.send(t, http.MethodPost, "/dashboard/rules", form.Encode(),
			http.Header{"Cookie": {cookie}}); response.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", name, response.StatusCode)
		}
	}
	reader := http.Header{"Cookie": {s.session(t, "read")}}
	if response, _ := s.send(t, http.MethodPost, "/dashboard/rules", url.Values{"do": {"pin"}}.Encode(),
		reader); response.StatusCode != http.StatusForbidden {
		t.Errorf("by a key that may read: %d", response.StatusCode)
	}
}

// Names of all kinds are shown whole, wide and narrow.
func TestAwkwardNames(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	awkward(t, pool)
	s := serve(t, pool, nil)
	b := browsertest.New(t, s.host())
	s.signIn(t, b, "admin")
	for _, name := range []string{longName, rightName, pictorial, markedName} {
		s.inspect(t, b, "/dashboard/item?name="+url.QueryEscape(name), "")
		if got := browsertest.Eval[string](t, b, `document.querySelector("h1").textContent`); got != name {
			t.Errorf("title %q, want %q", got, name)
		}
	}
	s.inspect(t, b, "/dashboard/item", "")
	s.inspect(t, b, "/dashboard/item?name=PID", "")
	if got := browsertest.Eval[string](t, b,
		`document.querySelector("h1").textContent`); got != "Photo ionisation detector" {
		t.Errorf("title %q", got)
	}
	b.Expect("404")
	s.inspect(t, b, "/dashboard/item?name=Glovs", "")
	if got := browsertest.Eval[string](t, b, `document.querySelector("#results tbody a").textContent`); got != "Gloves" {
		t.Errorf("for Glovs there is %q", got)
	}
}

// What is chosen changes the list at once, and the URL, and without script by a button.
func TestSettingsChangeTheList(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	fill(t, pool, sampleOrders(t))
	s := serve(t, pool, func(cfg *Config, api *httpapi.Config) { cfg.OpenReads, api.KeyedReads = true, false })
	b := browsertest.New(t, s.host())
	b.Do(t, chromedp.Navigate(s.URL+"/dashboard/item?name=PID"))
	before := browsertest.Eval[string](t, b, `document.querySelector("#list tbody").textContent`)
	b.Do(t, chromedp.SetValue("#measure", "lift"))
	browsertest.Eval[bool](t, b, `document.querySelector("#measure").dispatchEvent(new Event("input", {bubbles: true}))`)
	b.Until(t, `location.search.includes("measure=lift")`)
	if after := browsertest.Eval[string](t, b, `document.querySelector("#list tbody").textContent`); after == before {
		t.Error("the list is what it was")
	}
	_, body := s.get(t, "/dashboard/item?name=PID&measure=lift&min_support=20&limit=5", "")
	if n := strings.Count(body, `class="why"`); n != 5 {
		t.Errorf("%d rows of 5", n)
	}
	if strings.Contains(body, "popovertarget") {
		t.Error("a stranger is offered changes")
	}
	for _, wrong := range []string{"measure=best", "min_support=-1", "limit=101", "build=x"} {
		if response, _ := s.get(t, "/dashboard/item?name=PID&"+wrong,
			""); response.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", wrong, response.StatusCode)
		}
	}
	b.Do(t, chromedp.Navigate(s.URL+"/dashboard/item"), chromedp.SendKeys("#search", "regul"))
	b.Until(t,
		`location.search == "?q=regul" && document.querySelector("#results tbody").textContent.includes("Regulator")`)
}
