package builds_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/buildtest"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/oracle"
	"github.com/alsobought/alsobought/internal/recommend"
)

func TestRunKeepsTwoForRollback(t *testing.T) {
	t.Parallel()
	pool, _ := small(t, 1)
	want := []map[int64]string{
		{1: "active"},
		{1: "ready", 2: "active"},
		{1: "ready", 2: "ready", 3: "active"},
		{1: "pruned", 2: "ready", 3: "ready", 4: "active"},
		{1: "pruned", 2: "pruned", 3: "ready", 4: "ready", 5: "active"},
	}
	for _, w := range want {
		mustBuild(t, pool, defaults())
		wantStates(t, pool, w)
	}
	var tables int
	query(t, pool, &tables,
		`SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname ~ '^item_(stats|pairs|neighbours|days)_\d+$'`)
	if tables != 3*4 {
		t.Errorf("%d tables of builds, want 4 each of 3 builds", tables)
	}
	wantHealthy(t, pool)
}

func TestPrune(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		activate int64 // of builds 1 to 4
		keep     int32
		pruned   int
		want     map[int64]string
	}{
		"none":                  {4, 0, 3, map[int64]string{1: "pruned", 2: "pruned", 3: "pruned", 4: "active"}},
		"one":                   {4, 1, 2, map[int64]string{1: "pruned", 2: "pruned", 3: "ready", 4: "active"}},
		"as many as there are":  {4, 3, 0, map[int64]string{1: "ready", 2: "ready", 3: "ready", 4: "active"}},
		"more than there are":   {4, 100, 0, map[int64]string{1: "ready", 2: "ready", 3: "ready", 4: "active"}},
		"the active is the old": {1, 1, 2, map[int64]string{1: "active", 2: "pruned", 3: "pruned", 4: "ready"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, orders := small(t, 2)
			opts := defaults()
			opts.Keep = 10
			for range 4 {
				mustBuild(t, pool, opts)
			}
			active, err := builds.Activate(t.Context(), pool, c.activate)
			if err != nil {
				t.Fatal(err)
			}
			pruned, err := builds.Prune(t.Context(), pool, c.keep)
			if err != nil || pruned != c.pruned {
				t.Errorf("pruned %d (%v), want %d", pruned, err, c.pruned)
			}
			wantStates(t, pool, c.want)
			buildtest.WantCounts(t, pool, active, oracle.Count(orders, oracle.Settings(opts.Settings)))
			wantHealthy(t, pool)
		})
	}
}

