package httpapi

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"

	"github.com/alsobought/alsobought/internal/recommend"
	"github.com/alsobought/alsobought/internal/rules"
)

// A rule changes the next answer to every question, which names it. Once it ends, answers are the same as before, byte
// for byte.
func TestRulesTakeEffectAtOnce(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	key := withKey(mustCreateKey(t, s.pool, "shop"))
	questions := map[string]func() answer{
		"popular": func() answer { return s.get(t, popularPath) },
		"similar": func() answer { return s.get(t, similarPath+"/PID") },
		"basket":  func() answer { return s.post(t, basketPath, `{"items":["PID","Horiba"]}`) },
		"order":   func() answer { return s.get(t, orderPath+"/O-3") },
	}
	before := map[string][]byte{}
	for name, ask := range questions {
		before[name] = ask().body
	}
	a := s.do(t, http.MethodPost, rulesPath, `{"kind":"hide","items":["Gloves"],"reason":"recalled"}`, key)
	if a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	id := decodeBody[rules.Added](t, a).RuleID
	for name, ask := range questions {
		a := ask()
		if bytes.Contains(a.body, []byte("Gloves")) {
			t.Errorf("%s: a hidden item is in %s", name, a.body)
		}
		if got := decodeBody[recommend.Answer](t, a).Metadata.Rules; len(got) != 1 || got[0] != id {
			t.Errorf("%s: rules %v, want %d", name, got, id)
		}
	}
	batch := decodeBody[recommend.Batch](t, s.post(t, batchPath, `{"items":["PID","Tripod"]}`))
	for _, a := range batch.Answers {
		if len(a.Metadata.Rules) != 1 {
			t.Errorf("batch: %+v", a.Metadata)
		}
	}
	if a := s.do(t, http.MethodDelete, fmt.Sprintf("%s/%d", rulesPath, id), "", key); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for name, ask := range questions {
		if a := ask(); !bytes.Equal(a.body, before[name]) {
			t.Errorf("%s is not what it was:\n%s%s", name, before[name], a.body)
		}
	}
}

// Past builds answer until they are pruned.
func TestOlderBuild(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	first := s.get(t, similarPath+"/PID").body
	fill(t, s.pool, csvOf(t, []string{"N-1", "PID"}, []string{"N-1", "Tripod"}))
	if again := s.get(t, similarPath+"/PID?build_id=1").body; !bytes.Equal(first, again) {
		t.Errorf("build 1 then and now:\n%s%s", first, again)
	}
	if now := s.get(t, similarPath+"/PID").body; bytes.Equal(first, now) {
		t.Error("a new build changes nothing")
	}
	for _, path := range []string{
		popularPath + "?build_id=99", similarPath + "/PID?build_id=99", orderPath + "/O-1?build_id=99", explainPath + "?item=PID&other=Gloves&build_id=99",
	} {
		if detail := problemDetail(t, s.get(t, path), http.StatusNotFound); detail != "unknown build: 99 is not kept; see alsobought builds list" {
			t.Errorf("%s: %q", path, detail)
		}
	}
	for _, path := range []string{basketPath, batchPath} {
		problemDetail(t, s.post(t, path, `{"items":["PID"],"build_id":99}`), http.StatusNotFound)
		problemDetail(t, s.post(t, path, `{"items":["PID"],"build_id":0}`), http.StatusUnprocessableEntity)
	}
}
