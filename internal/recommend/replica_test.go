package recommend_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
)

// TestReplica asks a hot standby while its primary writes.
func TestReplica(t *testing.T) {
	t.Parallel()
	servers := dbtest.NewReplicated(t)
	primary := &scene{pool: openPool(t, servers.Primary)}
	standby := openPool(t, servers.Standby)
	loadText(t, primary.pool, "order_id,item_name\n1,bread\n1,butter\n2,bread\n2,butter\n2,jam\n3,bread\n3,jam\n4,milk\n")
	primary.built = mustBuild(t, primary.pool, builds.DefaultSettings())
	servers.CatchUp(t)

	replicaNeverGoesBack(t, servers, primary, standby)
	replicaPrunedMeanwhile(t, servers, primary, standby)
	replicaConflict(t, servers, primary, standby)
}

func openPool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pg.Open(t.Context(), url, 8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// replicaNeverGoesBack checks that a server's later answers are never older, cached or not, and that an answer includes
// all that was replayed before the question.
func replicaNeverGoesBack(t *testing.T, servers *dbtest.Replicated, primary *scene, standby *pgxpool.Pool) {
	t.Helper()
	primary.exec(t, `INSERT INTO item_attributes (item_id, label, source, changed_by)
		SELECT i.item_id, '0', 'f', 'me' FROM items AS i WHERE i.name = 'butter'`)
	servers.CatchUp(t)
	cache := recommend.NewCache(standby, plenty)
	labelled := func(exclude ...string) int {
		_, answer := served(t, cache, recommend.Similar("bread", recommend.Options{Limit: 1, Exclude: exclude}))
		n, err := strconv.Atoi(answer.Recommendations[0].Label)
		if err != nil {
			t.Error(err)
		}
		return n
	}
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	var mu sync.Mutex
	newest := 0 // highest label of any answer so far
	for reader := range 4 {
		readers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				var exclude []string // cached while the version holds
				if i%2 == 0 {
					exclude = []string{fmt.Sprint(reader, i)} // never asked before
				}
				mu.Lock()
				least := newest
				mu.Unlock()
				got := labelled(exclude...)
				if got < least {
					t.Errorf("an answer has label %d, one before it had %d", got, least)
					return
				}
				mu.Lock()
				newest = max(newest, got)
				mu.Unlock()
			}
		})
	}
	for i := range 60 {
		primary.exec(t, "UPDATE item_attributes SET label = $1", strconv.Itoa(i+1))
		for replayed := ""; replayed != strconv.Itoa(i+1); {
			err := standby.QueryRow(t.Context(), "SELECT label FROM item_attributes").Scan(&replayed)
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := labelled(); got < i+1 {
			t.Errorf("change %d was replayed, the answer has %d", i+1, got)
		}
	}
	stop()
	readers.Wait()
}

// replicaPrunedMeanwhile checks that a question on a standby whose build is pruned by the primary is retried, and never
// answered from what is left of the build. The prune does not wait for standbys.
func replicaPrunedMeanwhile(t *testing.T, servers *dbtest.Replicated, primary *scene, standby *pgxpool.Pool) {
	t.Helper()
	// A question about an order reads its items first. Make it wait there.
	primary.exec(t, `CREATE OR REPLACE FUNCTION order_items(id text) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
		BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN '{bread}'; END $$`)
	servers.CatchUp(t)
	hold, err := standby.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Release()
	if _, err := hold.Exec(t.Context(), "SELECT pg_advisory_lock(4711)"); err != nil {
		t.Fatal(err)
	}
	type result struct {
		answer recommend.Answer
		err    error
	}
	old := primary.built.BuildID
	ask := func(build int64) <-chan result {
		done := make(chan result, 1)
		go func() {
			answer, err := recommend.New(standby).Ask(t.Context(), recommend.Order("2", recommend.Options{BuildID: build}))
			done <- result{answer, err}
		}()
		return done
	}
	active, named := ask(0), ask(old)
	const waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
	for deadline := time.Now().Add(time.Minute); dbtest.Value[int](t, servers.Standby, waiting) < 2; {
		if time.Now().After(deadline) {
			t.Fatal("the questions do not wait")
		}
	}
	fresh := mustBuild(t, primary.pool, builds.DefaultSettings())
	if pruned, err := builds.Prune(t.Context(), primary.pool, 0); err != nil || pruned != 1 {
		t.Fatalf("%d builds pruned, %v", pruned, err)
	}
	servers.CatchUp(t)
	if _, err := hold.Exec(t.Context(), "SELECT pg_advisory_unlock(4711)"); err != nil {
		t.Fatal(err)
	}
	if got := <-active; got.err != nil || got.answer.Metadata.BuildID != fresh.BuildID ||
		fmt.Sprint(items(got.answer)) != "[butter jam milk]" {
		t.Errorf("of the active build: %v of build %d, %v", items(got.answer), got.answer.Metadata.BuildID, got.err)
	}
	if got := <-named; !errors.Is(got.err, recommend.ErrUnknownBuild) {
		t.Errorf("of build %d, which is pruned: %v, %v", old, items(got.answer), got.err)
	}
}

// replicaConflict checks that a query canceled by recovery is retried once.
func replicaConflict(t *testing.T, servers *dbtest.Replicated, primary *scene, standby *pgxpool.Pool) {
	t.Helper()
	for _, statement := range []string{"ALTER SYSTEM SET max_standby_streaming_delay = 0", "SELECT pg_reload_conf()"} {
		if _, err := standby.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	primary.exec(t, "CREATE TABLE conflicts (n int)")
	primary.exec(t, "INSERT INTO conflicts VALUES (1)")
	servers.CatchUp(t)
	tries := 0
	var truncating sync.WaitGroup
	rows, err := pg.Retried(t.Context(), nil, func() (rows int, err error) {
		if tries++; tries == 1 {
			primary.exec(t, "INSERT INTO conflicts VALUES (2)")
			truncating.Go(func() {
				const reading = "SELECT count(*) FROM pg_locks WHERE relation = 'conflicts'::regclass"
				dbtest.Eventually(t, "the standby reads", func(context.Context) bool {
					return dbtest.Value[int](t, servers.Standby, reading) > 0
				})
				primary.exec(t, "TRUNCATE conflicts")
			})
			return rows, standby.QueryRow(t.Context(), "SELECT count(pg_sleep(60)) FROM conflicts").Scan(&rows)
		}
		return rows, standby.QueryRow(t.Context(), "SELECT count(*) FROM conflicts").Scan(&rows)
	})
	truncating.Wait()
	if err != nil || rows != 0 || tries != 2 {
		t.Errorf("%d rows after %d tries, %v", rows, tries, err)
	}
	tries = 0
	_, err = pg.Retried(t.Context(), nil, func() (int, error) {
		tries++
		_, err := standby.Exec(t.Context(), "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")
		return 0, err
	})
	if !pg.IsConflict(err) || tries != 2 {
		t.Errorf("%v after %d tries", err, tries)
	}
}
