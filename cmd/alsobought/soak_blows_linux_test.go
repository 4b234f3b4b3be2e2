package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/pg"
)

// blow is a fault injected while a command runs.
type blow struct {
	name   string
	act    func(*soak) act // command to run; nil for a random one
	before func(*soak)
	strike func(*soak, *exec.Cmd) // injects the fault, at a random moment
	after  func(*soak)            // cleans up after the command has ended
}

func blows() []blow {
	killed := func(s *soak, c *exec.Cmd) { _ = c.Process.Kill() } // it may already have exited
	return []blow{
		{name: "killed", strike: killed},
		{name: "build killed", act: (*soak).build, strike: killed},
		{name: "migrate killed", act: (*soak).migrate, strike: killed},
		{name: "PostgreSQL killed", strike: func(s *soak, _ *exec.Cmd) { s.signal(s.postmaster()) }},
		{name: "backend killed", strike: func(s *soak, _ *exec.Cmd) { s.signal(s.backend()) }},
		{name: "connections cut", strike: func(s *soak, _ *exec.Cmd) { s.cut() }},
		{name: "disk full", before: (*soak).fillDisk, after: func(s *soak) { s.limitFiles(unlimited) }},
		{name: "clock jumps", strike: func(s *soak, _ *exec.Cmd) { s.jump() }},
		{name: "API killed", strike: func(s *soak, _ *exec.Cmd) {
			s.api.kill()
			s.api = startAPI(s.t, s.url())
		}},
	}
}

// ourLocks are the advisory locks that show that a command is running.
var ourLocks = []int64{int64(pg.LoadLock), int64(pg.MergeLock), int64(pg.BuildLock)}

// signal kills a process if it exists.
func (s *soak) signal(pid int) {
	if pid > 1 {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may already have exited
	}
}

// postmaster returns the process id of the postmaster, or 0 while it is down.
func (s *soak) postmaster() int {
	text, err := os.ReadFile(filepath.Join(s.server.Dir(), "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return 0
	}
	return pid
}

// backend returns the process id of a busy backend, or else of any backend.
func (s *soak) backend() (pid int) {
	s.eventually("there is a backend", func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		err := conn.QueryRow(ctx, `SELECT a.pid FROM pg_stat_activity AS a WHERE a.datname IS NOT NULL
			AND a.pid <> pg_backend_pid()
			ORDER BY a.state = 'active' DESC, a.backend_start DESC LIMIT 1`).Scan(&pid)
		return err == nil, err
	})
	return pid
}

func (s *soak) cut() {
	s.connected(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS a WHERE a.datname IS NOT "+
			"NULL AND a.pid <> pg_backend_pid()")
		return err
	})
}

// fillDisk leaves PostgreSQL at most half a megabyte of room for its WAL. The disk is not really full: new sessions may
// not write files above a certain size, which makes them fail at the same place and in the same way. Usually the WAL is
// affected, and PostgreSQL then stops itself; sometimes it is a table or an index.
func (s *soak) fillDisk() {
	place := s.texts("SELECT file_offset::text FROM pg_walfile_name_offset(pg_current_wal_insert_lsn())")[0]
	offset, err := strconv.Atoi(place)
	if err != nil {
		s.t.Fatal(err)
	}
	s.limitFiles(strconv.Itoa(offset + s.rnd.IntN(512<<10)))
}

