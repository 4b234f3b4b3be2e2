package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/rules"
)

// ruled returns a server and a key to it.
func ruled(t *testing.T, cfg Config) (*server, http.Header) {
	t.Helper()
	cfg.Pool = dbtest.New(t)
	if _, err := cfg.Pool.Exec(t.Context(), "INSERT INTO items (name) VALUES ('PID'), ('Gloves')"); err != nil {
		t.Fatal(err)
	}
	s := serveAPI(t, cfg)
	return s, withKey(mustCreateKey(t, s.pool, "shop"))
}

// A rule is added, listed and ended, and stays in the list of all rules.
func TestRules(t *testing.T) {
	t.Parallel()
	s, key := ruled(t, Config{})
	list := func(query string) []rules.Rule {
		t.Helper()
		a := s.do(t, http.MethodGet, rulesPath+query, "", key)
		if a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return decodeBody[rulesBody](t, a).Rules
	}
	if got := list(""); got == nil || len(got) > 0 {
		t.Errorf("at first: %v", got)
	}

	until := time.Now().Add(time.Hour).Truncate(time.Second).UTC()
	a := s.do(t, http.MethodPost, rulesPath, fmt.Sprintf(`{"kind":"pin","item":" PID","items":["Gloves","Tripod","Gloves "],"reason":"offer","valid_until":%q}`,
		until.In(time.FixedZone("", 3600)).Format(time.RFC3339)), key)
	if a.status != http.StatusCreated || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	added := decodeBody[rules.Added](t, a)
	item := "PID"
	want := rules.Added{
		Rule: rules.Rule{
			RuleID: 1, Kind: rules.Pin, Item: &item, Items: []string{"Gloves", "Tripod"}, Reason: "offer", Author: "shop",
			ValidFrom: added.ValidFrom, ValidUntil: &until, CreatedAt: added.CreatedAt,
		},
		UnknownItems: []string{"Tripod"},
	}
	if diff := cmp.Diff(want, added); diff != "" {
		t.Errorf("added (-want +got):\n%s", diff)
	}
	a = s.do(t, http.MethodPost, rulesPath, `{"kind":"hide","items":["PID"],"reason":"recalled","item":null,"valid_from":"2999-01-01T00:00:00+02:00"}`, key)
	if a.status != http.StatusCreated || !strings.Contains(string(a.body), `"unknown_items":[]`) || !strings.Contains(string(a.body), `"valid_from":"2998-12-31T22:00:00Z"`) {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if diff := cmp.Diff([]rules.Rule{added.Rule}, list("")); diff != "" {
		t.Errorf("in force (-want +got):\n%s", diff)
	}
	if got := list("?all=true"); len(got) != 2 || got[0].RuleID != 2 {
		t.Errorf("all: %+v", got)
	}
	if got := list("?all=true&limit=1&before=2"); len(got) != 1 || got[0].RuleID != 1 {
		t.Errorf("second page: %+v", got)
	}

	a = s.do(t, http.MethodDelete, rulesPath+"/1", "", key)
	ended := decodeBody[rules.Rule](t, a)
	if a.status != http.StatusOK || ended.RuleID != 1 || ended.EndedAt == nil || *ended.EndedBy != "shop" || ended.ValidUntil.After(time.Now().Add(time.Minute)) {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, id := range []string{"1", "99", "9223372036854775807"} {
		a := s.do(t, http.MethodDelete, rulesPath+"/"+id, "", key)
		if detail := problemDetail(t, a, http.StatusNotFound); !strings.Contains(detail, "rule "+id+" not found") {
			t.Errorf("detail %q", detail)
		}
	}
	if got := list(""); len(got) > 0 {
		t.Errorf("in force after the end: %+v", got)
	}
	if got := list("?all=true"); len(got) != 2 || got[1].EndedBy == nil {
		t.Errorf("all after the end: %+v", got)
	}
}

// Changes are signed with the name of the key.
func TestRulesAreSigned(t *testing.T) {
	t.Parallel()
	s, shop := ruled(t, Config{})
	till := withKey(mustCreateKey(t, s.pool, "Kasse 3, Größe <b>"))
	added := decodeBody[rules.Added](t, s.do(t, http.MethodPost, rulesPath, `{"kind":"hide","items":["PID"],"reason":"r"}`, till))
	ended := decodeBody[rules.Rule](t, s.do(t, http.MethodDelete, rulesPath+"/1", "", shop))
	if added.Author != "Kasse 3, Größe <b>" || *ended.EndedBy != "shop" {
		t.Errorf("added by %q, ended by %q", added.Author, *ended.EndedBy)
	}
}

func TestRuleProblems(t *testing.T) {
	t.Parallel()
	s, key := ruled(t, Config{MaxBody: 5000})
	tests := []struct {
		name, method, path, body string
		status                   int
		locations                []string // of all invalid fields
		detail                   string   // substring
	}{
		{
			"every field of the wrong kind", http.MethodPost, "", `{"kind":"boost","item":1,"items":"PID","reason":null,"valid_from":"yesterday","valid_until":5,"Kind":"hide","author":"me"}`,
			422,
			[]string{"body.Kind", "body.author", "body.item", "body.items", "body.kind", "body.reason", "body.valid_from", "body.valid_until"},
			"and 3 more",
		},
		{
			"every field with a wrong value", http.MethodPost, "",
			`{"kind":"apart","item":"PID","items":["a","","\u0000"],"reason":" ","valid_from":"1999-01-01T00:00:00Z","valid_until":"1999-01-01T00:00:00Z"}`, 422,
			[]string{"body.item", "body.items[1]", "body.items[2]", "body.reason", "body.valid_from", "body.valid_until"},
			"items[1]: is empty",
		},
		{"nothing", http.MethodPost, "", `{}`, 422, []string{"body", "body", "body"}, "expected required property kind"},
		{"an empty item", http.MethodPost, "", `{"kind":"hide","item":"","items":["a"],"reason":"r"}`, 422, []string{"body.item"}, "leave it out"},
		{"no items", http.MethodPost, "", `{"kind":"hide","items":[],"reason":"r"}`, 422, []string{"body.items"}, "items"},
		{"too many items", http.MethodPost, "", `{"kind":"hide","items":[` + strings.Repeat(`"",`, 1000) + `""],"reason":"r"}`, 422, []string{"body.items"}, "1000"},
		{"one item apart", http.MethodPost, "", `{"kind":"apart","items":["a"," a"],"reason":"r"}`, 422, []string{"body.items"}, "choose 2 to 1000"},
		{"over already", http.MethodPost, "", `{"kind":"hide","items":["a"],"reason":"r","valid_until":"2020-01-01T00:00:00Z"}`, 422, []string{"body.valid_until"}, "in the past"},
		{"a day", http.MethodPost, "", `{"kind":"hide","items":["a"],"reason":"r","valid_from":"2026-01-01"}`, 422, []string{"body.valid_from"}, "RFC 3339"},
		{"a time without a zone", http.MethodPost, "", `{"kind":"hide","items":["a"],"reason":"r","valid_from":"2026-01-01T00:00:00"}`, 422, []string{"body.valid_from"}, "RFC 3339"},
		{"not an object", http.MethodPost, "", `["hide"]`, 422, []string{"body"}, "object"},
		{"a query", http.MethodPost, "?kind=hide", `{"kind":"hide","items":["a"],"reason":"r"}`, 422, []string{"query.kind"}, "unknown query parameter"},
		{"half a body", http.MethodPost, "", `{"kind":`, 400, []string{"body"}, "unexpected end"},
		{"no body", http.MethodPost, "", "", 400, nil, "body is required"},
		{"too large", http.MethodPost, "", `{"reason":"` + strings.Repeat("x", 5000) + `"}`, 413, nil, "larger than 5000 bytes"},
		{"no number", http.MethodDelete, "/one", "", 422, []string{"path.rule_id"}, "integer"},
		{"beyond a number", http.MethodDelete, "/9223372036854775808", "", 422, []string{"path.rule_id"}, "integer"},
		{"no rule", http.MethodDelete, "/0", "", 422, []string{"path.rule_id"}, "1"},
		{"ended with a query", http.MethodDelete, "/1?force=true", "", 422, []string{"query.force"}, "there are none here"},
		{"bounds of a list", http.MethodGet, "?limit=1001&before=0&all=perhaps&x=1", "", 422, []string{"query.all", "query.before", "query.limit", "query.x"}, "limit"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := s.do(t, test.method, rulesPath+test.path, test.body, key)
			if detail := problemDetail(t, a, test.status); !strings.Contains(detail, test.detail) {
				t.Errorf("detail %q does not contain %q", detail, test.detail)
			}
			var locations []string
			for _, e := range decodeBody[struct {
				Title, Detail string
				Status        int
				Errors        []struct {
					Location, Message string
					Value             any
				}
			}](t, a).Errors {
				locations = append(locations, e.Location)
			}
			if diff := cmp.Diff(test.locations, locations); diff != "" {
				t.Errorf("fields at fault (-want +got):\n%s", diff)
			}
			var added int
			if err := s.pool.QueryRow(t.Context(), "SELECT count(*) FROM rules").Scan(&added); err != nil || added > 0 {
				t.Errorf("%d rules were added, error %v", added, err)
			}
		})
	}
	a := s.do(t, http.MethodPost, rulesPath, "kind=hide", http.Header{"Authorization": key["Authorization"], "Content-Type": {"application/x-www-form-urlencoded"}})
	problemDetail(t, a, http.StatusUnsupportedMediaType)
}

// Responses fit the schema of their status.
func TestRulesFitTheDocument(t *testing.T) {
	t.Parallel()
	s, key := ruled(t, Config{})
	for _, test := range []struct {
		method, path, body string
		header             http.Header
		status             int
	}{
		{http.MethodPost, "", `{"kind":"apart","items":["PID","Gloves"],"reason":"rivals"}`, key, 201},
		{http.MethodPost, "", `{"kind":"pin","item":"PID","items":["Gloves","x"],"reason":"r","valid_until":"2999-01-01T00:00:00Z"}`, key, 201},
		{http.MethodPost, "", `{"kind":"apart"}`, key, 422},
		{http.MethodPost, "", `{}`, nil, 401},
		{http.MethodDelete, "/2", "", key, 200},
		{http.MethodDelete, "/2", "", key, 404},
		{http.MethodDelete, "/2", "", nil, 401},
		{http.MethodGet, "?all=true", "", key, 200},
		{http.MethodGet, "", "", nil, 401},
	} {
		a := s.do(t, test.method, rulesPath+test.path, test.body, test.header)
		if a.status != test.status {
			t.Errorf("%s %s: %d %s, want %d", test.method, test.path, a.status, a.body, test.status)
		}
	}
}

// The list tolerates rules that only SQL can create.
func TestRulesOfSQL(t *testing.T) {
	t.Parallel()
	s, key := ruled(t, Config{})
	for _, statement := range []string{
		`INSERT INTO rules (kind, items, reason, author, valid_from, valid_until) VALUES ('hide', '[0:1]={a,"b\"\\,c"}', E'two\nlines', 'x', '2000-01-01 00:00+00', '9999-12-31 23:59:59.999999+00')`,
		`INSERT INTO rules (kind, items, reason, author) VALUES ('hide', ARRAY['a', 'a'], '<b>', current_user)`,
	} {
		if err := exec(t, s.pool, statement); err != nil {
			t.Fatal(err)
		}
	}
	a := s.do(t, http.MethodGet, rulesPath, "", key)
	list := decodeBody[rulesBody](t, a).Rules
	if a.status != http.StatusOK || len(list) != 2 || !cmp.Equal(list[1].Items, []string{"a", `b"\,c`}) {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func exec(t *testing.T, pool *pg.Pool, statement string) error {
	t.Helper()
	_, err := pool.Exec(t.Context(), statement)
	return err
}
