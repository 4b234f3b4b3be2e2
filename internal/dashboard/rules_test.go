package dashboard

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/alsobought/alsobought/internal/browsertest"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/recommend"
	"github.com/alsobought/alsobought/internal/rules"
)

// hostile are names that pages have to bear: long ones, from right to left, of emoji, of what HTML means something by.
var hostile = []string{
	strings.Repeat("Wide name ", 30), strings.Repeat("W", 300), "كتاب الطبخ العربي للمبتدئين", "🧑‍🍳🍝🫒 pasta ⭐️⭐️⭐️",
	`<script>alert("1")</script>`, `a & b "c" 'd' %41 +`,
}

// hostileOrders have every hostile name twice with each other.
func hostileOrders() string {
	var b strings.Builder
	b.WriteString("order,item\n")
	for i := range 3 {
		for _, name := range hostile {
			fmt.Fprintf(&b, "h%d,\"%s\"\n", i, strings.ReplaceAll(name, `"`, `""`))
		}
	}
	b.WriteString("alone,lonely\nnull,Lonely\n")
	return b.String()
}

// post sends a form as a browser does.
func (s *site) post(t *testing.T, path, cookie string, form url.Values) (*http.Response, string) {
	t.Helper()
	return s.send(t, http.MethodPost, path, form.Encode(), http.Header{"Cookie": {cookie}})
}

func TestRules(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	fill(t, pool, sampleOrders(t))
	s := serve(t, pool, nil)
	b := browsertest.New(t, s.host())

	// Written, previewed, added, seen in answers, ended.
	s.signIn(t, b, "admin")
	popular, err := recommend.New(pool).Ask(t.Context(), recommend.Popular(recommend.Options{Limit: 3}))
	if err != nil {
		t.Fatal(err)
	}
	hidden := popular.Recommendations[0].ItemName
	b.Do(t, chromedp.Navigate(s.URL+"/dashboard/rules/new"), chromedp.SendKeys("#items", hidden),
		chromedp.SendKeys("#reason", "sold out"),
		chromedp.Click("form[action$='/rules/preview'] button:not([formaction])"))
	b.Until(t, `!!document.querySelector("#preview .big")`)
	if n := scalar(t, pool, `SELECT count(*) FROM rules`); n != 0 {
		t.Errorf("a preview left %d rules", n)
	}
	var changed, compared int
	shown := browsertest.Eval[string](t, b,
		`document.querySelector("#preview .big").parentElement.textContent.replaceAll(",", "")`)
	if _, err := fmt.Sscanf(shown, "%d of %d answers change", &changed, &compared); err != nil {
		t.Fatalf("%q: %v", shown, err)
	}
	if changed == 0 || !browsertest.Eval[bool](t, b, `document.querySelectorAll("#preview .beside").length == 10`) {
		t.Errorf("%d answers change, by the preview", changed)
	}
	b.Do(t, chromedp.Click("button[formaction$='/rules/add']"))
	b.Until(t, `document.querySelector("[role=status] p")?.textContent.includes("is in force")`)
	var rule int64
	if err := pool.QueryRow(t.Context(), `SELECT rule_id FROM rules`).Scan(&rule); err != nil {
		t.Fatal(err)
	}
	if got := changedBy(t, s, compared); got != changed {
		t.Errorf("%d answers were to change, and %d did", changed, got)
	}
	s.inspect(t, b, fmt.Sprintf("/dashboard/rules/rule?id=%d", rule), "")
	from := time.Now().AddDate(0, 0, 30)
	if _, err := rules.Add(t.Context(), pool, rules.Draft{
		Kind: rules.Pin, Items: []string{hidden}, Reason: "campaign", Author: "Anna", ValidFrom: &from,
	}); err != nil {
		t.Fatal(err)
	}
	s.inspect(t, b, "/dashboard/rules", "rules")
	s.inspect(t, b, "/dashboard/rules?state=to_come", "")
	b.Do(t, chromedp.Navigate(s.URL+"/dashboard/rules"), chromedp.Click("form[action$='/rules/end'] button"))
	b.Until(t, `document.querySelector("[role=status] p")?.textContent.includes("has ended")`)
	s.inspect(t, b, "/dashboard/rules?state=all", "")
	if got := changedBy(t, s, compared); got != 0 {
		t.Errorf("%d answers are still others", got)
	}
}

