package dbtest

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/localpg"
	"github.com/alsobought/alsobought/internal/pg"
)

// Replicated is a primary with a hot standby that streams from it: two servers for one test.
type Replicated struct {
	Primary, Standby string // URLs of the same database

	primary, standby *localpg.Server
}

// NewReplicated starts both servers, with a migrated, empty database.
func NewReplicated(t testing.TB) *Replicated {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} { // lets the server's user in if the tests run as root
		if err := os.Chmod(d, 0o711); err != nil { //nolint:gosec // see above
			t.Fatal(err)
		}
	}
	r := &Replicated{}
	r.primary = r.start(t, filepath.Join(dir, "primary"), true)
	r.Primary = r.primary.URL()
	pool, err := pg.Open(t.Context(), r.Primary, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pg.MigrateUp(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	standby := filepath.Join(dir, "standby")
	if err := os.Mkdir(standby, 0o711); err != nil { //nolint:gosec // see above
		t.Fatal(err)
	}
	r.copyTo(t, filepath.Join(standby, "pg"))
	r.standby = r.start(t, standby, false)
	r.Standby = r.standby.URL()
	return r
}

func (r *Replicated) start(t testing.TB, dir string, throwaway bool) *localpg.Server {
	t.Helper()
	s, err := localpg.Start(t.Context(), localpg.Config{
		Dir:       dir,
		Throwaway: throwaway,
		BinDir:    os.Getenv("ALSOBOUGHT_PG_BIN"),
		// Commits are sent to the standby at once, although the primary never syncs. The primary keeps rows that queries on
		// the standby still need.
		Settings: []string{
			"wal_level=replica", "max_wal_senders=4", "synchronous_commit=on", "hot_standby_feedback=on",
			"wal_receiver_status_interval=1s",
		},
	})
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("dbtest: %v", err)
		}
	})
	return s
}

// copyTo creates the data directory of a standby, with the same owner as the primary's.
func (r *Replicated) copyTo(t testing.TB, data string) {
	t.Helper()
	programs := Value[string](t, r.Primary, "SELECT setting FROM pg_config WHERE name = 'BINDIR'")
	backup := exec.CommandContext(t.Context(), filepath.Join(programs, "pg_basebackup"),
		"--dbname", r.Primary, "--pgdata", data, "--write-recovery-conf", "--checkpoint=fast", "--no-sync")
	if output, err := backup.CombinedOutput(); err != nil {
		t.Fatalf("dbtest: pg_basebackup: %v\n%s", err, output)
	}
	info, err := os.Stat(r.primary.Dir())
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t) //nolint:forcetypeassert // it is one on every Unix
	root, err := os.OpenRoot(data)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }() // opened for reading only
	err = fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return root.Lchown(path, int(owner.Uid), int(owner.Gid))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// CatchUp waits until the standby has replayed everything that the primary has committed.
func (r *Replicated) CatchUp(t testing.TB) {
	t.Helper()
	written := Value[string](t, r.Primary, "SELECT pg_current_wal_flush_lsn()::text")
	r.wait(t, "the standby catches up", "SELECT pg_last_wal_replay_lsn() >= '"+written+"'")
}

// StopPrimary stops the primary permanently.
func (r *Replicated) StopPrimary(t testing.TB) {
	t.Helper()
	if err := r.primary.Close(); err != nil {
		t.Fatal(err)
	}
}

// StopStandby stops the standby permanently.
func (r *Replicated) StopStandby(t testing.TB) {
	t.Helper()
	if err := r.standby.Close(); err != nil {
		t.Fatal(err)
	}
}

// Promote stops the primary and promotes the standby.
func (r *Replicated) Promote(t testing.TB) {
	t.Helper()
	r.StopPrimary(t)
	Value[bool](t, r.Standby, "SELECT pg_promote()")
	r.wait(t, "the standby is promoted", "SELECT NOT pg_is_in_recovery()")
}

func (r *Replicated) wait(t testing.TB, what, condition string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !Value[bool](t, r.Standby, condition); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("dbtest: %s: not within a minute", what)
		}
	}
}

// Value returns the single value of a statement, over a new connection.
func Value[T any](t testing.TB, url, statement string, args ...any) (value T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }() // the connection is no longer needed
	if err := conn.QueryRow(ctx, statement, args...).Scan(&value); err != nil {
		t.Fatalf("dbtest: %s: %v", statement, err)
	}
	return value
}