// TestNeverActive: builds that were never active do not take the place of those that were, do not pile up, and
// are no target of a rollback.
func TestNeverActive(t *testing.T) {
	t.Parallel()
	pool, _ := small(t, 2)
	refused := defaults()
	refused.Inactive = true
	for range 3 {
		mustBuild(t, pool, defaults())
	}
	for _, want := range []map[int64]string{
		{1: "ready", 2: "ready", 3: "active", 4: "ready"},
		{1: "ready", 2: "ready", 3: "active", 4: "pruned", 5: "ready"},
	} {
		mustBuild(t, pool, refused)
		if _, err := builds.Prune(t.Context(), pool, builds.DefaultKeep); err != nil {
			t.Fatal(err)
		}
		wantStates(t, pool, want)
	}
	mustBuild(t, pool, defaults())
	wantStates(t, pool, map[int64]string{1: "pruned", 2: "ready", 3: "ready", 4: "pruned", 5: "ready", 6: "active"})
	for _, want := range []int64{3, 2} {
		if b, err := builds.Rollback(t.Context(), pool); err != nil || b.BuildID != want {
			t.Errorf("rollback to %d (%v), want %d", b.BuildID, err, want)
		}
	}
	if _, err := builds.Rollback(t.Context(), pool); !errors.Is(err, builds.ErrNotFound) {
		t.Errorf("rollback past the oldest: %v", err)
	}
	// Once it has been active, it counts like the others.
	for _, id := range []int64{5, 6} {
		if _, err := builds.Activate(t.Context(), pool, id); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := builds.Rollback(t.Context(), pool); err != nil || b.BuildID != 5 {
		t.Errorf("rollback to %d (%v), want 5", b.BuildID, err)
	}
	mustBuild(t, pool, refused)
	if _, err := builds.Prune(t.Context(), pool, 0); err != nil {
		t.Fatal(err)
	}
	wantStates(t, pool, map[int64]string{
		1: "pruned", 2: "pruned", 3: "pruned", 4: "pruned", 5: "active", 6: "pruned", 7: "ready",
	})
	wantHealthy(t, pool)
}

func TestKeepBelowZero(t *testing.T) {
	t.Parallel()
	pool, _ := small(t, 1)
	opts := defaults()
	opts.Keep = -1
	if _, err := builds.Run(t.Context(), pool, opts); err == nil || !strings.Contains(err.Error(), "keep is -1") {
		t.Errorf("Run: %v", err)
	}
	if _, err := builds.Prune(t.Context(), pool, -1); err == nil || !strings.Contains(err.Error(), "keep is -1") {
		t.Errorf("Prune: %v", err)
	}
	wantStates(t, pool, map[int64]string{})
}

// TestActivate activates builds in every state.
func TestActivate(t *testing.T) {
	t.Parallel()
	pool, _ := small(t, 3)
	if _, err := builds.Rollback(t.Context(), pool); !errors.Is(err, builds.ErrNotFound) {
		t.Errorf("rollback without any build: %v", err)
	}
	opts := defaults()
	mustBuild(t, pool, opts)
	if _, err := builds.Rollback(t.Context(), pool); !errors.Is(err, builds.ErrNotFound) {
		t.Errorf("rollback without an older build: %v", err)
	}
	breakBuild(t, pool)
	for range 3 {
		mustBuild(t, pool, opts)
	}
	before := map[int64]string{1: "pruned", 2: "failed", 3: "ready", 4: "ready", 5: "active"}
	wantStates(t, pool, before)
	for name, id := range map[string]int64{
		"pruned": 1, "failed": 2, "unknown": 99, "zero": 0, "below zero": -1,
		"huge": math.MaxInt64,
	} {
		if _, err := builds.Activate(t.Context(), pool, id); !errors.Is(err, builds.ErrNotFound) {
			t.Errorf("activate a build that is %s: %v", name, err)
		}
		wantStates(t, pool, before)
	}
	for _, want := range []map[int64]string{
		{1: "pruned", 2: "failed", 3: "ready", 4: "active", 5: "ready"},
		{1: "pruned", 2: "failed", 3: "active", 4: "ready", 5: "ready"},
	} {
		b, err := builds.Rollback(t.Context(), pool)
		if err != nil || !b.Active || want[b.BuildID] != "active" {
			t.Errorf("rollback to %d, active %t: %v", b.BuildID, b.Active, err)
		}
		wantStates(t, pool, want)
	}
	if _, err := builds.Rollback(t.Context(), pool); !errors.Is(err, builds.ErrNotFound) {
		t.Errorf("rollback past the oldest: %v", err)
	}
	for _, id := range []int64{5, 5} {
		if b, err := builds.Activate(t.Context(), pool, id); err != nil || b.BuildID != id || !b.Active {
			t.Errorf("activate build %d: %+v, %v", id, b, err)
		}
	}
	wantStates(t, pool, before)
	wantHealthy(t, pool)
}

func TestSettingsAreStored(t *testing.T) {
	t.Parallel()
	pool, orders := small(t, 4)
	opts := defaults()
	opts.Settings = otherSettings()
	opts.BuiltBy, opts.Version = "somebody", "v1"
	first := mustBuild(t, pool, opts)
	if first.BuiltBy != "somebody" || first.Version != "v1" || first.Status != "ready" ||
		!first.Active || first.BuiltAt == nil {
		t.Errorf("%+v", first)
	}
	again := defaults()
	again.Settings = builds.SettingsOf(first)
	second := mustBuild(t, pool, again)
	if diff := cmp.Diff(opts.Settings, builds.SettingsOf(second)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want := oracle.Count(orders, oracle.Settings(opts.Settings))
	buildtest.WantCounts(t, pool, first, want)
	buildtest.WantCounts(t, pool, second, want)
}

func TestWrongSettingsChangeNothing(t *testing.T) {
	t.Parallel()
	pool, _ := small(t, 5)
	if _, err := builds.Run(t.Context(), pool, builds.Options{BuiltBy: "test", Version: "test"}); err == nil {
		t.Error("settings of zero were taken")
	}
	wantStates(t, pool, map[int64]string{})
}

// TestNoOrders: a build without orders succeeds, because the orders may have been reverted.
func TestNoOrders(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	built := mustBuild(t, pool, defaults())
	buildtest.WantCounts(t, pool, built, oracle.Count(nil, oracle.Settings(builds.DefaultSettings())))
	wantHealthy(t, pool)
	answer, err := recommend.New(pool).Ask(t.Context(), recommend.Popular(recommend.Options{}))
	if err != nil || len(answer.Recommendations) != 0 || answer.Metadata.BuildID != built.BuildID {
		t.Errorf("%+v, %v", answer, err)
	}
	if _, err := recommend.New(pool).Ask(t.Context(), recommend.Similar("x", recommend.Options{})); !errors.Is(err,
		recommend.ErrUnknownItem) {
		t.Errorf("similar: %v", err)
	}
	loadText(t, pool, "order_id,item_name\n1,x\n1,y\n")
	if built := mustBuild(t, pool, defaults()); built.Pairs != 1 {
		t.Errorf("the next build has %d pairs, want 1", built.Pairs)
	}
}
