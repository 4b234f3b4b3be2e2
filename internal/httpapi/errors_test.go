package httpapi

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/pg"
)

func TestProblems(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	fill(t, pool, csvOf(t, []string{"1", "PID"}, []string{"1", "Gloves"}))
	s := serveAPI(t, Config{Pool: pool, MaxBody: 2000})
	names := func(n int) string { return strings.Repeat(`"x",`, n-1) + `"x"` }
	const jsonType = "application/json"
	tests := []struct {
		name, path, body, contentType string
		status                        int
		locations                     []string // of all invalid fields
		detail                        string   // substring
	}{
		{name: "unknown item", path: "/api/v1/similar-items/nothing", status: 404, detail: `unknown item: "nothing"`},
		{name: "unknown item by query", path: "/api/v1/similar-items?item=nothing", status: 404, detail: `unknown item: "nothing"`},
		{name: "unknown order", path: "/api/v1/recommendations/nothing", status: 404, detail: `unknown order: "nothing"`},
		{name: "explain unknown item", path: "/api/v1/explain?item=nothing&other=PID", status: 404, detail: `unknown item: "nothing"`},
		{name: "explain unknown other", path: "/api/v1/explain?item=PID&other=nothing", status: 404, detail: `unknown item: "nothing"`},
		{name: "no such route", path: "/api/v1/nothing", status: 404, detail: `/api/v1/nothing`},
		{name: "no such file", path: "/docs/nothing.js", status: 404, detail: `/docs/nothing.js`},
		{name: "no such version", path: "/api/v2/popular-items", status: 404, detail: `see /docs`},

		{
			name: "every field at once", path: "/api/v1/similar-items/PID?limit=x&measure=best&min_support=-1&min_confidence=2&strict=maybe&nothing=1",
			status: 422, detail: "limit: invalid integer",
			locations: []string{"query.limit", "query.measure", "query.min_confidence", "query.min_support", "query.nothing", "query.strict"},
		},
		{name: "not a number", path: "/api/v1/similar-items/PID?min_confidence=NaN", status: 422, locations: []string{"query.min_confidence"}, detail: "choose 0 to 1"},
		{name: "infinite", path: "/api/v1/similar-items/PID?min_confidence=Inf", status: 422, locations: []string{"query.min_confidence"}},
		{name: "twice", path: "/api/v1/popular-items?limit=1&limit=2", status: 422, locations: []string{"query.limit"}, detail: "more than once"},
		{name: "empty", path: "/api/v1/popular-items?limit=", status: 422, locations: []string{"query.limit"}, detail: "no value"},
		{name: "bare", path: "/api/v1/recommendations/1?strict&limit=5", status: 422, locations: []string{"query.strict"}, detail: "no value"},
		{name: "one of many empty", path: "/api/v1/popular-items?exclude=&exclude=PID", status: 422, locations: []string{"query.exclude"}, detail: "no value"},
		{name: "too many excluded", path: "/api/v1/popular-items?" + strings.Repeat("exclude=x&", 101), status: 422, locations: []string{"query.exclude"}},
		{name: "broken escape", path: "/api/v1/popular-items?limit=%zz", status: 422, locations: []string{"query"}, detail: "invalid URL escape"},
		{name: "semicolon", path: "/api/v1/popular-items?exclude=a;b", status: 422, locations: []string{"query"}, detail: "semicolon"},
		{name: "unknown parameter", path: "/api/v1/popular-items?measure=count", status: 422, locations: []string{"query.measure"}, detail: "choose from build_id, category, days, exclude, limit"},
		{name: "unknown parameter of a post", path: "/api/v1/basket-recommendations?limit=1", body: `{"items":["PID"]}`, status: 422, locations: []string{"query.limit"}},
		{name: "other case", path: "/api/v1/popular-items?Limit=1", status: 422, locations: []string{"query.Limit"}},
		{name: "no item", path: "/api/v1/similar-items", status: 422, locations: []string{"query.item"}, detail: "missing"},
		{name: "no item in the path", path: "/api/v1/similar-items/", status: 404, detail: "see /docs"},
		{name: "no order in the path", path: "/api/v1/recommendations/", status: 404, detail: "see /docs"},
		{name: "explain nothing", path: "/api/v1/explain", status: 422, locations: []string{"query.item", "query.other"}},
		{name: "explain itself", path: "/api/v1/explain?item=PID&other=PID", status: 422, locations: []string{"query.other"}, detail: "name another one"},

		{
			name: "every field of a body at once", path: "/api/v1/basket-recommendations",
			body:   `{"items":["PID",1,null],"limit":0,"measure":7,"min_support":1.5,"min_confidence":-1,"exclude":"PID","strict":"yes","ITEMS":[],"nothing":0}`,
			status: 422, detail: "and 5 more",
			locations: []string{
				"body.ITEMS", "body.exclude", "body.items[1]", "body.items[2]", "body.limit", "body.measure", "body.min_confidence",
				"body.min_support", "body.nothing", "body.strict",
			},
		},
		{name: "no items", path: "/api/v1/basket-recommendations", body: `{}`, status: 422, locations: []string{"body"}, detail: "items"},
		{name: "empty basket", path: "/api/v1/basket-recommendations", body: `{"items":[]}`, status: 422, locations: []string{"body.items"}},
		{name: "null basket", path: "/api/v1/basket-recommendations", body: `{"items":null}`, status: 422, locations: []string{"body.items"}},
		{name: "full basket", path: "/api/v1/basket-recommendations", body: `{"items":[` + names(101) + `]}`, status: 422, locations: []string{"body.items"}},
		{name: "too many excluded in a body", path: "/api/v1/basket-recommendations", body: `{"items":["a"],"exclude":[` + names(101) + `]}`, status: 422, locations: []string{"body.exclude"}},
		{name: "not an object", path: "/api/v1/basket-recommendations", body: `["PID"]`, status: 422, locations: []string{"body"}, detail: "object"},
		{name: "a float for an integer", path: "/api/v1/basket-recommendations", body: `{"items":["a"],"limit":5.0}`, status: 422, locations: []string{"body.limit"}, detail: "limit: expected whole number in plain digits"},
		{name: "an exponent in an integer", path: "/api/v1/basket-recommendations", body: `{"items":["a"],"min_support":1e2}`, status: 422, locations: []string{"body.min_support"}, detail: "min_support: expected whole number in plain digits, at most 9223372036854775807"},
		{name: "beyond a float", path: "/api/v1/basket-recommendations", body: `{"items":["a",1e400],"min_confidence":1e400}`, status: 422, locations: []string{"body.items[1]", "body.min_confidence"}, detail: "min_confidence: expected number <= 1"},
		{name: "below a float", path: "/api/v1/similar-items:batch", body: `{"items":["a"],"min_confidence":-1e400}`, status: 422, locations: []string{"body.min_confidence"}, detail: "min_confidence: expected number >= 0"},
		{name: "an integer beyond a float", path: "/api/v1/similar-items:batch", body: `{"items":["a"],"min_support":1e400}`, status: 422, locations: []string{"body.min_support"}, detail: "min_support: expected whole number"},
		{name: "beyond an integer", path: "/api/v1/basket-recommendations", body: `{"items":["a"],"min_support":1e300}`, status: 422, locations: []string{"body.min_support"}, detail: "min_support"},
		{name: "no body", path: "/api/v1/basket-recommendations", contentType: jsonType, status: 400, detail: "body is required"},
		{name: "half a body", path: "/api/v1/basket-recommendations", body: `{"items":["PID"`, status: 400, locations: []string{"body"}, detail: "unexpected end"},
		{name: "no json", path: "/api/v1/basket-recommendations", body: `items=PID`, status: 400, locations: []string{"body"}, detail: "invalid character"},
		{name: "two bodies", path: "/api/v1/basket-recommendations", body: `{"items":["PID"]}{}`, status: 400, locations: []string{"body"}, detail: "after top-level value"},
		{name: "a field twice", path: "/api/v1/basket-recommendations", body: `{"items":["PID"],"items":["Gloves"]}`, status: 422, locations: []string{"body.items"}, detail: "items: given more than once"},
		{name: "a field twice, spelled differently", path: "/api/v1/basket-recommendations", body: `{"limit":1,"items":["PID"],"\u006cimit":2}`, status: 422, locations: []string{"body.limit"}, detail: "limit: given more than once"},
		{name: "no UTF-8", path: "/api/v1/basket-recommendations", body: "{\"items\":[\"PID\",\"\xff\"]}", status: 422, locations: []string{"body.items[1]"}, detail: "items[1]: is not valid UTF-8"},
		{name: "half a surrogate", path: "/api/v1/similar-items:batch", body: `{"items":["\ud800"]}`, status: 422, locations: []string{"body.items[0]"}, detail: "is not valid UTF-8"},
		{name: "a name that is no UTF-8", path: "/api/v1/basket-recommendations", body: "{\"items\":[],\"\xc3(\":1}", status: 422, locations: []string{"body"}, detail: "is not valid UTF-8"},
		{name: "no UTF-8 and no JSON", path: "/api/v1/basket-recommendations", body: "{\"items\":[\"\xff\"", status: 400, locations: []string{"body"}, detail: "unexpected end"},
		{name: "deep but whole", path: "/api/v1/basket-recommendations", body: `{"items":` + strings.Repeat("[", 12) + strings.Repeat("]", 12) + `}`, status: 400, detail: "nested more than 12 deep"},
		{name: "too deep", path: "/api/v1/basket-recommendations", body: strings.Repeat("[", 1999), status: 400, detail: "nested more than 12 deep"},
		{name: "a form", path: "/api/v1/basket-recommendations", body: `items=PID`, contentType: "application/x-www-form-urlencoded", status: 415, detail: "send application/json"},
		{name: "another character set", path: "/api/v1/basket-recommendations", body: `{}`, contentType: "application/json; charset=latin1", status: 415, detail: "send application/json"},
		{name: "a broken content type", path: "/api/v1/basket-recommendations", body: `{}`, contentType: "application/json; =", status: 415, detail: "send application/json"},
		{name: "too large", path: "/api/v1/basket-recommendations", body: `{"items":["` + strings.Repeat("x", 2000) + `"]}`, status: 413, detail: "larger than 2000 bytes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ask := func() answer {
				if test.body == "" && test.contentType == "" {
					return s.get(t, test.path)
				}
				contentType := test.contentType
				if contentType == "" {
					contentType = jsonType
				}
				return s.do(t, http.MethodPost, test.path, test.body, http.Header{"Content-Type": {contentType}})
			}
			a := ask()
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
				if text, ok := e.Value.(string); ok && text == test.body || strings.Contains(e.Message, "Options") {
					t.Errorf("%s: %v: %s", e.Location, e.Value, e.Message)
				}
				if e.Message == "" {
					t.Errorf("no message for %s", e.Location)
				}
			}
			if diff := cmp.Diff(test.locations, locations); diff != "" {
				t.Errorf("fields at fault (-want +got):\n%s", diff)
			}
			if again := ask(); string(again.body) != string(a.body) {
				t.Errorf("equal requests, different bytes:\n%s%s", a.body, again.body)
			}
		})
	}
}

