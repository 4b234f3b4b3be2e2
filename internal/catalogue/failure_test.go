package catalogue_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/catalogue"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/pg"
)

// Catalogues and orders with the same new items, loaded concurrently, merge one after the other: none fails and nothing
// is missing.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	for round := range 6 {
		const each = 2
		all := newGate(2 * each)
		var running sync.WaitGroup
		for k := range each {
			var orders, items strings.Builder
			orders.WriteString("order,item\n")
			items.WriteString("item,category,price\n")
			for i := range 500 {
				name := fmt.Sprintf("item %d of round %d", i*7919%500, round)
				fmt.Fprintf(&orders, "%d-%d-%d,%s\n", round, k, i/3, name)
				fmt.Fprintf(&items, "%s,c%d,%d\n", name, i%7, k)
			}
			running.Go(func() {
				source := load.Source{
					Name: "orders.csv", Open: func() (io.ReadCloser, error) { return io.NopCloser(all.atEnd(orders.String())), nil },
				}
				if _, err := load.Run(t.Context(), pool, []load.Source{source},
					load.Options{LoadedBy: "tester", Version: "test"}); err != nil {
					t.Error(err)
				}
			})
			running.Go(func() {
				if _, err := catalogue.Load(t.Context(), pool, []catalogue.Source{reading("items.csv", all.atEnd(items.String()))},
					options); err != nil {
					t.Error(err)
				}
			})
		}
		running.Wait()
		counts := texts(t, pool, `SELECT concat_ws(' ', (SELECT count(*) FROM items), (SELECT count(*) FROM item_attributes),
			(SELECT count(DISTINCT a.price) FROM item_attributes AS a JOIN items AS i USING (item_id)
			WHERE i.name LIKE $1))`, fmt.Sprintf("%% of round %d", round))
		if want := fmt.Sprintf("%d %[1]d 1", 500*(round+1)); counts[0] != want {
			t.Errorf("round %d: items, attributes and prices are %s, want %s", round, counts[0], want)
		}
	}
	assertHealthy(t, pool)
}

// A load that waits for its merge blocks neither reads nor the COPY of others.
func TestMergesWait(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	release := hold(t, pool, fmt.Sprintf("SELECT pg_advisory_xact_lock(%d, 0)", pg.MergeLock))
	done := make(chan error)
	go func() {
		_, err := catalogue.Load(t.Context(), pool, []catalogue.Source{content("a.csv", "item,price\na,1\n")}, options)
		done <- err
	}()
	dbtest.Eventually(t, "the load waits to merge",
		func(ctx context.Context) bool { return len(waiting(ctx, t, pool)) > 0 })
	if left := state(t, pool); len(left) > 0 {
		t.Errorf("before its turn: %q", left)
	}
	release()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Whatever interrupts a load, at any time: nothing of it stays, and it works the next time.
func TestLoadFails(t *testing.T) {
	t.Parallel()
	ends := map[string]func(t *testing.T, pool *pgxpool.Pool, pid int32, cancel context.CancelFunc){
		"cancelled": func(_ *testing.T, _ *pgxpool.Pool, _ int32, cancel context.CancelFunc) { cancel() },
		"backend terminated": func(t *testing.T, pool *pgxpool.Pool, pid int32, _ context.CancelFunc) {
			t.Helper()
			if _, err := pool.Exec(t.Context(), "SELECT pg_terminate_backend($1)", pid); err != nil {
				t.Error(err)
			}
		},
	}
	for name, end := range ends {
		for phase, lock := range map[string]string{
			"copy":             "",
			"waiting to merge": fmt.Sprintf("SELECT pg_advisory_xact_lock(%d, 0)", pg.MergeLock),
			"items":            "LOCK TABLE items IN SHARE MODE",
			"attributes":       "LOCK TABLE item_attributes IN SHARE MODE",
		} {
			t.Run(name+" in "+phase, func(t *testing.T) {
				t.Parallel()
				pool := dbtest.New(t)
				mustLoad(t, pool, options, content("before.csv", "item,category\nkept,x\nitem 1,x\n"))
				before := state(t, pool)
				var b strings.Builder
				b.WriteString("item,category\n")
				for i := range 20_000 { // more than is read before the database is used
					fmt.Fprintf(&b, "item %d,y\n", i)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				stop := make(chan struct{})
				source := io.Reader(strings.NewReader(b.String()))
				release := func() {}
				if lock == "" { // the rest is never written
					source = io.MultiReader(source, readerFunc(func([]byte) (int, error) { <-stop; return 0, io.EOF }))
				} else {
					release = hold(t, pool, lock)
				}
				opts := options
				opts.Replace = true
				done := make(chan error)
				go func() {
					_, err := catalogue.Load(ctx, pool, []catalogue.Source{reading("items.csv", source)}, opts)
					done <- err
				}()
				dbtest.Eventually(t, "the load is in that phase", func(ctx context.Context) bool {
					pids := waiting(ctx, t, pool)
					if lock == "" {
						pids = copying(ctx, t, pool)
					}
					if len(pids) == 0 {
						return false
					}
					end(t, pool, pids[0], cancel)
					return true
				})
				close(stop)
				err := <-done
				release()
				if err == nil || errors.Is(err, context.Canceled) != (name == "cancelled") ||
					pg.IsUnavailable(err) == (name == "cancelled") {
					t.Errorf("error is %v", err)
				}
				if diff := cmp.Diff(before, state(t, pool)); diff != "" {
					t.Errorf("something changed (-before +after):\n%s", diff)
				}
				assertHealthy(t, pool)
				if again := mustLoad(t, pool, opts, content("items.csv", b.String())); again.ItemsAdded != 19_999 ||
					again.ItemsChanged != 1 || again.ItemsRemoved != 1 {
					t.Errorf("the next time: %+v", again)
				}
			})
		}
	}
}

// hold executes a locking statement in its own transaction. The returned function ends that transaction.
func hold(t *testing.T, pool *pgxpool.Pool, statement string) (release func()) {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}
}

// waiting returns the process ids of this database's sessions that wait for a lock.
func waiting(ctx context.Context, t *testing.T, pool *pgxpool.Pool) []int32 {
	t.Helper()
	return pids(ctx, t, pool, "cardinality(pg_blocking_pids(a.pid)) > 0")
}

// copying returns the process ids of the sessions that run COPY.
func copying(ctx context.Context, t *testing.T, pool *pgxpool.Pool) []int32 {
	t.Helper()
	return pids(ctx, t, pool, "a.query ILIKE 'copy%' AND a.state = 'active'")
}

func pids(ctx context.Context, t *testing.T, pool *pgxpool.Pool, condition string) (list []int32) {
	t.Helper()
	rows, err := pool.Query(ctx, "SELECT a.pid FROM pg_stat_activity AS a WHERE a.datname = current_database() AND "+
		condition)
	if err == nil {
		list, err = pgx.CollectRows(rows, pgx.RowTo[int32])
	}
	if err != nil {
		t.Error(err)
	}
	return list
}
