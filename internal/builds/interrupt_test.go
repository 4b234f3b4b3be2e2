package builds_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/buildtest"
	"github.com/alsobought/alsobought/internal/oracle"
)

// barriers are locks that block a build in each of its phases, but no reader.
var barriers = map[string]string{
	"stats":              "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE",
	"attach":             "LOCK TABLE item_stats IN SHARE UPDATE EXCLUSIVE MODE",
	"attach of the last": "LOCK TABLE item_neighbours IN SHARE UPDATE EXCLUSIVE MODE",
}

// holdUp takes a lock that blocks builds and returns a function that releases it.
func holdUp(t *testing.T, pool *pgxpool.Pool, lock string) (release func()) {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	release = func() {
		if err := tx.Rollback(context.Background()); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
			t.Error(err)
		}
	}
	t.Cleanup(release)
	if _, err := tx.Exec(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	return release
}

// waiting waits until a backend waits for a lock of the kind (relation, advisory, virtualxid), and returns its
// PID.
func waiting(t *testing.T, pool *pgxpool.Pool, kind string) (pid int32) {
	t.Helper()
	waitFor(t, "somebody waits for a lock", func(ctx context.Context) (bool, error) {
		err := pool.QueryRow(ctx, `SELECT a.pid FROM pg_stat_activity AS a
			WHERE a.datname = current_database() AND a.wait_event_type = 'Lock' AND a.wait_event = $1 LIMIT 1`, kind).Scan(&pid)
		if errors.Is(err, pgx.ErrNoRows) {
			return false, nil
		}
		return err == nil, err
	})
	return pid
}

// begin starts a build and returns a channel for its error.
func begin(ctx context.Context, pool *pgxpool.Pool) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := builds.Run(ctx, pool, defaults())
		done <- err
	}()
	return done
}

// breakBuild makes a build fail midway.
func breakBuild(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	release := holdUp(t, pool, barriers["attach"])
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := begin(ctx, pool)
	waiting(t, pool, "relation")
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("the build ended with: %v", err)
	}
	release()
}

func TestInterruptedBuildLeavesNothing(t *testing.T) {
	t.Parallel()
	for phase, lock := range barriers {
		for _, how := range []string{"cancelled", "terminated"} {
			t.Run(how+" in "+phase, func(t *testing.T) {
				t.Parallel()
				pool, orders := small(t, 6)
				mustBuild(t, pool, defaults())
				before := tables(t, pool)

				release := holdUp(t, pool, lock)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done := begin(ctx, pool)
				pid := waiting(t, pool, "relation")
				wantStates(t, pool, map[int64]string{1: "active", 2: "running"})
				reason := "cancelled"
				if how == "cancelled" {
					cancel()
				} else {
					reason = "terminating connection"
					if _, err := pool.Exec(t.Context(), "SELECT pg_terminate_backend($1)", pid); err != nil {
						t.Fatal(err)
					}
				}
				if err := <-done; err == nil || (how == "cancelled") != errors.Is(err, context.Canceled) {
					t.Errorf("the build ended with: %v", err)
				}
				release()

				wantStates(t, pool, map[int64]string{1: "active", 2: "failed"})
				failed, err := db.New(pool).BuildGet(t.Context(), 2)
				if err != nil || failed.Error == nil || !strings.Contains(*failed.Error, reason) ||
					failed.BuiltAt != nil || failed.Orders != 0 {
					t.Errorf("audit of the failure: %+v, %v", failed, err)
				}
				if got := tables(t, pool); got != before {
					t.Errorf("tables were %s, are %s", before, got)
				}
				wantHealthy(t, pool)
				next := mustBuild(t, pool, defaults())
				buildtest.WantCounts(t, pool, next, oracle.Count(orders, oracle.Settings(builds.DefaultSettings())))
				wantStates(t, pool, map[int64]string{1: "ready", 2: "failed", 3: "active"})
				wantHealthy(t, pool)
			})
		}
	}
}

func tables(t *testing.T, pool *pgxpool.Pool) (names string) {
	t.Helper()
	query(t, pool, &names, `SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class
		WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'`)
	return names
}

// TestRecover recovers a build whose process was killed and leaves a running one alone.
func TestRecover(t *testing.T) {
	t.Parallel()
	pool, _ := small(t, 7)
	startBuild(t, pool)
	startBuild(t, pool)
	if n, err := builds.Recover(t.Context(), pool); n != 2 || err != nil {
		t.Errorf("recovered %d (%v), want 2", n, err)
	}
	wantStates(t, pool, map[int64]string{1: "failed", 2: "failed"})

	release := holdUp(t, pool, barriers["attach"])
	done := begin(t.Context(), pool)
	waiting(t, pool, "relation")
	if n, err := builds.Recover(t.Context(), pool); n != 0 || err != nil {
		t.Errorf("recovered %d (%v), want none", n, err)
	}
	release()
	if err := <-done; err != nil {
		t.Error(err)
	}
	startBuild(t, pool)
	mustBuild(t, pool, defaults()) // recovers interrupted builds
	wantStates(t, pool, map[int64]string{1: "failed", 2: "failed", 3: "ready", 4: "failed", 5: "active"})
	wantHealthy(t, pool)
}

// TestTwoAtOnce: one builds while the others wait; a build that gives up waiting leaves no trace.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	pool, orders := small(t, 8)
	release := holdUp(t, pool, barriers["attach of the last"])
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := begin(t.Context(), pool)
	waiting(t, pool, "relation")
	impatient := begin(ctx, pool)
	waiting(t, pool, "advisory")
	cancel()
	if err := <-impatient; !errors.Is(err, context.Canceled) {
		t.Errorf("the build that gave up ended with: %v", err)
	}
	waitFor(t, "nobody waits for the first build", func(ctx context.Context) (none bool, err error) {
		err = pool.QueryRow(ctx, `SELECT count(*) = 0 FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
			WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted`).Scan(&none)
		return none, err
	})
	second := begin(t.Context(), pool)
	waiting(t, pool, "advisory")
	wantStates(t, pool, map[int64]string{1: "running"})
	release()
	for _, done := range []<-chan error{first, second} {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	wantStates(t, pool, map[int64]string{1: "ready", 2: "active"})
	want := oracle.Count(orders, oracle.Settings(builds.DefaultSettings()))
	for id := int64(1); id <= 2; id++ {
		b, err := db.New(pool).BuildGet(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		buildtest.WantCounts(t, pool, b, want)
	}
	wantHealthy(t, pool)
}

// TestRecoverWhole recovers a complete first build whose process was killed before it was activated.
func TestRecoverWhole(t *testing.T) {
	t.Parallel()
	pool, _ := small(t, 8)
	opts := defaults()
	opts.Inactive = true
	mustBuild(t, pool, opts)
	if _, err := builds.Prune(t.Context(), pool, 0); err != nil { // waits for the lock and recovers interrupted builds
		t.Error(err)
	}
	wantStates(t, pool, map[int64]string{1: "active"})
	mustBuild(t, pool, defaults())
	if b, err := builds.Rollback(t.Context(), pool); err != nil || b.BuildID != 1 {
		t.Errorf("rollback to %d (%v), want 1: it has answered", b.BuildID, err)
	}
}
