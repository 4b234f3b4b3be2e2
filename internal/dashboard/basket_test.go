package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/alsobought/alsobought/internal/browsertest"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/httpapi"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/rules"
)

// A basket is put together, answered, and changed by a rule; what is copied asks the same.
func TestBasket(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	fill(t, pool, sampleOrders(t))
	s := serve(t, pool, func(cfg *Config, api *httpapi.Config) { cfg.OpenReads, api.KeyedReads = true, false })
	b := browsertest.New(t, s.host())
	s.inspect(t, b, "/dashboard/basket", "")
	b.Do(t, chromedp.SendKeys("#add", "gloves"))
	b.Until(t, `[...document.querySelectorAll("#found button")].some((b) => b.textContent.startsWith("Gloves"))`)
	s.inspect(t, b, "/dashboard/basket?q=gloves", "")
	b.Do(t, chromedp.Click("#found button"))
	b.Until(t, `document.querySelectorAll("#answer .places li").length == 10`)
	addRule(t, pool, rules.Draft{Kind: rules.Hide, Items: []string{"Gloves"}})
	addRule(t, pool, rules.Draft{Kind: rules.Pin, Items: []string{"Tedlar Bag - 1 L"}})
	address := "/dashboard/basket?" + url.Values{"item": {"PID", "Water Level Meter", "Nothing of the kind"}}.Encode()
	s.inspect(t, b, address, "basket")
	list := browsertest.Eval[[]string](t, b,
		`[...document.querySelectorAll(".sides > div:first-child .places .itemcell a")].map((a) => a.textContent)`)
	_, body := s.send(t, http.MethodGet, "/api/v1/similar-items?item=PID", "", http.Header{})
	if len(list) != 10 || list[0] != "Tedlar Bag - 1 L" || strings.Contains(body, `"item_name":"Gloves"`) {
		t.Errorf("with the rules: %q", list)
	}
	if without := browsertest.Eval[string](t, b,
		`document.querySelector(".sides > div:last-child").textContent`); !strings.Contains(without, "Gloves") {
		t.Errorf("without them: %s", without)
	}
	answered := browsertest.Eval[[]string](t, b, `(async () => {
		const text = document.querySelector("#copy-curl").textContent;
		const [, body, address] = text.match(/-d '(.*)' (http.*)$/);
		const answer = await (await fetch(address, {
			method: "POST", headers: {"Content-Type": "application/json"}, body,
		})).json();
		return answer.recommendations.map((r) => r.item_name);
	})()`)
	if strings.Join(answered, "|") != strings.Join(list, "|") {
		t.Errorf("what is copied answers %q, the page %q", answered, list)
	}
	var first string
	statement := browsertest.Eval[string](t, b, `document.querySelector("#copy-sql").textContent`)
	if err := pool.QueryRow(t.Context(), "SELECT r.item_name FROM ("+strings.TrimSuffix(statement, ";")+
		") AS r LIMIT 1").Scan(&first); err != nil || first != list[0] {
		t.Errorf("%s: %q, error %v", statement, first, err)
	}
	b.Do(t, chromedp.Click(".chips .off"))
	b.Until(t, `document.querySelectorAll(".chips li").length == 2`)
}

func addRule(t *testing.T, pool *pg.Pool, draft rules.Draft) {
	t.Helper()
	draft.Reason, draft.Author = "a test", "test"
	if _, err := rules.Add(t.Context(), pool, draft); err != nil {
		t.Fatal(err)
	}
}

func TestAwkwardBasket(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	awkward(t, pool)
	s := serve(t, pool, func(cfg *Config, api *httpapi.Config) { cfg.OpenReads, api.KeyedReads = true, false })
	b := browsertest.New(t, s.host())
	s.inspect(t, b, "/dashboard/basket?"+url.Values{
		"item":    {longName, rightName, pictorial, markedName, "it's"},
		"measure": {"lift"},
	}.Encode(), "")
	if got := browsertest.Eval[string](t, b, `document.querySelector("#copy-shell").textContent`); !strings.HasSuffix(got,
		`'it'\''s'`) {
		t.Errorf("in a shell: %s", got)
	}
}
