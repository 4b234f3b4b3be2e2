package builds_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
)

// follow runs Follow on two servers until the test ends.
func follow(t *testing.T, pool *pgxpool.Pool, s builds.Schedule) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var servers sync.WaitGroup
	for range 2 {
		servers.Go(func() { builds.Follow(ctx, pool, s, defaults(), slog.New(slog.DiscardHandler)) })
	}
	t.Cleanup(func() { stop(); servers.Wait() })
}

func freshness(t *testing.T, pool *pgxpool.Pool) db.BuildFreshnessRow {
	t.Helper()
	f, err := db.New(pool).BuildFreshness(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestFollow: two servers make one build per change and none without a change, and keep the settings.
func TestFollow(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	follow(t, pool, builds.Schedule{After: 2})
	settled := func(id int64) {
		t.Helper()
		dbtest.Eventually(t, "the build answers", func(ctx context.Context) bool {
			f, err := db.New(pool).BuildFreshness(ctx)
			return err == nil && f.BuildID >= id
		})
		if f := freshness(t, pool); f.BuildID != id || f.Pending != 0 || !f.Newest {
			t.Errorf("%+v, want build %d and nothing pending", f, id)
		}
	}
	loadText(t, pool, "order_id,item_name\n1,a\n1,b\n") // the first build is always due
	settled(1)
	// The settings are kept. They are set by hand so that they are not the defaults.
	opts := defaults()
	opts.Settings.NeighboursKept = 7
	mustBuild(t, pool, opts)
	loadText(t, pool, "order_id,item_name\n2,a\n2,c\n")
	if f := freshness(t, pool); f.Pending != 1 || f.BuildID != 2 {
		t.Errorf("one order is too few: %+v", f)
	}
	loadText(t, pool, "order_id,item_name\n3,a\n3,c\n")
	settled(3)
	if active, err := db.New(pool).BuildActive(t.Context()); err != nil || active.NeighboursKept != 7 {
		t.Errorf("settings %+v, error %v", active, err)
	}
	if _, err := pool.Exec(t.Context(),
		"DELETE FROM order_lines WHERE order_id < 3; DELETE FROM orders WHERE order_id < 3"); err != nil {
		t.Fatal(err)
	}
	settled(4)
}

// TestFollowByAge: a single changed order triggers a build once the active one is old enough, but not after a
// rollback.
func TestFollowByAge(t *testing.T) {
	t.Parallel()
	pool, _ := small(t, 5)
	mustBuild(t, pool, defaults())
	mustBuild(t, pool, defaults())
	if _, err := builds.Rollback(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	loadText(t, pool, "order_id,item_name\nnew,a\nnew,b\n")
	if f := freshness(t, pool); f.BuildID != 1 || f.Newest || f.Pending != 1 {
		t.Errorf("after a rollback: %+v", f)
	}
	// A build that was killed before it was activated is nobody's choice.
	if _, err := pool.Exec(t.Context(), `UPDATE builds SET built_at = built_at - interval '1 hour';
		UPDATE builds SET activated_at = NULL WHERE build_id = 2`); err != nil {
		t.Fatal(err)
	}
	if f := freshness(t, pool); !f.Newest {
		t.Errorf("beside a build that was never active: %+v", f)
	}
	if _, err := pool.Exec(t.Context(), "UPDATE builds SET activated_at = now() WHERE build_id = 2"); err != nil {
		t.Fatal(err)
	}
	due := builds.Schedule{After: 1, Every: time.Nanosecond}
	if due.Due(freshness(t, pool)) {
		t.Error("a rollback is overruled")
	}
	if _, err := builds.Activate(t.Context(), pool, 2); err != nil {
		t.Fatal(err)
	}
	follow(t, pool, builds.Schedule{Every: time.Nanosecond})
	dbtest.Eventually(t, "the order is in a build", func(ctx context.Context) bool {
		f, err := db.New(pool).BuildFreshness(ctx)
		return err == nil && f.BuildID == 3 && f.Pending == 0
	})
}

// TestDue covers what makes a build due.
func TestDue(t *testing.T) {
	t.Parallel()
	minute := builds.Schedule{After: 100, Every: time.Minute}
	for _, c := range []struct {
		what string
		db.BuildFreshnessRow
		want bool
	}{
		{"nothing changed", db.BuildFreshnessRow{BuildID: 1, Newest: true, Age: 1e9}, false},
		{"no build yet", db.BuildFreshnessRow{Newest: true, Pending: 1}, true},
		{"no order yet", db.BuildFreshnessRow{Newest: true}, false},
		{"enough orders", db.BuildFreshnessRow{BuildID: 1, Newest: true, Age: 5, Pending: 100}, true},
		{"too few orders", db.BuildFreshnessRow{BuildID: 1, Newest: true, Age: 59, Pending: 99}, false},
		{"old enough", db.BuildFreshnessRow{BuildID: 1, Newest: true, Age: 60, Pending: 1}, true},
		{"unknown and old", db.BuildFreshnessRow{BuildID: 1, Newest: true, Age: 60, Pending: -1}, true},
		{
			"just built, and it took long",
			db.BuildFreshnessRow{BuildID: 1, Newest: true, Age: 70, Seconds: 20, Pending: 1000},
			false,
		},
		{"another was chosen", db.BuildFreshnessRow{BuildID: 1, Age: 1e9, Pending: 1000}, false},
	} {
		if got := minute.Due(c.BuildFreshnessRow); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}

// TestFollowFails: a failed build is logged, and the active one stays.
func TestFollowFails(t *testing.T) {
	t.Parallel()
	pool, _ := small(t, 6)
	if _, err := pool.Exec(t.Context(),
		"ALTER TABLE builds ADD CONSTRAINT nothing_works CHECK (status <> 'ready')"); err != nil {
		t.Fatal(err)
	}
	logged := make(logLines, 100)
	ctx, stop := context.WithCancel(t.Context())
	var server sync.WaitGroup
	server.Go(func() {
		builds.Follow(ctx, pool, builds.Schedule{After: 1}, defaults(), slog.New(slog.NewTextHandler(logged, nil)))
	})
	dbtest.Eventually(t, "the failure is logged", func(context.Context) bool {
		select {
		case line := <-logged:
			return strings.Contains(line, "rebuild failed")
		default:
			return false
		}
	})
	stop()
	server.Wait()
	wantStates(t, pool, map[int64]string{1: "failed"})
}

// logLines receives what a log writes.
type logLines chan string

func (l logLines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}
