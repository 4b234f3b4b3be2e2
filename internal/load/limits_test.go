package load_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
)

// once are options that refuse to load the same bytes twice.
var once = load.Options{LoadedBy: "tester", Version: "test"}

// The same bytes are refused under any name. Nothing changes except that the audit records the attempt.
func TestSameBytes(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	data := []byte("order_id,item_name\n1,a\n1,b\n")
	first, err := load.Run(t.Context(), pool, []load.Source{content("orders.csv", data)}, once)
	if err != nil {
		t.Fatal(err)
	}
	before := state(t, pool)
	for name, sources := range map[string][]load.Source{
		"alone":           {content("copy.csv", data)},
		"beside new ones": {content("new.csv", []byte("order_id,item_name\n2,a\n")), content("copy.csv", data)},
		"twice in one go": {
			content("new.csv", []byte("order_id,item_name\n3,a\n")),
			content("new again.csv", []byte("order_id,item_name\n3,a\n")),
		},
		"and other orders": {content("copy.csv", data), content("other.csv", []byte("order_id,item_name\n4,a\n"))},
	} {
		_, err := load.Run(t.Context(), pool, sources, once)
		refused := new(load.LoadedError)
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v, want a LoadedError", name, err)
			continue
		}
		want := load.LoadedError{Name: "copy.csv", Earlier: "orders.csv", LoadID: first.LoadID, StartedAt: first.StartedAt}
		if name == "twice in one go" {
			want = load.LoadedError{Name: "new again.csv", Earlier: "new.csv"}
		}
		if diff := gocmp.Diff(want, *refused); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		assertSame(t, pool, before)
	}
	audited := audit(t, pool)
	if len(audited) != 5 || audited[0] != "loaded" ||
		!strings.Contains(strings.Join(audited, "\n"), "failed: copy.csv was already loaded, as load 1 of ") {
		t.Errorf("audit: %q", audited)
	}
	assertHealthy(t, pool)
}

func TestTooManyRejects(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	bad := func(rejects, rows int) load.Source {
		var b bytes.Buffer
		b.WriteString("order_id,item_name\n")
		for i := range rows {
			item := "a"
			if i < rejects {
				item = ""
			}
			fmt.Fprintf(&b, "%d,%s\n", i, item)
		}
		return content("orders.csv", b.Bytes())
	}
	for _, c := range []struct {
		name          string
		rejects, rows int
		most          int64   // -1 for no limit
		share         float64 // -1 for no limit
		ok            bool
	}{
		{"none allowed, one there", 1, 10, 0, -1, false},
		{"none allowed, none there", 0, 10, 0, -1, true},
		{"as many as allowed", 3, 10, 3, -1, true},
		{"one more", 4, 10, 3, -1, false},
		{"the share allowed", 29, 100, -1, 0.29, true},
		{"above the share", 30, 100, -1, 0.29, false},
		{"no share at all", 1, 1000, -1, 0, false},
		{"both, one broken", 3, 100, 2, 0.5, false},
		{"no limits", 90, 100, -1, -1, true},
	} {
		options := options
		if c.most >= 0 {
			options.MaxRejects = &c.most
		}
		if c.share >= 0 {
			options.MaxRejectShare = &c.share
		}
		before := state(t, pool)
		result, err := load.Run(t.Context(), pool, []load.Source{bad(c.rejects, c.rows)}, options)
		if c.ok {
			if err != nil || result.RowsRejected != int64(c.rejects) {
				t.Errorf("%s: %+v, %v", c.name, result.Load, err)
			}
			continue
		}
		if !errors.Is(err, load.ErrTooManyRejects) {
			t.Errorf("%s: %v, want %v", c.name, err, load.ErrTooManyRejects)
		}
		assertSame(t, pool, before)
	}
	assertHealthy(t, pool)
}

// A file that grows or is rewritten while it is being read fails the load: part of a file still being written is not
// what the user meant to load.
func TestChangedWhileRead(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	path := filepath.Join(t.TempDir(), "orders.csv")
	if err := os.WriteFile(path, manyRows(20_000), 0o600); err != nil {
		t.Fatal(err)
	}
	source := load.Source{Name: "orders.csv", Open: func() (io.ReadCloser, error) { return os.Open(path) }}
	growing := options
	growing.Progress = func(p load.Progress) {
		if p.Merging || p.Rows != 10_000 {
			return
		}
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		if _, err := io.WriteString(f, "o1,half of an it"); err != nil {
			t.Error(err)
		}
	}
	before := state(t, pool)
	_, err := load.Run(t.Context(), pool, []load.Source{source}, growing)
	if err == nil || !strings.Contains(err.Error(), "orders.csv changed while it was read") {
		t.Errorf("error is %v", err)
	}
	assertSame(t, pool, before)
	mustRun(t, pool, source)
	assertHealthy(t, pool)
}

func TestProgress(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	a, b := manyRows(20_000), []byte("order_id,item_name\nx,y\n")
	var reports []load.Progress
	watched := options
	watched.Progress = func(p load.Progress) { reports = append(reports, p) }
	if _, err := load.Run(t.Context(), pool, []load.Source{content("a", a), content("b", b)}, watched); err != nil {
		t.Fatal(err)
	}
	last := load.Progress{}
	for _, p := range reports {
		if p.Bytes < last.Bytes || p.Rows < last.Rows || p.Rejected < last.Rejected || last.Merging {
			t.Errorf("%+v came after %+v", p, last)
		}
		last = p
	}
	if want := (load.Progress{Bytes: int64(len(a) + len(b)), Rows: 20_001, Rejected: 20, Merging: true}); last != want ||
		len(reports) < 4 {
		t.Errorf("%d reports, the last is %+v, want %+v", len(reports), last, want)
	}
}
