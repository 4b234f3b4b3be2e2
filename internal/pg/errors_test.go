package pg_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/pg"
)

// All errors are provoked from a real server, or the lack of one.
func TestErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		provoke                    func(t *testing.T) error
		unavailable, missing, full bool
		violates                   string
	}{
		"none":                     {provoke: func(*testing.T) error { return nil }},
		"nobody listens there":     {provoke: nobodyListens, unavailable: true},
		"no such host":             {provoke: connecting("postgres://u@host.invalid/db"), unavailable: true},
		"no such socket":           {provoke: connecting("postgres:///db?host=/nowhere/at/all"), unavailable: true},
		"silence":                  {provoke: silence, unavailable: true},
		"closed at once":           {provoke: closedAtOnce, unavailable: true},
		"no such database":         {provoke: noSuchDatabase, unavailable: true},
		"no place left":            {provoke: noPlaceLeft, unavailable: true, full: true},
		"backend terminated":       {provoke: signalled("pg_terminate_backend"), unavailable: true},
		"statement cancelled":      {provoke: signalled("pg_cancel_backend")},
		"statement timed out":      {provoke: sql("SET statement_timeout = 1; SELECT pg_sleep(60)")},
		"lock timed out":           {provoke: lockTimeout},
		"caller gave up":           {provoke: gaveUp},
		"no answer in time":        {provoke: noAnswer, unavailable: true},
		"used after it was lost":   {provoke: usedAfterLoss, unavailable: true},
		"missing table":            {provoke: sql("TABLE not_there"), missing: true},
		"missing schema":           {provoke: sql("TABLE nor_this.not_there"), missing: true},
		"missing column":           {provoke: sql("SELECT not_there FROM items")},
		"missing function":         {provoke: sql("SELECT not_there()"), missing: true},
		"syntax":                   {provoke: sql("SELEKT")},
		"unique violation":         {provoke: sql("INSERT INTO items (name) VALUES ('a'), ('a')"), violates: "items_name_key"},
		"check violation":          {provoke: sql("INSERT INTO items (name) VALUES ('')"), violates: "items_name_check"},
		"division by zero":         {provoke: sql("SELECT 1/0")},
		"no rows":                  {provoke: func(*testing.T) error { return pgx.ErrNoRows }},
		"an error of another kind": {provoke: func(*testing.T) error { _, err := os.Open("not there"); return err }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.provoke(t)
			if (err == nil) != (name == "none") {
				t.Fatalf("error is %v", err)
			}
			wrapped := err
			if err != nil {
				wrapped = fmt.Errorf("wrapped: %w", errors.Join(err, errors.New("beside")))
			}
			for _, e := range []error{err, wrapped} {
				if got := pg.IsUnavailable(e); got != c.unavailable {
					t.Errorf("IsUnavailable is %t for %#v: %v", got, e, e)
				}
				if got := pg.IsMissingSchema(e); got != c.missing {
					t.Errorf("IsMissingSchema is %t for %v", got, e)
				}
				if got := pg.IsFull(e); got != c.full {
					t.Errorf("IsFull is %t for %v", got, e)
				}
				for _, constraint := range []string{"items_name_key", "items_name_check", ""} {
					if got := pg.Violates(e, constraint); got != (constraint != "" && constraint == c.violates) {
						t.Errorf("Violates %q is %t for %v", constraint, got, e)
					}
				}
			}
		})
	}
}

func connecting(databaseURL string) func(*testing.T) error {
	return func(t *testing.T) error {
		t.Helper()
		pool, err := pg.Open(t.Context(), databaseURL, 1)
		if err == nil {
			pool.Close()
		}
		return err
	}
}

// listen calls handle for each connection to a local listener.
func listen(t *testing.T, handle func(net.Conn)) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			handle(conn)
		}
	}()
	return l
}

func nobodyListens(t *testing.T) error {
	t.Helper()
	l := listen(t, func(c net.Conn) { c.Close() })
	l.Close()
	return connecting("postgres://u@" + l.Addr().String() + "/db?sslmode=disable")(t)
}

func silence(t *testing.T) error {
	t.Helper()
	l := listen(t, func(c net.Conn) { t.Cleanup(func() { c.Close() }) })
	return connecting("postgres://u@" + l.Addr().String() + "/db?sslmode=disable&connect_timeout=1")(t)
}

func closedAtOnce(t *testing.T) error {
	t.Helper()
	l := listen(t, func(c net.Conn) { c.Close() })
	return connecting("postgres://u@" + l.Addr().String() + "/db?sslmode=disable")(t)
}

func noSuchDatabase(t *testing.T) error {
	t.Helper()
	databaseURL := dbtest.NewEmptyURL(t)
	before, params, _ := strings.Cut(databaseURL, "?")
	return connecting(before + "_not_there?" + params)(t)
}

// noPlaceLeft connects as a role that has used up its only connection.
func noPlaceLeft(t *testing.T) error {
	t.Helper()
	databaseURL := dbtest.NewEmptyURL(t)
	admin := open(t, databaseURL, 1)
	role := newRole(t, admin, "")
	pool := open(t, dbtest.As(t, databaseURL, role, role), 1)
	held, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	mustExec(t, admin, "ALTER ROLE "+role+" CONNECTION LIMIT 1") // not before: a session that was closed may still be there
	conn, err := pg.Connect(t.Context(), pool)
	if err == nil {
		conn.Close(t.Context())
	}
	return err
}