// Valid bodies: of exactly the maximum size, with any spelling of the content type or none.
func TestBodies(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	fill(t, pool, csvOf(t, []string{"1", "PID"}, []string{"1", "Gloves"}))
	const basket = `{"items":["PID"]}`
	s := serveAPI(t, Config{Pool: pool, MaxBody: int64(len(basket))})
	for _, contentType := range []string{"application/json", "Application/JSON; charset=UTF-8", ""} {
		a := s.do(t, http.MethodPost, "/api/v1/basket-recommendations", basket, http.Header{"Content-Type": {contentType}})
		if a.status != http.StatusOK {
			t.Errorf("content type %q: %d %s", contentType, a.status, a.body)
		}
	}
	a := s.do(t, http.MethodPost, "/api/v1/basket-recommendations", basket,
		http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}})
	problemDetail(t, a, http.StatusUnsupportedMediaType)
}

// A truncated body is the client's fault. One that never arrives takes no longer than the request timeout.
func TestBodiesThatDoNotArrive(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	for _, test := range []struct {
		name    string
		timeout time.Duration
		ends    bool
		want    string
	}{
		{"ends early", patience, true, "400 Bad Request"},
		{"never ends", 50 * time.Millisecond, false, "408 Request Timeout"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := serveAPI(t, Config{Pool: pool, Timeout: test.timeout})
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"items\":", basketPath)
			if test.ends {
				if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
			}
			if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, test.want) {
				t.Errorf("%q, %v; want %s", line, err, test.want)
			}
		})
	}
}