// Hostile names, a rule with many items, and no rule at all.
func TestRulesOfAnyName(t *testing.T) {
	t.Parallel()
	odd, empty := dbtest.New(t), dbtest.New(t)
	fill(t, odd, hostileOrders())
	strange, none := serve(t, odd, nil), serve(t, empty, nil)
	b := browsertest.New(t, strange.host(), none.host())
	none.signIn(t, b, "admin")
	none.inspect(t, b, "/dashboard/rules", "")
	if _, err := rules.Add(t.Context(), odd, rules.Draft{
		Kind: rules.Allow, Item: &hostile[1], Items: hostile, Reason: strings.Repeat("because ", 200),
		Author: strings.Repeat("A", 300),
	}); err != nil {
		t.Fatal(err)
	}
	strange.signIn(t, b, "admin")
	strange.inspect(t, b, "/dashboard/rules", "")
	strange.inspect(t, b, "/dashboard/rules/rule?id=1", "")
	b.Do(t, chromedp.Navigate(strange.URL+"/dashboard/rules/new"),
		chromedp.SetValue("#items", strings.Join(hostile[1:4], "\n")),
		chromedp.SendKeys("#reason", "a test"), chromedp.Click("form[action$='/rules/preview'] button:not([formaction])"))
	b.Until(t, `!!document.querySelector("#preview .big")`)
	strange.check(t, b, "a preview of hostile names")
}

// changedBy is how many of the answers about the most popular items are others by a rule.
func changedBy(t *testing.T, s *site, compared int) (n int) {
	t.Helper()
	build, err := s.d.queries.BuildActive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names, err := s.d.queries.ItemSpreadList(t.Context(), build.BuildID, 1, int32(compared))
	if err != nil {
		t.Fatal(err)
	}
	batch, err := s.d.recommender.AskEach(t.Context(), names, recommend.Options{Limit: places})
	if err != nil {
		t.Fatal(err)
	}
	for _, answer := range batch.Answers {
		if len(answer.Metadata.Rules) > 0 {
			n++
		}
	}
	return n
}

// check looks at the page that the browser is on.
func (s *site) check(t *testing.T, b *browsertest.Browser, what string) {
	t.Helper()
	for _, width := range []int{1440, 360} {
		for _, dark := range []bool{false, true} {
			b.Resize(t, width, dark)
			for _, problem := range browsertest.Eval[[]string](t, b, checker) {
				t.Errorf("%s, %d wide, dark %t: %s", what, width, dark, problem)
			}
		}
	}
	b.Resize(t, 1440, false)
}

func TestWrongRules(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	fill(t, pool, hostileOrders())
	s := serve(t, pool, nil)
	writer, reader := s.session(t, "write"), s.session(t, "read")
	for name, c := range map[string]struct {
		form url.Values
		want string
	}{
		"no item":   {url.Values{"kind": {"hide"}, "reason": {"r"}}, "has 0 distinct names"},
		"no reason": {url.Values{"kind": {"hide"}, "items": {"a"}}, "The reason is empty"},
		"one apart": {url.Values{"kind": {"apart"}, "items": {"a"}, "reason": {"r"}}, "choose 2 to 1000"},
		"bad day": {
			url.Values{"kind": {"hide"}, "items": {"a"}, "reason": {"r"}, "from": {"1.2.2027"}}, "write it as 2027-01-31",
		},
		"past": {
			url.Values{"kind": {"hide"}, "items": {"a"}, "reason": {"r"}, "until": {"2020-01-01"}}, "choose a later time",
		},
	} {
		for _, path := range []string{"/dashboard/rules/preview", "/dashboard/rules/add"} {
			if name == "past" && path == "/dashboard/rules/preview" {
				continue // a preview is of the rule in force
			}
			response, body := s.post(t, path, writer, c.form)
			if response.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, c.want) {
				t.Errorf("%s by %s: %d, no %q", name, path, response.StatusCode, c.want)
			}
		}
	}
	good := url.Values{"kind": {"hide"}, "items": {"a\nb\n\n a "}, "reason": {"r"}}
	if response, _ := s.post(t, "/dashboard/rules/add", reader, good); response.StatusCode != http.StatusForbidden {
		t.Errorf("a reader: %d", response.StatusCode)
	}
	if response, _ := s.post(t, "/dashboard/rules/add", writer, good); response.StatusCode != http.StatusSeeOther {
		t.Errorf("a writer: %d", response.StatusCode)
	}
	var items []string
	var author string
	if err := pool.QueryRow(t.Context(), `SELECT items, author FROM rules`).Scan(&items, &author); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(items) != "[a b]" || !strings.HasPrefix(author, "Anna") {
		t.Errorf("items %q by %q", items, author)
	}
	for _, path := range []string{
		"/dashboard/rules/rule?id=99", "/dashboard/rules/rule?id=x",
		"/dashboard/rules?before=0",
	} {
		if response, _ := s.get(t, path, reader); response.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
}
