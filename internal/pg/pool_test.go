package pg_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/pg"
)

// Whatever is wrong with a URL, the error is one line, says where to look, and does not contain the password.
func TestOpenRefused(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3tpw"
	databaseURL := dbtest.NewEmptyURL(t)
	role := newRole(t, open(t, databaseURL, 1), "CONNECTION LIMIT 0")
	for name, c := range map[string]struct{ url, want string }{
		"port is no number":      {"postgres://u:" + secret + "@host:port/db", "invalid database URL: "},
		"bracket is open":        {"postgres://u:" + secret + "@[::1/db", "invalid database URL: "},
		"bad escape":             {"postgres://u:" + secret + "%zz@host/db", "invalid database URL: "},
		"password with a slash":  {"postgres://u:" + secret + "/x@host/db", "invalid database URL: "},
		"password with a blank":  {"postgres://u: " + secret + "@ho st/db", "invalid database URL: "},
		"password with a hash":   {"postgres://u:" + secret + "#x@127.0.0.1:1/db?sslmode=disable", "connect to PostgreSQL: "},
		"key and value":          {"host=h password=" + secret + " port=many", "invalid database URL: "},
		"quote is open":          {"host=h password='" + secret, "invalid database URL: "},
		"no key":                 {"host=h password=" + secret + " nonsense", "invalid database URL: "},
		"in the query":           {"postgres://host/db?password=" + secret + "&sslmode=perhaps", "invalid database URL: "},
		"bad pool size":          {"postgres://u:" + secret + "@host/db?pool_max_conns=none", "invalid database URL: "},
		"no URL at all":          {"mysql://u:" + secret + "@host/db", "invalid database URL: "},
		"nobody listens there":   {"postgres://u:" + secret + "@127.0.0.1:1/db?sslmode=disable", "connect to PostgreSQL: "},
		"the role may not enter": {dbtest.As(t, databaseURL, role, secret), "connect to PostgreSQL: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, err := pg.Open(t.Context(), c.url, 0)
			if err == nil {
				pool.Close()
				t.Fatal("it was opened")
			}
			if !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("error is %q, want %q and no password", err, c.want)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.NewEmptyURL(t)
	for name, c := range map[string]struct {
		url     string
		conns   int32
		want    int32
		program string
	}{
		"as the caller says": {dbtest.As(t, databaseURL, "", "", "pool_max_conns", "7"), 3, 3, "alsobought"},
		"as the URL says": {
			dbtest.As(t, databaseURL, "", "", "pool_max_conns", "7", "application_name", "theirs"), 0, 7, "theirs",
		},
		"one connection is enough": {databaseURL, 1, 1, "alsobought"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := open(t, c.url, c.conns)
			if pool.Config().MaxConns != c.want {
				t.Errorf("the pool has %d connections, want %d", pool.Config().MaxConns, c.want)
			}
			if diff := cmp.Diff([]string{c.program}, texts(t, pool, "SELECT current_setting('application_name')")); diff != "" {
				t.Errorf("application_name (-want +got):\n%s", diff)
			}
		})
	}
}

// Connect does not wait for a free connection of the pool.
func TestConnectBesideFullPool(t *testing.T) {
	t.Parallel()
	pool := open(t, dbtest.NewEmptyURL(t), 1)
	held, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	conn, err := pg.Connect(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(conn.Ping(t.Context()), conn.Close(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestLocks(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	a, b := connect(t, pool.Config().ConnString()), connect(t, pool.Config().ConnString())
	try := func(conn *pgx.Conn, class int32, id int64, want bool) {
		t.Helper()
		if got, err := pg.TryLock(t.Context(), conn, class, id); got != want || err != nil {
			t.Errorf("TryLock(%x, %d) is %t, error %v, want %t", class, id, got, err, want)
		}
	}
	if err := pg.Lock(t.Context(), a, pg.LoadLock, 7); err != nil {
		t.Fatal(err)
	}
	try(a, pg.LoadLock, 7, true) // locks are reentrant
	try(b, pg.LoadLock, 7, false)
	try(b, pg.LoadLock, 8, true)
	try(b, pg.MergeLock, 7, true)
	try(b, pg.BuildLock, 7, true)

	// Lock waits until ctx is done. That closes its connection.
	ctx, cancel := context.WithCancel(t.Context())
	c := connect(t, pool.Config().ConnString())
	waits := make(chan error)
	go func() { waits <- pg.Lock(ctx, c, pg.LoadLock, 7) }()
	isWaiting := func(ctx context.Context) bool {
		var n int
		err := pool.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity AS a WHERE a.datname = current_database() AND "+
			"cardinality(pg_blocking_pids(a.pid)) > 0").Scan(&n)
		return err == nil && n == 1
	}
	dbtest.Eventually(t, "c waits", isWaiting)
	cancel()
	if err := <-waits; !errors.Is(err, context.Canceled) || pg.IsUnavailable(err) {
		t.Errorf("error is %v, want a cancelled context", err)
	}

	// The end of a session releases its locks.
	go func() { waits <- pg.Lock(t.Context(), b, pg.LoadLock, 7) }()
	dbtest.Eventually(t, "b waits", isWaiting)
	if err := a.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-waits; err != nil {
		t.Error(err)
	}
	d := connect(t, pool.Config().ConnString())
	try(d, pg.LoadLock, 7, false)
}

// A lock of the transaction ends with it, and conflicts with one of a session.
func TestLockTx(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	a, b := connect(t, pool.Config().ConnString()), connect(t, pool.Config().ConnString())
	taken := func() bool {
		t.Helper()
		got, err := pg.TryLock(t.Context(), b, pg.MergeLock, 0)
		if err != nil {
			t.Error(err)
		}
		return !got
	}
	err := pgx.BeginTxFunc(t.Context(), a, pgx.TxOptions{}, func(tx pgx.Tx) error {
		err := pg.LockTx(t.Context(), tx, pg.MergeLock, 0)
		if !taken() {
			t.Error("the lock is free during the transaction")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if taken() {
		t.Error("the lock is taken after the transaction")
	}
}

// Whatever the result, Reserve's session, and with it its locks, ends with the work. The pool stays usable.
func TestReserve(t *testing.T) {
	t.Parallel()
	pool := open(t, dbtest.NewEmptyURL(t), 1)
	wrong := errors.New("wrong")
	for _, want := range []error{nil, wrong} {
		var pid uint32
		var reserved *pgx.Conn
		err := pg.Reserve(t.Context(), pool, func(conn *pgx.Conn) error {
			pid, reserved = conn.PgConn().PID(), conn
			if err := pg.Lock(t.Context(), conn, pg.BuildLock, 0); err != nil {
				t.Error(err)
			}
			// The reserved connection is no longer the pool's, so its only slot is free.
			var other uint32
			if err := pool.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&other); err != nil || other == pid {
				t.Errorf("the pool gave process %d beside %d, error %v", other, pid, err)
			}
			return want
		})
		if !errors.Is(err, want) {
			t.Errorf("error is %v, want %v", err, want)
		}
		if !reserved.IsClosed() {
			t.Error("the connection is still open")
		}
		dbtest.Eventually(t, "the session has ended", func(ctx context.Context) bool {
			var n int
			err := pool.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity AS a WHERE a.pid = $1", pid).Scan(&n)
			return err == nil && n == 0
		})
		if locks := texts(t, pool, "SELECT l::text FROM pg_locks AS l WHERE l.locktype = 'advisory' AND l.database = "+
			"(SELECT oid FROM pg_database WHERE datname = current_database())"); len(locks) > 0 {
			t.Errorf("locks are left: %q", locks)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := pg.Reserve(ctx, pool, func(*pgx.Conn) error { t.Error("it ran"); return nil }); !errors.Is(err,
		context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

// A database in another encoding would store names as bytes that SQL reads as other characters.
func TestOpenEncoding(t *testing.T) {
	t.Parallel()
	admin, err := pgx.Connect(t.Context(), dbtest.NewEmptyURL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close(context.WithoutCancel(t.Context())) })
	name := admin.Config().Database + "_latin"
	exec := func(sql string) {
		if _, err := admin.Exec(context.WithoutCancel(t.Context()), sql); err != nil {
			t.Error(err)
		}
	}
	exec("CREATE DATABASE " + name + " TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
	t.Cleanup(func() { exec("DROP DATABASE " + name) })
	u, err := url.Parse(admin.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	if _, err := pg.Open(t.Context(), u.String(), 1); err == nil || !strings.Contains(err.Error(), "encoding is LATIN1") {
		t.Errorf("error is %v", err)
	}
}
