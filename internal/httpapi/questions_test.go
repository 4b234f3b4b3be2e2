package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/recommend"
)

func TestAnswers(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tests := []struct {
		name, path, body string
	}{
		{"popular", "/api/v1/popular-items", ""},
		{"popular-limit-exclude", "/api/v1/popular-items?limit=2&exclude=PID&exclude=Flow+Cell,+%22large%22+%3Cb%3E", ""},
		{"similar", "/api/v1/similar-items/PID", ""},
		{"similar-slash", "/api/v1/similar-items/Cal%20Kit%20-%20Std/Tedlar%20Bag?limit=2", ""},
		{"similar-markup", "/api/v1/similar-items?item=Flow+Cell,+%22large%22+%3Cb%3E&limit=1", ""},
		{"similar-options", "/api/v1/similar-items/PID?limit=3&measure=count&min_support=2&min_confidence=0.4&exclude=Horiba&strict=true", ""},
		{"similar-strict-empty", "/api/v1/similar-items/Tripod?strict=true", ""},
		{"similar-alone", "/api/v1/similar-items/Tripod?limit=1", ""},
		{"similar-build", "/api/v1/similar-items/PID?limit=1&build_id=1", ""},
		{"batch", "/api/v1/similar-items:batch", `{"items":["PID","nothing","Tripod","PID"],"limit":2}`},
		{"batch-options", "/api/v1/similar-items:batch", `{"items":["PID"],"limit":3,"measure":"count","min_support":2,"exclude":["Horiba"],"strict":true,"build_id":1}`},
		{"popular-days-undated", "/api/v1/popular-items?days=30", ""},
		{"popular-category", "/api/v1/popular-items?category=none", ""},
		{"basket", "/api/v1/basket-recommendations", `{"items":["PID","Gloves"]}`},
		{"basket-unknown", "/api/v1/basket-recommendations", `{"items":["PID","nothing","PID"],"limit":1,"measure":"jaccard"}`},
		{"basket-options", "/api/v1/basket-recommendations", `{"items":["PID"],"limit":4,"min_support":2,"min_confidence":0.1,"exclude":["Gloves"],"strict":true}`},
		{"basket-all-unknown", "/api/v1/basket-recommendations", `{"items":["nothing","\u0000",""],"limit":1}`},
		{"order", "/api/v1/recommendations/O-3", ""},
		{"order-slash", "/api/v1/recommendations/O/8?limit=1", ""},
		{"explain", "/api/v1/explain?item=PID&other=Gloves", ""},
		{"explain-never-met", "/api/v1/explain?item=PID&other=Tripod", ""},
		{"health", "/health", ""},
		{"health-slash", "/health/", ""},
		{"readyz", "/readyz", ""},
		{"livez", "/livez", ""},
		{"root", "/", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ask := func() answer {
				if test.body != "" {
					return s.post(t, test.path, test.body)
				}
				return s.get(t, test.path)
			}
			first := ask()
			if first.status != http.StatusOK {
				t.Fatalf("status %d: %s", first.status, first.body)
			}
			if got := first.header.Get("Content-Type"); got != "application/json" {
				t.Errorf("content type %q", got)
			}
			if first.header.Get("Link") != "" || bytes.Contains(first.body, []byte("$schema")) {
				t.Error("the answer points to a schema")
			}
			golden(t, test.name, first.body)
			if strings.HasPrefix(test.path, "/api/") {
				if again := ask(); !bytes.Equal(again.body, first.body) {
					t.Errorf("equal requests, different bytes:\n%s%s", first.body, again.body)
				}
			}
		})
	}
}