func TestNoBuildAndNoSchema(t *testing.T) {
	t.Parallel()
	questions := []string{"/api/v1/popular-items", "/api/v1/similar-items/PID", "/api/v1/recommendations/1", "/api/v1/explain?item=a&other=b"}
	tests := []struct {
		name, url, detail string
	}{
		{"no build", dbtest.NewURL(t), "load orders first"},
		{"no schema", dbtest.NewEmptyURL(t), "alsobought migrate up"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pool, err := pg.Open(t.Context(), test.url, 4)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(pool.Close)
			s := serveAPI(t, Config{Pool: pool})
			answers := []answer{s.post(t, "/api/v1/basket-recommendations", `{"items":["PID"]}`)}
			for _, path := range questions {
				answers = append(answers, s.get(t, path))
			}
			for _, a := range answers {
				if detail := problemDetail(t, a, http.StatusServiceUnavailable); !strings.Contains(detail, test.detail) {
					t.Errorf("detail %q", detail)
				}
				if a.header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
			}
			if test.name == "no schema" {
				a := s.do(t, http.MethodGet, rulesPath, "", http.Header{"Authorization": {"Bearer ab_x"}})
				if detail := problemDetail(t, a, http.StatusServiceUnavailable); !strings.Contains(detail, test.detail) || a.header.Get("Retry-After") == "" {
					t.Errorf("%v %s", a.header, a.body)
				}
			}
			if a := s.get(t, "/health"); a.status != http.StatusOK {
				t.Errorf("/health: %d %s", a.status, a.body)
			}
			ready := s.get(t, "/readyz")
			body := decodeBody[readyBody](t, ready)
			if ready.status != http.StatusServiceUnavailable || body.Status != "not ready" || !body.DatabaseConnected ||
				!strings.Contains(body.Missing, test.detail) {
				t.Errorf("/readyz: %d %s", ready.status, ready.body)
			}
		})
	}
}

