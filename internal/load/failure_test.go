package load_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/klauspost/compress/gzip"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/pg"
)

// loadedBefore returns a database that already has a load, so that a failure has something to damage.
func loadedBefore(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := dbtest.New(t)
	mustRun(t, pool, content("before.csv", []byte("order,item,quantity\no1,item 1,2\no2,kept,1\no2,,1\n")))
	return pool
}

// assertFailedOnly fails the test unless the last load left only its audit row and works when tried again.
func assertFailedOnly(t *testing.T, pool *pgxpool.Pool, before map[string]string, why string, again load.Source) {
	t.Helper()
	assertSame(t, pool, before)
	if got := audit(t, pool); len(got) != 2 || !strings.HasPrefix(got[1], "failed: ") || !strings.Contains(got[1], why) {
		t.Errorf("the audit says %q, want a failure because of %q", got, why)
	}
	left := texts(t, pool, `SELECT l.source FROM loads AS l WHERE l.status = 'failed'
		AND (l.finished_at IS NULL OR l.rows_read + l.rows_loaded + l.rows_duplicate + l.rows_rejected +
			l.orders_added + l.items_added <> 0)`)
	if len(left) > 0 {
		t.Errorf("failed loads count rows: %q", left)
	}
	assertHealthy(t, pool)
	mustRun(t, pool, again)
	assertHealthy(t, pool)
}

// Errors late in a source leave nothing of the load behind.
func TestSourceFails(t *testing.T) {
	t.Parallel()
	rows := manyRows(100_000)
	good := content("good.csv", rows)
	errCable := errors.New("somebody pulled the cable")
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = w.Write(rows) // a buffer cannot fail
	_ = w.Close()

	for name, c := range map[string]struct {
		sources []load.Source
		why     string
		line    int64 // of the FileError; -1 for any other error
	}{
		"the reader breaks": {
			[]load.Source{
				reading("orders.csv", io.MultiReader(bytes.NewReader(rows),
					readerFunc(func([]byte) (int, error) { return 0, errCable }))),
			},
			"read orders.csv: somebody pulled the cable", -1,
		},
		"a quote is never closed": {
			[]load.Source{content("orders.csv", append(bytes.Clone(rows), "o1,\"never closed\nx,y"...))},
			"orders.csv: line 100002: a quote opened here is never closed", 100_002,
		},
		"gzip data end early": {
			[]load.Source{content("orders.csv.gz", zipped.Bytes()[:zipped.Len()/2])},
			"orders.csv.gz ends in the middle of its gzip data: fetch it again", 0,
		},
		"the second source cannot be opened": {
			[]load.Source{good, {Name: "missing.csv", Open: func() (io.ReadCloser, error) { return os.Open("missing.csv") }}},
			"missing.csv: no such file", -1,
		},
		"the second source is no order file": {
			[]load.Source{good, content("report.pdf", []byte("%PDF-1.7 ..."))},
			"report.pdf is a PDF file: export the orders as CSV", 0,
		},
		"the second source ends in a row that is too long": {
			[]load.Source{good, content("long.csv", append(bytes.Clone(rows), bytes.Repeat([]byte("x"), datafile.MaxRow+1)...))},
			"long.csv: line 100002 is longer than 1 MiB", 100_002,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := loadedBefore(t)
			before := state(t, pool)
			_, err := load.Run(t.Context(), pool, c.sources, options)
			file := new(datafile.FileError)
			switch {
			case err == nil || !strings.Contains(err.Error(), c.why):
				t.Errorf("error is %v, want %q", err, c.why)
			case errors.As(err, &file) != (c.line >= 0) || c.line > 0 && file.Line != c.line:
				t.Errorf("error is %#v, want a FileError of line %d", err, c.line)
			}
			assertFailedOnly(t, pool, before, c.why, content("mended.csv", manyRows(1000)))
		})
	}
}

// phase is a point of a load at which it can be made to wait.
type phase struct {
	name string
	lock string // statement that makes it wait, run in its own transaction once the load is running
}