// The API returns the same bytes as the command line.
func TestAnswersAreThoseOfRecommend(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r := recommend.New(s.pool)
	item := `Flow Cell, "large" <b>`
	similar, err := r.Ask(t.Context(), recommend.Similar(item, recommend.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	explanation, err := r.Explain(t.Context(), "Horiba", item, 0)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]any{
		"/api/v1/similar-items?item=Flow+Cell,+%22large%22+%3Cb%3E":        similar,
		"/api/v1/explain?item=Horiba&other=Flow+Cell,+%22large%22+%3Cb%3E": explanation,
	} {
		var printed bytes.Buffer
		encoder := json.NewEncoder(&printed)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(printed.String(), string(s.get(t, path).body)); diff != "" {
			t.Errorf("%s (-command line +API):\n%s", path, diff)
		}
	}
}

func TestDefaultsAndBounds(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	limits := map[string]int{
		"/api/v1/popular-items":           recommend.PopularLimit,
		"/api/v1/similar-items/PID":       recommend.SimilarLimit,
		"/api/v1/similar-items?item=PID":  recommend.SimilarLimit,
		"/api/v1/recommendations/O-1":     recommend.OrderLimit,
		"/api/v1/basket-recommendations#": recommend.BasketLimit,
	}
	for path, want := range limits {
		ask := func(limit string) answer {
			if path, basket := strings.CutSuffix(path, "#"); basket {
				if limit != "" {
					limit = `,"limit":` + limit
				}
				return s.post(t, path, `{"items":["PID"]`+limit+`}`)
			}
			if limit == "" {
				return s.get(t, path)
			}
			separator := "?"
			if strings.Contains(path, "?") {
				separator = "&"
			}
			return s.get(t, path+separator+"limit="+limit)
		}
		if got := decodeBody[recommend.Answer](t, ask("")).Metadata.Limit; got != want {
			t.Errorf("%s: default limit %d, want %d", path, got, want)
		}
		for _, limit := range []string{"1", "100"} {
			if a := ask(limit); a.status != http.StatusOK {
				t.Errorf("%s, limit %s: status %d", path, limit, a.status)
			}
		}
		for _, limit := range []string{"0", "-1", "101", "1.5", "99999999999999999999"} {
			if detail := problemDetail(t, ask(limit), http.StatusUnprocessableEntity); !strings.Contains(detail, "limit") {
				t.Errorf("%s, limit %s: detail does not name it: %s", path, limit, detail)
			}
		}
	}
	for _, measure := range recommend.Measures() {
		if a := s.get(t, "/api/v1/similar-items/PID?measure="+string(measure)); decodeBody[recommend.Answer](t, a).Metadata.Measure != measure {
			t.Errorf("measure %s: %s", measure, a.body)
		}
	}
}

// HEAD is GET without the body. OPTIONS lists the methods.
func TestOtherMethods(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, path := range []string{"/", "/health", "/health/", "/livez", "/readyz", "/api/v1/popular-items", "/api/v1/similar-items/a/b", "/openapi.json", "/docs"} {
		get, head := s.get(t, path), s.do(t, http.MethodHead, path, "", nil)
		if head.status != get.status || len(head.body) > 0 || head.header.Get("Content-Type") != get.header.Get("Content-Type") {
			t.Errorf("HEAD %s: %d %q with %d bytes, GET %d %q", path, head.status, head.header.Get("Content-Type"), len(head.body),
				get.status, get.header.Get("Content-Type"))
		}
	}
	tests := []struct {
		method, path string
		status       int
		allow        string
	}{
		{http.MethodOptions, "/health", http.StatusNoContent, "GET, HEAD, OPTIONS"},
		{http.MethodOptions, "/api/v1/basket-recommendations", http.StatusNoContent, "POST, OPTIONS"},
		{http.MethodOptions, "/api/v1/similar-items/a/b", http.StatusNoContent, "GET, HEAD, OPTIONS"},
		{http.MethodOptions, "/nothing", http.StatusNotFound, ""},
		{http.MethodOptions, "/api/v1/rules", http.StatusNoContent, "GET, HEAD, POST, OPTIONS"},
		{http.MethodOptions, "/api/v1/rules/1", http.StatusNoContent, "DELETE, OPTIONS"},
		{http.MethodPut, "/api/v1/rules/1", http.StatusMethodNotAllowed, "DELETE, OPTIONS"},
		{http.MethodDelete, "/health", http.StatusMethodNotAllowed, "GET, HEAD, OPTIONS"},
		{http.MethodPost, "/api/v1/similar-items/a%2Fb", http.StatusMethodNotAllowed, "GET, HEAD, OPTIONS"},
		{http.MethodGet, "/api/v1/basket-recommendations", http.StatusMethodNotAllowed, "POST, OPTIONS"},
		{http.MethodHead, "/api/v1/basket-recommendations", http.StatusMethodNotAllowed, "POST, OPTIONS"},
		{"BREW", "/health", http.StatusMethodNotAllowed, "GET, HEAD, OPTIONS"},
		{"BREW", "/nothing", http.StatusNotFound, ""},
	}
	for _, test := range tests {
		a := s.do(t, test.method, test.path, "", nil)
		if a.status != test.status || a.header.Get("Allow") != test.allow {
			t.Errorf("%s %s: %d, Allow %q; want %d, %q", test.method, test.path, a.status, a.header.Get("Allow"), test.status, test.allow)
		}
		if a.status >= http.StatusBadRequest && test.method != http.MethodHead {
			problemDetail(t, a, test.status)
		}
	}
}
