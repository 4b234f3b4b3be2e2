package httpapi

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/recommend"
)

// hostileNames are names that some layer of HTTP might misread.
var hostileNames = []string{
	"Cal Kit - Std - 34L Regulator 100PPM/Tedlar Bag", "/", "//", "a//b", "/a", "a/", "a//", ".", "..", "../up", "a/../b", "a/./b", "../../etc/passwd",
	"50% off", "%", "%2F", "%252F", "%zz", "C++", "a+b", "what?", "?", "a?limit=1", "#1", "a#b", "a&b=c", "a;b", "a,b", "a=b", "a:b", "@home", "*", "{item_name}",
	"{a", "a}", "[x]", "~tilde", "a\\b", `"quoted"`, "'single'", "<script>alert(1)</script>", "null", "NA", "007", "true", "🙂 smile", "ünïcode", "\u65e5\u672c\u8a9e", "\u00e9",
	"\u202eright to left", "tab\tinside", "new\nline", "a\rb", "\x01control", "\x7f", "nbsp\u00a0inside", strings.Repeat("long/", 399) + "name",
}

// Every name can be asked for: percent-encoded, encoded except slashes, fully encoded, raw as far as HTTP allows, and
// as ?item=.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	var lines [][]string
	for _, name := range hostileNames {
		// The name is an item and the id of its order, which also contains PID.
		lines = append(lines, []string{name, name}, []string{name, "PID"})
	}
	pool := dbtest.New(t)
	fill(t, pool, csvOf(t, lines...))
	s := serveAPI(t, Config{Pool: pool})

	forms := map[string]func(string) (string, bool){
		"escaped":             func(name string) (string, bool) { return url.PathEscape(name), true },
		"escaped but slashes": func(name string) (string, bool) { return strings.ReplaceAll(url.PathEscape(name), "%2F", "/"), true },
		"escaped all over":    func(name string) (string, bool) { return escapeAll(name), true },
		// In HTTP, a path ends at a space or "?", "%" begins an escape, and control characters are not allowed.
		"raw": func(name string) (string, bool) { return name, !strings.ContainsAny(name, " ?%\t\n\r\x01\x7f") },
	}
	for i, name := range hostileNames {
		t.Run(fmt.Sprintf("%d %.30q", i, name), func(t *testing.T) {
			t.Parallel()
			for form, write := range forms {
				written, possible := write(name)
				if !possible {
					continue
				}
				status, answer := raw(t, s, "/api/v1/similar-items/"+written+"?limit=1")
				if status != http.StatusOK || answer.Metadata.ItemName != name || answer.Recommendations[0].ItemName != "PID" {
					t.Errorf("%s: item: status %d, %+v", form, status, answer)
				}
				status, answer = raw(t, s, "/api/v1/recommendations/"+written+"?limit=1&strict=true")
				if status != http.StatusOK || answer.Metadata.OrderID != name {
					t.Errorf("%s: order: status %d, %+v", form, status, answer)
				}
			}
			status, answer := raw(t, s, "/api/v1/similar-items?limit=1&item="+url.QueryEscape(name))
			if status != http.StatusOK || answer.Metadata.ItemName != name || answer.Recommendations[0].ItemName != "PID" {
				t.Errorf("query: status %d, %+v", status, answer)
			}
			status, answer = raw(t, s, "/api/v1/similar-items/PID?measure=count&limit=100&strict=true&exclude="+url.QueryEscape(name)+"&exclude=x")
			if status != http.StatusOK || len(answer.Recommendations) != len(hostileNames)-1 {
				t.Errorf("exclude: status %d, %d recommendations", status, len(answer.Recommendations))
			}
			for _, r := range answer.Recommendations {
				if r.ItemName == name {
					t.Error("excluded, but recommended")
				}
			}
		})
	}
}

// Names that PostgreSQL cannot store are unknown, never an internal error.
func TestNamesThatCannotBe(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, name := range []string{"%00", "PID%00", "%ff", "%c3%28", "%ed%a0%80", "%f4%90%80%80", "\xff", strings.Repeat("x", 10_000), "P%20ID", "PID/"} {
		for _, path := range []string{
			"/api/v1/similar-items/" + name, "/api/v1/recommendations/" + name, "/api/v1/similar-items?item=" + name,
			"/api/v1/explain?item=" + name + "&other=PID", "/api/v1/explain?item=PID&other=" + name,
		} {
			if status, _ := raw(t, s, path); status != http.StatusNotFound {
				t.Errorf("%.60q: status %d", path, status)
			}
		}
		for _, path := range []string{"/api/v1/popular-items?exclude=" + name, "/api/v1/similar-items/PID?exclude=" + name} {
			if status, _ := raw(t, s, path); status != http.StatusOK {
				t.Errorf("%.60q: status %d", path, status)
			}
		}
	}
	// JSON can contain a NUL. Invalid UTF-8 is refused: see TestStrictBodies.
	if a := s.post(t, "/api/v1/basket-recommendations", `{"items":["\u0000"]}`); a.status != http.StatusOK {
		t.Errorf("status %d: %s", a.status, a.body)
	}
}

// Other paths are taken literally: similar paths do not reach a route.
func TestPathsAreNotCleaned(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, path := range []string{"//health", "/health//", "/./health", "/x/../health", "/api/v1//popular-items", "/api/v1/popular-items/", "/HEALTH", "/openapi.json/"} {
		if status, _ := raw(t, s, path); status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, status)
		}
	}
}

// raw requests the path as is. http.Client would clean it.
func raw(t *testing.T, s *server, path string) (int, recommend.Answer) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", path)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer recommend.Answer
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatalf("status %d: %v in %s", response.StatusCode, err, body)
	}
	return response.StatusCode, answer
}

func escapeAll(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		fmt.Fprintf(&b, "%%%02x", c)
	}
	return b.String()
}