// newRole creates a role whose password is its name. The role, and everything it owns, is dropped after the test.
func newRole(t *testing.T, admin *pgxpool.Pool, rights string) string {
	t.Helper()
	role := "role_" + strings.ToLower(rand.Text())
	mustExec(t, admin, "CREATE ROLE "+role+" LOGIN PASSWORD '"+role+"' "+rights)
	t.Cleanup(func() {
		if _, err := admin.Exec(context.Background(), "DROP OWNED BY "+role+" CASCADE; DROP ROLE "+role); err != nil {
			t.Error(err)
		}
	})
	return role
}

func sql(statement string) func(*testing.T) error {
	return func(t *testing.T) error {
		t.Helper()
		_, err := dbtest.New(t).Exec(t.Context(), statement)
		return err
	}
}

// signalled returns the error of a sleeping session to which the SQL function is applied.
func signalled(function string) func(*testing.T) error {
	return func(t *testing.T) error {
		t.Helper()
		pool := dbtest.New(t)
		conn := connect(t, pool.Config().ConnString())
		waits := make(chan error)
		go func() {
			_, err := conn.Exec(t.Context(), "SELECT pg_sleep(600)")
			waits <- err
		}()
		dbtest.Eventually(t, "the session waits", func(ctx context.Context) bool {
			var done bool
			err := pool.QueryRow(ctx, `SELECT coalesce(bool_or(`+function+`(a.pid)), false) FROM pg_stat_activity AS a
				WHERE a.pid = $1 AND a.wait_event = 'PgSleep'`, conn.PgConn().PID()).Scan(&done)
			return err == nil && done
		})
		return <-waits
	}
}

func lockTimeout(t *testing.T) error {
	t.Helper()
	pool := dbtest.New(t)
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }() // it only held the lock
	if _, err := tx.Exec(t.Context(), "LOCK TABLE items"); err != nil {
		t.Fatal(err)
	}
	_, err = pool.Exec(t.Context(), "SET lock_timeout = 1; LOCK TABLE items")
	return err
}

func gaveUp(t *testing.T) error {
	t.Helper()
	pool := dbtest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := pool.Exec(ctx, "SELECT 1")
	return err
}

func noAnswer(t *testing.T) error {
	t.Helper()
	pool := dbtest.New(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := pool.Exec(ctx, "SELECT pg_sleep(600)")
	return err
}

func usedAfterLoss(t *testing.T) error {
	t.Helper()
	pool := dbtest.New(t)
	conn := connect(t, pool.Config().ConnString())
	mustExec(t, pool, "SELECT pg_terminate_backend($1, 60000)", conn.PgConn().PID())
	if _, err := conn.Exec(t.Context(), "SELECT 1"); !pg.IsUnavailable(err) {
		t.Errorf("first use: %v", err)
	}
	_, err := conn.Exec(t.Context(), "SELECT 1")
	return err
}

// A server that is stopped, or killed, in the middle of a statement.
func TestServerEnds(t *testing.T) {
	t.Parallel()
	server := ownServer(t)
	for _, end := range []struct {
		name   string
		signal syscall.Signal
	}{{"stopped", syscall.SIGINT}, {"killed", syscall.SIGKILL}} {
		pool := open(t, server.URL(), 1)
		conn := connect(t, server.URL())
		waits := make(chan error)
		go func() {
			_, err := conn.Exec(t.Context(), "SELECT pg_sleep($1)", 600)
			waits <- err
		}()
		var old uint32
		dbtest.Eventually(t, "the session waits", func(ctx context.Context) bool {
			var sleeps bool
			err := pool.QueryRow(ctx, "SELECT a.wait_event = 'PgSleep', pg_backend_pid() FROM pg_stat_activity AS a WHERE a.pid = $1", conn.PgConn().PID()).
				Scan(&sleeps, &old)
			return err == nil && sleeps
		})
		pid := conn.PgConn().PID() // a killed backend takes down the others without an error message
		if end.name == "stopped" {
			pid = postmaster(t, server.Dir())
		}
		if err := syscall.Kill(int(pid), end.signal); err != nil {
			t.Fatal(err)
		}
		if err := <-waits; !pg.IsUnavailable(err) || pg.IsMissingSchema(err) {
			t.Errorf("%s: error is %#v: %v", end.name, err, err)
		}
		// Until the server runs again, errors are those of an unavailable server. Then the pool recovers.
		dbtest.Eventually(t, "the pool works again, with a session that is new", func(ctx context.Context) bool {
			var session uint32
			err := pool.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&session)
			if err != nil && !pg.IsUnavailable(err) {
				t.Fatalf("%s: error is %#v: %v", end.name, err, err)
			}
			return err == nil && session != old
		})
	}
}

func postmaster(t *testing.T, dir string) uint32 {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(file), "\n")
	pid, err := strconv.ParseUint(first, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(pid)
}