// limitFiles limits the file size of future PostgreSQL processes and, when lifting the limit, also of running ones. It
// runs as their user, because not every root may change the limits of others.
func (s *soak) limitFiles(size string) {
	postmaster := s.postmaster()
	if postmaster == 0 {
		return
	}
	pids := []string{strconv.Itoa(postmaster)}
	if size == unlimited {
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", postmaster, postmaster)) // it may be down by now
		pids = append(pids, strings.Fields(string(children))...)
	}
	info, err := os.Stat(s.server.Dir())
	if err != nil {
		s.t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	for _, pid := range pids {
		c := exec.CommandContext(s.t.Context(), "prlimit", "--pid", pid, "--fsize="+size+":"+unlimited)
		if os.Geteuid() == 0 {
			c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
		}
		if output, err := c.CombinedOutput(); err != nil && !strings.Contains(string(output), "No such process") {
			s.t.Fatalf("prlimit: %v: %s", err, output)
		}
	}
}

const unlimited = "unlimited"

// jump sets PostgreSQL's clock forward or back by up to two years, or resets it.
func (s *soak) jump() {
	ahead := 0
	if s.rnd.IntN(4) > 0 {
		ahead = s.rnd.IntN(4*365*24*3600) - 2*365*24*3600
	}
	if err := os.WriteFile(s.clock, fmt.Appendf(nil, "%+d\n", ahead), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// programsWithClock returns a directory of PostgreSQL's programs whose postgres shifts its clock by the seconds in the
// file clock.
func programsWithClock(t *testing.T) (dir, clock string) {
	t.Helper()
	libraries, err := filepath.Glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
	if err != nil || len(libraries) == 0 {
		t.Fatalf("libfaketime is not there: scripts/ensure faketime installs it (%v)", err)
	}
	given := os.Getenv("ALSOBOUGHT_PG_BIN")
	if given == "" {
		found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
		if err != nil || len(found) == 0 {
			t.Fatalf("there are no PostgreSQL programs: %v", err)
		}
		given = filepath.Dir(found[len(found)-1])
	}
	dir = openTempDir(t)
	clock = filepath.Join(dir, "clock")
	script := fmt.Sprintf("#!/bin/sh\nexport LD_PRELOAD='%s' FAKETIME_TIMESTAMP_FILE='%s' FAKETIME_CACHE_DURATION=1\n"+
		"export FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1\nexec '%s/postgres' \"$@\"\n", libraries[0], clock, given)
	for name, text := range map[string]string{"postgres": script, "clock": "+0\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(given, "initdb"), filepath.Join(dir, "initdb")); err != nil {
		t.Fatal(err)
	}
	return dir, clock
}

// api is a running API server.
type api struct {
	program *exec.Cmd
	lines   <-chan string
	address string
}

func startAPI(t *testing.T, url string, flags ...string) (a *api) {
	t.Helper()
	// PostgreSQL may still be starting.
	dbtest.Eventually(t, "the API starts", func(context.Context) bool {
		a = &api{
			program: command(t, url, append([]string{"serve", "--addr", "127.0.0.1:0", "--log-level", "error"}, flags...)...),
		}
		a.lines = begin(t, a.program)
		if a.address = regexp.MustCompile(`http://[0-9.:]+`).FindString(<-a.lines); a.address == "" {
			a.kill()
		}
		return a.address != ""
	})
	return a
}

func (a *api) kill() {
	_ = a.program.Process.Kill() // it may already have exited
	for range a.lines {          // until the output is closed
	}
	_ = a.program.Wait() // the error is the kill
}

// popular makes one request.
func (a *api) popular(ctx context.Context) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.address+"/api/v1/popular-items", http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}

// eventually polls over new connections until ask returns true. Errors are ignored, because the server may be down.
func (s *soak) eventually(what string, ask func(context.Context, *pgx.Conn) (bool, error)) {
	s.t.Helper()
	dbtest.Eventually(s.t, what, func(ctx context.Context) bool {
		conn, err := pgx.Connect(ctx, s.url())
		if err != nil {
			return false
		}
		yes, err := ask(ctx, conn)
		_ = conn.Close(ctx) // the connection is no longer needed
		return yes && err == nil
	})
}

// connected calls do with a connection as soon as there is one.
func (s *soak) connected(do func(context.Context, *pgx.Conn) error) {
	s.t.Helper()
	s.eventually("PostgreSQL answers", func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		err := do(ctx, conn)
		return err == nil, err
	})
}

func (s *soak) texts(sql string) (texts []string) {
	s.t.Helper()
	s.connected(func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, sql)
		if err == nil {
			texts, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		return err
	})
	return texts
}

// serverLog returns the end of PostgreSQL's log.
func (s *soak) serverLog() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "server.log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

// story counts exit statuses of commands per fault.
func (s *soak) story() string {
	var parts []string
	for _, end := range slices.Sorted(maps.Keys(s.ended)) {
		parts = append(parts, fmt.Sprintf("%s %d", end, s.ended[end]))
	}
	return strings.Join(parts, ", ")
}
