package builds_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/buildtest"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/oracle"
	"github.com/alsobought/alsobought/internal/recommend"
)

// holdOut creates the table that Trial expects, with the orders whose IDs end in an even digit.
func holdOut(tx pgx.Tx) error {
	_, err := tx.Exec(context.Background(), `CREATE TEMPORARY TABLE held_out ON COMMIT DROP AS
		SELECT o.order_id FROM orders AS o WHERE right(o.external_id, 1) IN ('0', '2', '4', '6', '8')`)
	return err
}

func evenOrder(id string) bool { return strings.ContainsAny(id[len(id)-1:], "02468") }

// remains lists everything that a trial could leave: rows of builds and days, tables, sequences, locks.
func remains(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	// A closed session lives on for a moment.
	for locks := 1; locks > 0; {
		err := pool.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database "+
			"WHERE l.locktype = 'advisory' AND d.datname = current_database()").Scan(&locks)
		if err != nil {
			t.Fatal(err)
		}
	}
	rows, err := pool.Query(t.Context(), `
		SELECT b::text FROM builds AS b
		UNION ALL SELECT d::text FROM order_days AS d
		UNION ALL SELECT concat_ws(' ', c.oid, c.oid::regclass, c.relkind) FROM pg_class AS c
		WHERE c.relnamespace = 'public'::regnamespace
		UNION ALL SELECT concat_ws(' ', 'inherits', i.inhrelid::regclass, i.inhparent::regclass) FROM pg_inherits AS i
		UNION ALL SELECT concat_ws(' ', s.sequencename, s.last_value) FROM pg_sequences AS s
		UNION ALL SELECT l::text FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
			JOIN pg_stat_activity AS a ON a.pid = l.pid
			WHERE d.datname = current_database() AND l.pid <> pg_backend_pid()
			AND a.backend_type = 'client backend' -- autovacuum locks, too
		ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// basket is the question to trials.
var basket = []string{seedItem, "item 2", "item 3"}

// dated returns a database of random orders with times and one build.
type dated struct {
	url    string
	pool   *pgxpool.Pool
	orders oracle.Orders
	times  oracle.Times
}

func newDated(t *testing.T, seed uint64) dated {
	t.Helper()
	d := dated{url: dbtest.NewURL(t), orders: oracle.Random(random(seed), oracle.Shapes()[1])}
	d.pool = open(t, d.url)
	d.times = oracle.RandomTimes(random(seed), d.orders)
	loadText(t, d.pool, d.orders.TimedCSV(random(seed), d.times))
	mustBuild(t, d.pool, defaults())
	return d
}

// TestTrial: a trial counts the orders that are not held out, with its own settings, answers within its
// transaction, and leaves nothing. Readers neither see it nor wait for it.
func TestTrial(t *testing.T) {
	t.Parallel()
	aged := builds.DefaultSettings()
	aged.WindowDays, aged.HalfLifeDays, aged.NeighboursKept = 30, 7, 3
	for name, settings := range map[string]builds.Settings{"defaults": builds.DefaultSettings(), "in a window": aged} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDated(t, 31)
			pool, orders, times := d.pool, d.orders, d.times
			before := remains(t, pool)
			all := oracle.CountTimed(orders, times, oracle.Settings(builds.DefaultSettings()))
			some := oracle.Orders{}
			for id, items := range orders {
				if !evenOrder(id) {
					some[id] = items
				}
			}
			if len(some) == 0 || len(some) == len(orders) {
				t.Fatalf("%d of %d orders are left", len(some), len(orders))
			}
			want := oracle.CountTimed(some, times, oracle.Settings(settings))
			opts := defaults()
			opts.Settings = settings
			judged := 0
			err := builds.Trial(t.Context(), pool, opts, holdOut, func(tx pgx.Tx, built db.Build) error {
				judged++
				buildtest.WantCounts(t, tx, built, want)
				rows, err := tx.Query(t.Context(), `SELECT r.item_name, r.source, r.score, r.popularity_rank, r.orders_together,
					r.confidence, r.lift
					FROM ranked_answer(
						find_trial(), basket_question('affinity', true, 10), seeds_named($1, $2), true, NULL
					) AS a
					CROSS JOIN LATERAL unnest(a.recommendations) AS r
					ORDER BY r.place`, built.BuildID, basket)
				if err != nil {
					return err
				}
				got, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r oracle.Row, err error) {
					return r, row.Scan(&r.Item, &r.Source, &r.Score, &r.PopularityRank, &r.OrdersTogether, &r.Confidence, &r.Lift)
				})
				if err != nil {
					return err
				}
				if err := want.Check(oracle.Question{Seeds: basket, Measure: "affinity", Limit: 10}, got); err != nil {
					t.Errorf("the trial answers: %v", err)
				}
				wantAnswers(t, impatient(t, d.url), 1, all)
				wantStates(t, pool, map[int64]string{1: "active"})
				return nil
			})
			if err != nil || judged != 1 {
				t.Errorf("judged %d times, %v", judged, err)
			}
			if diff := cmp.Diff(before, remains(t, pool)); diff != "" {
				t.Errorf("the trial left (-before +after):\n%s", diff)
			}
			wantHealthy(t, pool)
			if next := mustBuild(t, pool, defaults()); next.BuildID != 2 {
				t.Errorf("the next build is %d, want 2", next.BuildID)
			}
		})
	}
}

// TestTrialFails: every failure of a trial is reported and leaves nothing.
func TestTrialFails(t *testing.T) {
	t.Parallel()
	errOdd := errors.New("odd")
	fine := func(pgx.Tx, db.Build) error { return nil }
	for name, c := range map[string]struct {
		change  func(*builds.Options)
		prepare func(pgx.Tx) error
		judge   func(pgx.Tx, db.Build) error
		want    string
	}{
		"settings": {func(o *builds.Options) { o.Settings.MaxBasket = 1 }, holdOut, fine, "max_basket is 1"},
		"prepare":  {nil, func(pgx.Tx) error { return errOdd }, fine, "odd"},
		"no table": {nil, func(pgx.Tx) error { return nil }, fine, `relation "held_out" does not exist`},
		"judge":    {nil, holdOut, func(pgx.Tx, db.Build) error { return errOdd }, "odd"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := newDated(t, 32).pool
			before := remains(t, pool)
			opts := defaults()
			if c.change != nil {
				c.change(&opts)
			}
			if err := builds.Trial(t.Context(), pool, opts, c.prepare, c.judge); err == nil ||
				!strings.Contains(err.Error(), c.want) {
				t.Errorf("the trial ended with %v, want %q", err, c.want)
			}
			if diff := cmp.Diff(before, remains(t, pool)); diff != "" {
				t.Errorf("the trial left (-before +after):\n%s", diff)
			}
		})
	}
}

// TestInterruptedTrialLeavesNothing cancels and kills trials in every phase and during the judging.
func TestInterruptedTrialLeavesNothing(t *testing.T) {
	t.Parallel()
	for phase, lock := range barriers {
		for _, how := range []string{"cancelled", "terminated"} {
			t.Run(how+" in "+phase, func(t *testing.T) {
				t.Parallel()
				if phase == "stats" {
					lock = "LOCK TABLE items IN ACCESS EXCLUSIVE MODE" // holdOut reads orders
				}
				pool := newDated(t, 33).pool
				before := remains(t, pool)
				release := holdUp(t, pool, lock)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done := make(chan error, 1)
				go func() {
					done <- builds.Trial(ctx, pool, defaults(), holdOut, func(pgx.Tx, db.Build) error { return errors.New("judged") })
				}()
				pid := waiting(t, pool, "relation")
				if how == "cancelled" {
					cancel()
				} else if _, err := pool.Exec(t.Context(), "SELECT pg_terminate_backend($1)", pid); err != nil {
					t.Fatal(err)
				}
				if err := <-done; err == nil || (how == "cancelled") != errors.Is(err, context.Canceled) {
					t.Errorf("the trial ended with: %v", err)
				}
				release()
				wantNothingLeft(t, pool, before)
			})
		}
	}
	for _, how := range []string{"cancelled", "terminated"} {
		t.Run(how+" while judged", func(t *testing.T) {
			t.Parallel()
			pool := newDated(t, 34).pool
			before := remains(t, pool)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := builds.Trial(ctx, pool, defaults(), holdOut, func(tx pgx.Tx, _ db.Build) error {
				if how == "cancelled" {
					cancel()
				} else if _, err := tx.Exec(ctx, "SELECT pg_terminate_backend(pg_backend_pid())"); err == nil {
					return errors.New("the session lives on")
				}
				_, err := tx.Exec(ctx, "SELECT 1")
				return err
			})
			if err == nil || (how == "cancelled") != errors.Is(err, context.Canceled) {
				t.Errorf("the trial ended with: %v", err)
			}
			wantNothingLeft(t, pool, before)
		})
	}
}

// wantNothingLeft waits until the session of a killed trial has ended, and its locks with it.
func wantNothingLeft(t *testing.T, pool *pgxpool.Pool, before []string) {
	t.Helper()
	waitFor(t, "the trial is gone", func(ctx context.Context) (gone bool, err error) {
		err = pool.QueryRow(ctx, `SELECT count(*) = 0 FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
			WHERE d.datname = current_database() AND l.pid <> pg_backend_pid()`).Scan(&gone)
		return gone, err
	})
	if diff := cmp.Diff(before, remains(t, pool)); diff != "" {
		t.Errorf("the trial left (-before +after):\n%s", diff)
	}
	wantHealthy(t, pool)
	if next := mustBuild(t, pool, defaults()); next.BuildID != 2 {
		t.Errorf("the next build is %d, want 2", next.BuildID)
	}
}

// TestBuildsWaitForATrial: builds and trials run one at a time.
func TestBuildsWaitForATrial(t *testing.T) {
	t.Parallel()
	pool := newDated(t, 35).pool
	var done <-chan error
	err := builds.Trial(t.Context(), pool, defaults(), holdOut, func(pgx.Tx, db.Build) error {
		done = begin(t.Context(), pool)
		waiting(t, pool, "advisory")
		wantStates(t, pool, map[int64]string{1: "active"})
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	wantStates(t, pool, map[int64]string{1: "ready", 2: "active"})
}

// TestInactive: an inactive build answers by its ID while the active one keeps answering.
func TestInactive(t *testing.T) {
	t.Parallel()
	pool, orders := small(t, 36)
	first := mustBuild(t, pool, defaults())
	opts := defaults()
	opts.Inactive, opts.Keep = true, 0
	opts.Settings.NeighboursKept = 2
	second := mustBuild(t, pool, opts)
	if second.Active || second.Status != "ready" || second.BuiltAt == nil {
		t.Errorf("%+v", second)
	}
	buildtest.WantCounts(t, pool, second, oracle.Count(orders, oracle.Settings(opts.Settings)))
	wantStates(t, pool, map[int64]string{1: "active", 2: "ready"})
	for id, want := range map[int64]int64{0: first.BuildID, 2: second.BuildID} {
		answer, err := recommend.New(pool).Ask(t.Context(), recommend.Popular(recommend.Options{BuildID: id}))
		if err != nil || answer.Metadata.BuildID != want {
			t.Errorf("build %d: answered by %d, want %d (%v)", id, answer.Metadata.BuildID, want, err)
		}
	}
	wantHealthy(t, pool)
	if _, err := builds.Activate(t.Context(), pool, 2); err != nil {
		t.Error(err)
	}
	wantStates(t, pool, map[int64]string{1: "ready", 2: "active"})
}

// TestPrunedDays: the days of a build are deleted with it, even if its prune was killed midway.
func TestPrunedDays(t *testing.T) {
	t.Parallel()
	pool := newDated(t, 37).pool
	mustBuild(t, pool, defaults())
	days := func() (builds string) {
		query(t, pool, &builds, `SELECT coalesce(string_agg(DISTINCT d.build_id::text, ' '), '') FROM order_days AS d`)
		return builds
	}
	if got := days(); got != "1 2" {
		t.Fatalf("days of builds %s, want 1 2", got)
	}
	if _, err := pool.Exec(t.Context(), "UPDATE builds SET status = 'pruned' WHERE build_id = 1"); err != nil {
		t.Fatal(err)
	}
	if _, err := builds.Prune(t.Context(), pool, 0); err != nil {
		t.Fatal(err)
	}
	var tables int
	query(t, pool, &tables, "SELECT count(*) FROM pg_class WHERE relname LIKE 'item\\_%\\_1'")
	if got := days(); got != "2" || tables != 0 {
		t.Errorf("days of builds %s, want 2; %d tables of build 1", got, tables)
	}
	wantHealthy(t, pool)
}

// TestAges: builds with windows and half-lives of every length, over orders as old as possible.
func TestAges(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	orders, times := oracle.Orders{}, oracle.Times{}
	for n, years := range []int{0, 0, 1, 10, 50, 99, 100, 100} {
		for item := range 2 + n%3 {
			orders.Add(fmt.Sprint(n), fmt.Sprintf("item %d", (item+n/2)%6))
		}
		times[fmt.Sprint(n)] = oracle.Newest.AddDate(-years, 0, -n)
	}
	loadText(t, pool, orders.TimedCSV(random(38), times))
	for _, window := range []int32{0, 1, 2, 36500} {
		for _, halfLife := range []float64{0, 0.01, 1, 365, 36500} {
			opts := defaults()
			opts.Settings.WindowDays, opts.Settings.HalfLifeDays = window, halfLife
			built := mustBuild(t, pool, opts)
			buildtest.WantCounts(t, pool, built, oracle.CountTimed(orders, times, oracle.Settings(opts.Settings)))
		}
	}
	wantHealthy(t, pool)
}
