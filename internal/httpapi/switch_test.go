package httpapi

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/alsobought/alsobought/internal/dbtest"
)

// While builds are switched, every answer comes from a single build: answers that name the same build are equal, byte
// for byte.
func TestBuildsSwitchBetweenAnswers(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	fill(t, pool, csvOf(t, []string{"0", "PID"}, []string{"0", "item 0"}))
	s := serveAPI(t, Config{Pool: pool, CacheBytes: 1 << 20})
	questions := map[string]func() answer{
		"popular": func() answer { return s.get(t, "/api/v1/popular-items?limit=100") },
		"similar": func() answer { return s.get(t, "/api/v1/similar-items/PID?limit=100") },
		"counted": func() answer { return s.get(t, "/api/v1/similar-items/PID?limit=100&measure=lift") },
		"basket": func() answer {
			return s.post(t, "/api/v1/basket-recommendations", `{"items":["PID","item 0"],"limit":100}`)
		},
		"explain": func() answer { return s.get(t, "/api/v1/explain?item=PID&other=item+0") },
	}
	type key struct {
		question string
		buildID  int64
	}
	var mu sync.Mutex
	seen := map[key][]byte{}
	var asking sync.WaitGroup
	stop := make(chan struct{})
	for name, ask := range questions {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				a := ask()
				if a.status != http.StatusOK {
					t.Errorf("%s: %d %s", name, a.status, a.body)
					return
				}
				k, body := key{name, buildOf(t, a)}, ofBuild(a)
				mu.Lock()
				if before, known := seen[k]; known && !bytes.Equal(before, body) {
					t.Errorf("%s, build %d, in two ways:\n%s%s", name, k.buildID, before, body)
				}
				seen[k] = body
				mu.Unlock()
			}
		})
	}
	// Each build changes all answers: it adds an order with a new item.
	const builds = 8
	for i := range builds {
		fill(t, pool, csvOf(t, []string{fmt.Sprint(i + 1), "PID"}, []string{fmt.Sprint(i + 1), "item 0"}, []string{fmt.Sprint(i + 1), fmt.Sprint("item ", i+1)}))
	}
	close(stop)
	asking.Wait()
	for name, ask := range questions {
		a := ask()
		if got := buildOf(t, a); got != builds+1 {
			t.Errorf("%s: build %d at the end, want %d", name, got, builds+1)
		}
		if before, known := seen[key{name, builds + 1}]; known && !bytes.Equal(before, ofBuild(a)) {
			t.Errorf("%s: the last build answers in two ways", name)
		}
	}
	t.Logf("%d different answers of %d builds", len(seen), builds+1)
}

// ofBuild removes what does not depend on the build: the newest orders of a pair are the current ones.
func ofBuild(a answer) []byte {
	before, rest, found := bytes.Cut(a.body, []byte(`"newest_orders":[`))
	if !found {
		return a.body
	}
	_, after, _ := bytes.Cut(rest, []byte("]"))
	return slices.Concat(before, after)
}

// buildOf returns the build id of an answer or an explanation.
func buildOf(t *testing.T, a answer) (id int64) {
	t.Helper()
	_, rest, _ := strings.Cut(string(a.body), `"build_id":`)
	if _, err := fmt.Sscanf(rest, "%d", &id); err != nil {
		t.Errorf("no build in %s", a.body)
	}
	return id
}