// phases are the points after COPY, in order. Each of these tables is written by a single statement.
func phases() []phase {
	return []phase{
		{"waiting to merge", fmt.Sprintf("SELECT pg_advisory_xact_lock(%d, 0)", pg.MergeLock)},
		{"items", "LOCK TABLE items IN SHARE MODE"},
		{"orders", "LOCK TABLE orders IN SHARE MODE"},
		{"lines", "LOCK TABLE order_lines IN SHARE MODE"},
		{"files", "LOCK TABLE load_files IN SHARE MODE"},
		{"audit", "SELECT l.load_id FROM loads AS l WHERE l.status = 'running' FOR UPDATE"},
	}
}

// hold executes a locking statement in its own transaction. The returned function ends that transaction.
func hold(ctx context.Context, t *testing.T, pool *pgxpool.Pool, statement string) (release func()) {
	t.Helper()
	tx, err := pool.Begin(ctx)
	if err != nil {
		t.Error(err)
		return func() {}
	}
	if _, err := tx.Exec(ctx, statement); err != nil {
		t.Error(err)
	}
	return func() {
		if err := tx.Rollback(context.WithoutCancel(ctx)); err != nil && !errors.Is(err, pgx.ErrTxClosed) &&
			!pg.IsUnavailable(err) {
			t.Error(err)
		}
	}
}

// waiting returns the process ids of this database's sessions that wait for a lock.
func waiting(ctx context.Context, t *testing.T, pool *pgxpool.Pool) (pids []int32) {
	t.Helper()
	rows, err := pool.Query(ctx, `SELECT a.pid FROM pg_stat_activity AS a
		WHERE a.datname = current_database() AND cardinality(pg_blocking_pids(a.pid)) > 0`)
	if err == nil {
		pids, err = pgx.CollectRows(rows, pgx.RowTo[int32])
	}
	if err != nil {
		t.Error(err)
	}
	return pids
}

// Whatever interrupts a load in the database, in any phase, nothing of the load stays.
func TestDatabaseFails(t *testing.T) {
	t.Parallel()
	type end struct {
		name string
		do   func(t *testing.T, pool *pgxpool.Pool, pid int32, cancel context.CancelFunc)
		why  string
		lost bool // whether the connection is lost
	}
	signal := func(function string) func(*testing.T, *pgxpool.Pool, int32, context.CancelFunc) {
		return func(t *testing.T, pool *pgxpool.Pool, pid int32, _ context.CancelFunc) {
			t.Helper()
			if _, err := pool.Exec(t.Context(), "SELECT "+function+"($1)", pid); err != nil {
				t.Error(err)
			}
		}
	}
	for _, e := range []end{
		{
			"backend terminated", signal("pg_terminate_backend"),
			"terminating connection due to administrator command (SQLSTATE 57P01)", true,
		},
		{
			"statement cancelled", signal("pg_cancel_backend"), "canceling statement due to user request (SQLSTATE 57014)",
			false,
		},
		{
			"context cancelled", func(_ *testing.T, _ *pgxpool.Pool, _ int32, cancel context.CancelFunc) { cancel() },
			"cancelled", false,
		},
	} {
		moments := append([]phase{{name: "copy"}}, phases()...)
		if !e.lost { // the transaction ends the same way in every phase, so the first, the last and the longest will do
			moments = slices.DeleteFunc(moments, func(p phase) bool {
				// A session that waits for rows runs no statement that could be cancelled.
				return !slices.Contains([]string{"copy", "waiting to merge", "lines", "audit"}, p.name) ||
					p.name == "copy" && e.why != "cancelled"
			})
		}
		for _, p := range moments {
			t.Run(e.name+" in "+p.name, func(t *testing.T) {
				t.Parallel()
				pool := loadedBefore(t)
				before := state(t, pool)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				rows := manyRows(10_000)

				held := make(chan func(), 1)
				midway := func() { // in the middle of the COPY
					if p.lock != "" {
						held <- hold(t.Context(), t, pool, p.lock)
						return
					}
					dbtest.Eventually(t, "the load copies", func(ctx context.Context) bool {
						var pid int32
						err := pool.QueryRow(ctx, `SELECT coalesce(min(a.pid), 0) FROM pg_stat_activity AS a
							WHERE a.datname = current_database() AND a.query ILIKE '%staged_lines%' AND a.state <> 'idle'
							AND a.pid <> pg_backend_pid()`).Scan(&pid)
						if err != nil || pid == 0 {
							return false
						}
						e.do(t, pool, pid, cancel)
						return true
					})
				}
				done := make(chan error)
				go func() {
					_, err := load.Run(ctx, pool, []load.Source{reading("orders.csv", hooked(bytes.NewReader(rows), 128<<10, midway))},
						options)
					done <- err
				}()
				if p.lock != "" {
					dbtest.Eventually(t, "the load waits for the lock", func(ctx context.Context) bool {
						pids := waiting(ctx, t, pool)
						if len(pids) == 0 {
							return false
						}
						e.do(t, pool, pids[0], cancel)
						return true
					})
					dbtest.Eventually(t, "the load waits no more",
						func(ctx context.Context) bool { return len(waitingToMerge(ctx, t, pool, p)) == 0 })
					(<-held)()
				}
				err := <-done
				if err == nil || errors.Is(err, context.Canceled) != (e.why == "cancelled") {
					t.Errorf("error is %v", err)
				}
				if pg.IsUnavailable(err) != e.lost {
					t.Errorf("error is %v: unavailable %t, want %t", err, !e.lost, e.lost)
				}
				why := e.why
				if e.lost && p.name == "copy" {
					// A client that is writing may see the broken connection before the server's message.
					why = "copy rows: "
				}
				assertFailedOnly(t, pool, before, why, content("orders.csv", rows))
			})
		}
	}
}

