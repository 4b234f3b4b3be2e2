package load_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/localpg"
	"github.com/alsobought/alsobought/internal/pg"
)

// childURL is the environment variable that turns this test binary into a process that loads its standard input into
// the database at that URL.
const childURL = "LOAD_CHILD_URL"

func childMain(url string) int {
	pool, err := pg.Open(context.Background(), url, 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer pool.Close()
	if _, err := load.Run(context.Background(), pool, []load.Source{reading("stdin", os.Stdin)}, options); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// child is a process that loads what is written to its standard input.
type child struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	output bytes.Buffer
}

func startChild(t *testing.T, url string) *child {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.Command(program)}
	c.cmd.Env = append(os.Environ(), childURL+"="+url)
	c.cmd.Stderr = &c.output
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.kill(t) })
	return c
}

// kill sends SIGKILL. It is safe to call after the process has ended.
func (c *child) kill(t *testing.T) {
	t.Helper()
	if c.cmd.ProcessState != nil {
		return
	}
	// Kill before closing stdin: at the end of its input the child would finish the load.
	if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	c.stdin.Close()
	_ = c.cmd.Wait() // the error is the kill itself
	if c.output.Len() > 0 {
		t.Errorf("the loader output before it was killed: %s", c.output.String())
	}
}

// feed writes rows in a goroutine, which ends in any case because the pipe of a killed child breaks.
func (c *child) feed(rows []byte) {
	go func() {
		defer c.stdin.Close()
		_, _ = c.stdin.Write(rows) // cut short by the kill
	}()
}

const interrupted = "interrupted: the loader or its database ended before the load did"

// recovered waits until no load is running: the server process of a killed loader may first have to finish a statement.
func recovered(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	dbtest.Eventually(t, "no load is running", func(ctx context.Context) bool {
		if _, err := load.Recover(ctx, pool); err != nil {
			if !pg.IsUnavailable(err) {
				t.Fatal(err)
			}
			return false
		}
		var running bool
		err := pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM loads AS l WHERE l.status = 'running')").Scan(&running)
		return err == nil && !running
	})
}

// Killing a loader in any phase leaves nothing of its load, and the next attempt works.
func TestLoaderKilled(t *testing.T) {
	t.Parallel()
	rows := manyRows(10_000)
	for _, p := range append([]phase{{name: "copy"}}, phases()...) {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			pool := loadedBefore(t)
			before := state(t, pool)
			c := startChild(t, pool.Config().ConnString())
			unlockMerge := hold(t.Context(), t, pool, fmt.Sprintf("SELECT pg_advisory_xact_lock(%d, 0)", pg.MergeLock))
			release := func() {}
			if p.lock == "" {
				// The rest is never written.
				if _, err := c.stdin.Write(rows[:len(rows)/2]); err != nil {
					t.Fatal(err)
				}
				dbtest.Eventually(t, "the load copies", func(context.Context) bool {
					return len(texts(t, pool, `SELECT a.pid::text FROM pg_stat_activity AS a
						WHERE a.datname = current_database() AND a.query ILIKE '%staged_lines%' AND a.state <> 'idle'
						AND a.pid <> pg_backend_pid()`)) > 0
				})
			} else {
				c.feed(rows)
				waits := func(ctx context.Context) bool { return len(waiting(ctx, t, pool)) > 0 }
				dbtest.Eventually(t, "the load waits to merge", waits)
				if p.name != "waiting to merge" {
					release = hold(t.Context(), t, pool, p.lock)
					unlockMerge()
					dbtest.Eventually(t, "the load waits for the lock of "+p.name, func(ctx context.Context) bool {
						return len(texts(t, pool, `SELECT l.pid::text FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
							WHERE NOT l.granted AND l.locktype <> 'advisory' AND a.datname = current_database()`)) > 0
					})
				}
			}
			c.kill(t)
			unlockMerge()
			release()
			recovered(t, pool)
			assertFailedOnly(t, pool, before, interrupted, content("orders.csv", rows))
		})
	}
}

