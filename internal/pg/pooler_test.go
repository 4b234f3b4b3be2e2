package pg_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/pg"
)

// Poolers are detected with one session and with many, reused most or least recently used first, and under concurrent
// load.
func TestFindPooler(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.NewURL(t)
	for name, c := range map[string]struct {
		mode     string
		settings []string
		want     bool
	}{
		"transaction":              {"transaction", nil, true},
		"transaction, in turn":     {"transaction", []string{"server_round_robin = 1", "min_pool_size = 5"}, true},
		"transaction, one session": {"transaction", []string{"default_pool_size = 1"}, true},
		"session":                  {"session", nil, false},
		"session, in turn":         {"session", []string{"server_round_robin = 1", "min_pool_size = 5"}, false},
		"session, one session":     {"session", []string{"default_pool_size = 1"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pooled := dbtest.NewPgBouncer(t, databaseURL, c.mode, c.settings...)
			pool := open(t, pooled, 1)
			for range 3 {
				if got, err := pg.IsPooled(t.Context(), pool); err != nil || got != c.want {
					t.Errorf("pooled: %t, error %v", got, err)
				}
			}
			if c.want {
				crowd(t, pooled)
				for range 20 {
					if got, err := pg.IsPooled(t.Context(), pool); err != nil || !got {
						t.Errorf("pooled in a crowd: %t, error %v", got, err)
					}
				}
			}
		})
	}
	if got, err := pg.IsPooled(t.Context(), open(t, databaseURL, 1)); err != nil || got {
		t.Errorf("without a pooler: %t, error %v", got, err)
	}
	_, err := pg.Open(t.Context(), dbtest.NewPgBouncer(t, databaseURL, "statement"), 1)
	if err == nil || !strings.Contains(err.Error(), "set pool_mode = transaction or session") {
		t.Errorf("statement mode: %v", err)
	}
}