// An internal error shows only the request id. The cause is in the log.
func TestInternalError(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	_, err := s.pool.Exec(t.Context(), `CREATE OR REPLACE FUNCTION answer(q question, c answer_context) RETURNS answer LANGUAGE plpgsql AS
		$$ BEGIN RAISE 'function answer is broken'; END $$`)
	if err != nil {
		t.Fatal(err)
	}
	a := s.get(t, "/api/v1/popular-items")
	detail := problemDetail(t, a, http.StatusInternalServerError)
	id := a.header.Get(requestIDHeader)
	if !strings.Contains(detail, id) || strings.Contains(string(a.body), "function") {
		t.Errorf("body %s", a.body)
	}
	if l := s.log.of(t, id); l["level"] != "ERROR" || !strings.Contains(fmt.Sprint(l["error"]), "is broken") {
		t.Errorf("log %v", l)
	}
}

// A request that takes too long is a 503. A client that disconnects is not an error.
func TestTimeoutAndClientGone(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	fill(t, pool, csvOf(t, []string{"1", "PID"}, []string{"1", "Gloves"}))
	lock, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Rollback(context.Background())
	if _, err := lock.Exec(t.Context(), "LOCK TABLE builds IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}

	hasty := serveAPI(t, Config{Pool: pool, Timeout: 50 * time.Millisecond})
	a := hasty.get(t, "/api/v1/popular-items")
	if detail := problemDetail(t, a, http.StatusServiceUnavailable); !strings.Contains(detail, "too long") || a.header.Get("Retry-After") == "" {
		t.Errorf("%v %s", a.header, a.body)
	}

	patient := serveAPI(t, Config{Pool: pool, Timeout: patience})
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, patient.URL+"/api/v1/popular-items", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(requestIDHeader, "gone")
	left := make(chan error, 1)
	go func() {
		response, err := patient.Client().Do(r)
		if err == nil {
			_, err = io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
		left <- err
	}()
	dbtest.Eventually(t, "the question to wait for the lock", func(context.Context) bool {
		var waiting int // including the hasty client's, which others might have shared
		err := lock.QueryRow(t.Context(), `SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND relation = 'builds'::regclass`).Scan(&waiting)
		return err == nil && waiting == 2
	})
	leave()
	if err := <-left; err == nil {
		t.Error("the client did not leave")
	}
	if l := patient.log.of(t, "gone"); l["status"] != float64(statusClientGone) || l["level"] != "INFO" || l["error"] != nil {
		t.Errorf("log %v", l)
	}
}