// After a kill at a random moment, a load is there completely or not at all.
func TestLoaderKilledAnytime(t *testing.T) {
	t.Parallel()
	pool := loadedBefore(t)
	rows := manyRows(40_000)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	before, loads := state(t, pool), 1
	for range 5 {
		c := startChild(t, pool.Config().ConnString())
		c.feed(rows)
		dbtest.Eventually(t, "the load began", func(context.Context) bool { return len(audit(t, pool)) > loads })
		// Random moments are the point of this test, so it waits for no event of the load.
		<-time.After(time.Duration(rnd.IntN(400)) * time.Millisecond)
		c.kill(t)
		loads++
		recovered(t, pool)
		switch got := audit(t, pool)[loads-1]; got {
		case "failed: " + interrupted:
			assertSame(t, pool, before)
		case "loaded":
			if loaded := texts(t, pool,
				"SELECT count(*)::text FROM order_lines AS l WHERE l.load_id > 1"); loaded[0] != "39960" {
				t.Errorf("loaded, but there are %s lines", loaded[0])
			}
			before = state(t, pool)
		default:
			t.Errorf("the audit says %q", got)
		}
		assertHealthy(t, pool)
	}
	mustRun(t, pool, content("orders.csv", rows))
	assertHealthy(t, pool)
}

// PostgreSQL, killed during a load, recovers without a partial load.
func TestPostgresKilled(t *testing.T) {
	t.Parallel()
	server, pool := ownServer(t)
	mustRun(t, pool, content("before.csv", []byte("order,item,quantity\no1,item 1,2\no2,kept,1\no2,,1\n")))
	before, rows := state(t, pool), manyRows(50_000)

	all := phases()
	for _, p := range []phase{
		{name: "copy"},
		all[0],
		all[slices.IndexFunc(all, func(p phase) bool { return p.name == "lines" })],
	} {
		began := texts(t, pool, "SELECT pg_postmaster_start_time()::text")
		held := make(chan func(), 1)
		midway := func() {
			if p.lock == "" {
				killPostgres(t, server)
				return
			}
			held <- hold(t.Context(), t, pool, p.lock)
		}
		done := make(chan error)
		go func() {
			_, err := load.Run(t.Context(), pool,
				[]load.Source{reading("orders.csv", hooked(bytes.NewReader(rows), 512<<10, midway))}, options)
			done <- err
		}()
		if p.lock != "" {
			dbtest.Eventually(t, "the load waits", func(ctx context.Context) bool { return len(waiting(ctx, t, pool)) > 0 })
			killPostgres(t, server)
		}
		if err := <-done; !pg.IsUnavailable(err) {
			t.Errorf("%s: error is %v, which is not of a lost database", p.name, err)
		}
		if p.lock != "" {
			(<-held)() // its transaction ended with the server
		}
		dbtest.Eventually(t, "the server runs again", func(ctx context.Context) bool {
			var now string
			err := pool.QueryRow(ctx, "SELECT pg_postmaster_start_time()::text").Scan(&now)
			return err == nil && now != began[0]
		})
		pool.Reset() // its connections are to the killed server
		recovered(t, pool)
		assertSame(t, pool, before)
		assertHealthy(t, pool)
		if got := audit(t, pool); !strings.HasPrefix(got[len(got)-1], "failed: ") {
			t.Errorf("%s: the audit says %q", p.name, got)
		}
	}
	mustRun(t, pool, content("orders.csv", rows))
	want := []string{"loaded", "failed", "failed", "failed", "loaded"}
	if diff := cmp.Diff(want, texts(t, pool, "SELECT l.status FROM loads AS l ORDER BY l.load_id")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	assertHealthy(t, pool)
}

// ownServer starts a PostgreSQL for this test alone, durable and with the settings that users get.
func ownServer(t *testing.T) (*localpg.Server, *pgxpool.Pool) {
	t.Helper()
	server, pool := startServer(t, filepath.Join(openTempDir(t), "server"), os.Getenv("ALSOBOUGHT_PG_BIN"))
	t.Cleanup(func() { closeServer(t, server, pool) })
	return server, pool
}

func startServer(t *testing.T, dir, binDir string) (*localpg.Server, *pgxpool.Pool) {
	t.Helper()
	server, err := localpg.Start(t.Context(), localpg.Config{Dir: dir, BinDir: binDir, Logf: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := pg.Open(t.Context(), server.URL(), 8)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pg.MigrateUp(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	return server, pool
}

func closeServer(t *testing.T, server *localpg.Server, pool *pgxpool.Pool) {
	t.Helper()
	pool.Close()
	if err := server.Close(); err != nil {
		t.Error(err)
	}
}

// killPostgres sends SIGKILL to the postmaster; its children then exit.
func killPostgres(t *testing.T, server *localpg.Server) {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(server.Dir(), "postmaster.pid"))
	if err != nil {
		t.Error(err)
		return
	}
	first, _, _ := strings.Cut(string(file), "\n")
	pid, err := strconv.Atoi(first)
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err != nil {
		t.Error(err)
	}
}

// openTempDir is like t.TempDir, but other users can enter the directory: if the tests run as root, the server runs as
// another user.
func openTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "load") //nolint:usetesting // the parents of t.TempDir are closed to others
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