// With one session, which somebody else keeps busy, the search for a pooler waits its turn and holds nobody up.
func TestFindPoolerWithOneSession(t *testing.T) {
	t.Parallel()
	pooled := dbtest.NewPgBouncer(t, dbtest.NewURL(t), "transaction", "default_pool_size = 1")
	pool, other := open(t, pooled, 1), open(t, pooled, 1)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		var err error
		for ctx.Err() == nil && err == nil {
			_, err = other.Exec(t.Context(), "SELECT pg_sleep(0.3)") // longer than the search waits for its place
		}
		ended <- err
	}()
	for range 3 {
		if got, err := pg.IsPooled(t.Context(), pool); err != nil || !got {
			t.Errorf("pooled: %t, error %v", got, err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("somebody else: %v", err)
	}
}

// crowd queries through the pooler, with several clients, until the test ends.
func crowd(t *testing.T, url string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	t.Cleanup(func() { stop(); others.Wait() })
	for range 3 {
		pool := open(t, url, 2)
		others.Go(func() {
			for ctx.Err() == nil {
				if _, err := pool.Exec(ctx, "SELECT count(*) FROM items"); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
}

// Work that needs its own session is refused in transaction mode before it takes a lock. In session mode it works and
// leaves no lock behind.
func TestReserveThroughPooler(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.NewURL(t)
	lock := func(pool *pg.Pool) error {
		return pg.Reserve(t.Context(), pool,
			func(conn *pgx.Conn) error { return pg.Lock(t.Context(), conn, pg.BuildLock, 0) })
	}
	const held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database " +
		"WHERE datname = current_database())"
	for mode, want := range map[string]error{"transaction": pg.ErrPooled, "session": nil} {
		pool := open(t, dbtest.NewPgBouncer(t, databaseURL, mode), 4)
		for range 3 {
			if err := lock(pool); !errors.Is(err, want) {
				t.Errorf("%s mode: %v", mode, err)
			}
			if n := dbtest.Value[int](t, databaseURL, held); n != 0 {
				t.Errorf("%s mode: %d locks are left", mode, n)
			}
		}
		for name, migrate := range map[string]func(context.Context, *pg.Pool) error{
			"up":     func(ctx context.Context, pool *pg.Pool) error { _, err := pg.MigrateUp(ctx, pool); return err },
			"down":   func(ctx context.Context, pool *pg.Pool) error { _, err := pg.MigrateDown(ctx, pool, false); return err },
			"up 2":   func(ctx context.Context, pool *pg.Pool) error { _, err := pg.MigrateUp(ctx, pool); return err },
			"status": func(ctx context.Context, pool *pg.Pool) error { _, err := pg.MigrateStatus(ctx, pool); return err },
		} {
			if err := migrate(t.Context(), pool); !errors.Is(err, want) {
				t.Errorf("migrate %s, %s mode: %v", name, mode, err)
			}
		}
	}
}

// Behind PgBouncer, each statement of a service pool has its limits, and none leaks into the next transaction of the
// session.
func TestServingThroughPooler(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.NewURL(t)
	pool := open(t, dbtest.NewPgBouncer(t, databaseURL, "transaction", "default_pool_size = 2"), 8)
	serving, err := pg.Serving(t.Context(), pool, pg.Service{Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(serving.Close)
	const settings = `SELECT concat_ws(' ', current_setting('statement_timeout'), current_setting('lock_timeout'),
		current_setting('jit'),
		current_setting('plan_cache_mode'), $1::text)`
	usual := texts(t, pool, settings, "one")[0]
	var asking sync.WaitGroup
	for i := range 8 {
		asking.Go(func() {
			for j := range 30 {
				var got string
				word := fmt.Sprint(i, j)
				if err := serving.QueryRow(t.Context(), settings, word).Scan(&got); err != nil ||
					got != "300ms 1s off force_generic_plan "+word {
					t.Errorf("settings %q, error %v", got, err)
				}
			}
		})
	}
	asking.Wait()
	if got := texts(t, pool, settings, "one")[0]; got != usual {
		t.Errorf("%q is left behind, it was %q", got, usual)
	}
	if _, err := serving.Exec(t.Context(), "SELECT pg_sleep(3600)"); !pg.IsTimeout(err) {
		t.Errorf("a statement that takes too long: %v", err)
	}
	if err := serving.QueryRow(t.Context(), "SELECT pg_sleep(3600)").Scan(new(string)); !pg.IsTimeout(err) {
		t.Errorf("a row that takes too long: %v", err)
	}
	if err := serving.QueryRow(t.Context(), "SELECT 1 WHERE false").Scan(new(int)); !errors.Is(err, pgx.ErrNoRows) {
		t.Errorf("no row: %v", err)
	}
	for range 20 { // no connection leaks
		if _, err := serving.Exec(t.Context(), "SELEKT"); err == nil {
			t.Error("a wrong statement goes well")
		}
		if err := serving.QueryRow(t.Context(), "SELECT 1/0").Scan(new(int)); err == nil {
			t.Error("a division by zero goes well")
		}
	}
	if n := serving.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections are not given back", n)
	}
	commits(t, serving)
}

// commits checks that writes are committed when Exec or Scan returns, and that both return the error of the commit.
func commits(t *testing.T, serving *pg.ServicePool) {
	t.Helper()
	if _, err := serving.Exec(t.Context(), "INSERT INTO items (name) VALUES ('a')"); err != nil {
		t.Fatal(err)
	}
	var id int64
	if err := serving.QueryRow(t.Context(),
		"INSERT INTO items (name) VALUES ('b') RETURNING item_id").Scan(&id); err != nil || id == 0 {
		t.Errorf("id %d, error %v", id, err)
	}
	if got := texts(t, serving.Pool, "SELECT string_agg(name, ' ' ORDER BY name) FROM items")[0]; got != "a b" {
		t.Errorf("items %q", got)
	}
	mustExec(t, serving.Pool, "CREATE TABLE late (n integer UNIQUE DEFERRABLE INITIALLY DEFERRED)")
	mustExec(t, serving.Pool, "INSERT INTO late VALUES (1)")
	if _, err := serving.Exec(t.Context(), "INSERT INTO late VALUES (1)"); !pg.Violates(err, "late_n_key") {
		t.Errorf("an error of the commit: %v", err)
	}
	if err := serving.QueryRow(t.Context(), "INSERT INTO late VALUES (1) RETURNING n").Scan(new(int)); !pg.Violates(err,
		"late_n_key") {
		t.Errorf("an error of the commit: %v", err)
	}
}

// PgBouncer refuses unknown URL settings. The error says what to do instead.
func TestSettingsThroughPooler(t *testing.T) {
	t.Parallel()
	pooled := dbtest.NewPgBouncer(t, dbtest.NewURL(t), "transaction")
	_, err := pg.Open(t.Context(), pooled+"&search_path=shop", 1)
	if err == nil || !strings.Contains(err.Error(), "the pooler rejects search_path in the URL") ||
		!strings.Contains(err.Error(), `ALTER ROLE "`) {
		t.Errorf("%v", err)
	}
	if got := texts(t, open(t, pooled+"&application_name=till&timezone=UTC", 1),
		"SELECT current_setting('application_name')")[0]; got != "till" {
		t.Errorf("application_name is %q", got)
	}
}

// A pooler that is out of client connections is not unavailable.
func TestPoolerIsFull(t *testing.T) {
	t.Parallel()
	pooled := dbtest.NewPgBouncer(t, dbtest.NewURL(t), "transaction", "max_client_conn = 3")
	pool := open(t, pooled, 3)
	for range 3 {
		defer acquire(t, pool).Release()
	}
	_, err := pg.Connect(t.Context(), pool)
	if !pg.IsFull(err) {
		t.Errorf("%v", err)
	}
}

// acquire waits until the server has noticed that the connections of open were closed.
func acquire(t *testing.T, pool *pgxpool.Pool) (conn *pgxpool.Conn) {
	t.Helper()
	dbtest.Eventually(t, "a free connection", func(ctx context.Context) bool {
		var err error
		if conn, err = pool.Acquire(ctx); err != nil && !pg.IsFull(err) {
			t.Fatal(err)
		}
		return err == nil
	})
	return conn
}