// waitingToMerge is waiting without the load's own attempt to record its failure while the audit row is locked.
func waitingToMerge(ctx context.Context, t *testing.T, pool *pgxpool.Pool, p phase) []int32 {
	t.Helper()
	if p.name == "audit" {
		return nil
	}
	return waiting(ctx, t, pool)
}

// Recover treats a load as interrupted if its lock is free. It does not change a load that finishes at that moment.
func TestRecoverMeetsTheEnd(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	_, err := pool.Exec(t.Context(), "INSERT INTO loads (source, loaded_by, version) VALUES ('a', 'b', "+
		"'c'), ('dead', 'b', 'c')")
	if err != nil {
		t.Fatal(err)
	}
	end, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := end.Exec(t.Context(),
		"UPDATE loads SET status = 'loaded', finished_at = now() WHERE source = 'a'"); err != nil {
		t.Fatal(err)
	}
	type answer struct {
		n   int64
		err error
	}
	answers := make(chan answer)
	go func() {
		n, err := load.Recover(t.Context(), pool)
		answers <- answer{n, err}
	}()
	dbtest.Eventually(t, "Recover waits for the row",
		func(ctx context.Context) bool { return len(waiting(ctx, t, pool)) > 0 })
	if err := end.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-answers; got.n != 1 || got.err != nil {
		t.Errorf("recovered %d loads, error %v, want 1", got.n, got.err)
	}
	want := []string{"loaded", "failed: interrupted: the loader or its database ended before the load did"}
	if diff := cmp.Diff(want, audit(t, pool)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Recover does not touch a running load.
func TestRecoverWhileRunning(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	var recovered int64
	rows := manyRows(20_000)
	during := func() {
		var err error
		if recovered, err = load.Recover(t.Context(), pool); err != nil {
			t.Error(err)
		}
	}
	mustRun(t, pool, reading("orders.csv", hooked(bytes.NewReader(rows), 256<<10, during)))
	if diff := cmp.Diff([]string{"loaded"}, audit(t, pool)); recovered != 0 || diff != "" {
		t.Errorf("recovered %d (-want +got):\n%s", recovered, diff)
	}
}
