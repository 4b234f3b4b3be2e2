package localpg

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestStartAndCloseLeaveNothing(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Dir: filepath.Join(tempDir(t), "new", "data")})
	execute(t, s.URL(), `CREATE TABLE kept (n int)`)
	closeServer(t, s)
	assertNothingRuns(t, s.place)
	closeServer(t, s) // Safe twice.

	again := start(t, Config{Dir: s.cfg.Dir})
	if got := query(t, again.URL(), `SELECT count(*)::text FROM kept`); got != "0" {
		t.Errorf("count = %s", got)
	}
	info, err := os.Stat(again.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("mode of %s = %v, want 0700", again.Dir(), info.Mode())
	}
}

func TestServersOfOneProcessShare(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "data")
	first := start(t, Config{Dir: dir, Throwaway: true})
	second := start(t, Config{Dir: dir, Throwaway: true, Database: `odd "name" /?`})
	pid := readPostmaster(first.Dir()).pid
	closeServer(t, first)
	if got := query(t, second.URL(), `SELECT current_database()`); got != `odd "name" /?` {
		t.Errorf("database = %q", got)
	}
	if got := readPostmaster(second.Dir()).pid; got != pid {
		t.Errorf("another postmaster: %d, then %d", pid, got)
	}
	closeServer(t, second)
	assertNothingRuns(t, second.place)
	if exists(dir) {
		t.Errorf("throwaway directory %s is left", dir)
	}
}

func TestLastProcessStops(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "data")
	s := start(t, Config{Dir: dir})
	h := startHelper(t, dir)
	if url := h.answer("ready"); url != s.URL() {
		t.Errorf("helper has %s, we have %s", url, s.URL())
	}
	closeServer(t, s)
	execute(t, s.URL(), `SELECT 1`) // The helper still uses it.
	h.close()
	assertNothingRuns(t, s.place)
}

func TestKilledLastUserEndsServer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		adjust []func(*exec.Cmd)
		left   bool
	}{
		{name: "durable", left: true},
		{name: "throwaway", adjust: []func(*exec.Cmd){throwaway}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(tempDir(t), "data")
			h := startHelper(t, dir, test.adjust...)
			h.answer("ready")
			p, err := locate(dir)
			if err != nil {
				t.Fatal(err)
			}
			h.kill()
			eventually(t, "server and guardian end", func() bool { return len(processes(t, dir)) == 0 })
			assertNothingRuns(t, p)
			if exists(dir) != test.left {
				t.Errorf("directory left: %v, want %v", !test.left, test.left)
			}
		})
	}
}

// A guardian that was killed, even if only its shell, is replaced by the next to start.
func TestKilledGuardianIsReplaced(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "data")
	s := start(t, Config{Dir: dir})
	shells := func() (pids []string) {
		for _, line := range processes(t, dir) {
			if pid, command, _ := strings.Cut(line, " "); strings.HasPrefix(command, "/bin/sh -s") {
				pids = append(pids, pid)
			}
		}
		return pids
	}
	for _, pid := range shells() {
		if err := exec.Command("kill", "-9", pid).Run(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the guardian is dead", func() bool { return len(shells()) == 0 })
	h := startHelper(t, dir)
	h.answer("ready")
	closeServer(t, s)
	h.kill()
	eventually(t, "server and guardian end", func() bool { return len(processes(t, dir)) == 0 })
	assertNothingRuns(t, s.place)
}

// Without flock(1) there is no guardian: the next user finds the server and stops it.
func TestKilledLastUserWithoutGuardian(t *testing.T) {
	t.Parallel()
	dir, empty := filepath.Join(tempDir(t), "data"), tempDir(t)
	h := startHelper(t, dir, func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "PATH="+empty) })
	url := h.answer("ready")
	h.kill()
	execute(t, url, `CREATE TABLE kept (n int)`)
	s := start(t, Config{Dir: dir})
	execute(t, s.URL(), `SELECT n FROM kept`)
	closeServer(t, s)
	assertNothingRuns(t, s.place)
}

func TestKilledWhileStarting(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "data")
	h := startHelper(t, dir)
	eventually(t, "initdb has begun", func() bool { return exists(filepath.Join(dir, "pg"+newSuffix, "PG_VERSION")) })
	h.kill()
	s := start(t, Config{Dir: dir})
	execute(t, s.URL(), `SELECT 1`)
	if exists(s.Dir() + newSuffix) {
		t.Error("the unfinished cluster is left")
	}
	closeServer(t, s)
	assertNothingRuns(t, s.place)
}

func TestRecovery(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		kill func(t *testing.T, h *helper, p place)
	}{
		{"postmaster", func(t *testing.T, h *helper, p place) {
			h.kill()
			_ = syscall.Kill(readPostmaster(p.data).pid, syscall.SIGKILL)
		}},
		{"everything", func(t *testing.T, h *helper, p place) {
			h.kill()
			for _, line := range processes(t, p.dir) {
				_ = exec.Command("kill", "-9", strings.Fields(line)[0]).Run()
			}
		}},
		{"everything, with a foreign process in postmaster.pid", func(t *testing.T, h *helper, p place) {
			for _, line := range processes(t, p.dir) {
				_ = exec.Command("kill", "-9", strings.Fields(line)[0]).Run()
			}
			h.kill()
			eventually(t, "all are dead", func() bool { return len(processes(t, p.dir)) == 0 })
			stand := exec.Command("sleep", "600")
			if os.Geteuid() == 0 {
				stand.SysProcAttr = &syscall.SysProcAttr{Credential: p.account.credential}
			}
			if err := stand.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := stand.Process.Signal(syscall.Signal(0)); err != nil {
					t.Error("the foreign process was killed")
				}
				_ = stand.Process.Kill()
				_ = stand.Wait()
			})
			file := filepath.Join(p.data, "postmaster.pid")
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, rest, _ := strings.Cut(string(content), "\n")
			if err := os.WriteFile(file, []byte(strconv.Itoa(stand.Process.Pid)+"\n"+rest), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(tempDir(t), "data")
			h := startHelper(t, dir)
			url := h.answer("ready")
			execute(t, url, `CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n`)
			p, err := locate(dir)
			if err != nil {
				t.Fatal(err)
			}
			test.kill(t, h, p)
			s := start(t, Config{Dir: dir})
			if got := query(t, s.URL(), `SELECT sum(n)::text FROM kept`); got != "500500" {
				t.Errorf("sum = %s", got)
			}
			closeServer(t, s)
			assertNothingRuns(t, p)
		})
	}
}

func TestLivingServerRevives(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "data")
	logged := make(chan string, 10)
	s := start(t, Config{Dir: dir, Logf: func(format string, args ...any) { logged <- format }})
	other := start(t, Config{Dir: dir}) // both notice, one restarts
	execute(t, s.URL(), `CREATE TABLE kept AS SELECT 42 AS n`)

	// A busy backend does not notice the death of its postmaster.
	ctx := withPatience(t)
	var busy sync.WaitGroup
	busy.Go(func() {
		_ = tryExecute(ctx, s.URL(), `SELECT count(*) FROM generate_series(1, 1000000000) a, generate_series(1, 1000) b`)
	})
	eventually(t, "the backend is busy", func() bool {
		return query(t, s.URL(),
			`SELECT count(*)::text FROM pg_stat_activity WHERE query LIKE '%generate_series%b' AND state = 'active'`) == "1"
	})
	old := readPostmaster(s.Dir()).pid
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	busy.Wait()
	eventually(t, "a new postmaster is ready", func() bool {
		master := readPostmaster(s.Dir())
		return master.alive && master.ready && master.pid != old
	})
	if got := query(t, s.URL(), `SELECT n::text FROM kept`); got != "42" {
		t.Errorf("n = %s", got)
	}
	closeServer(t, s)
	closeServer(t, other)
	assertNothingRuns(t, s.place)
}

func TestManyUsersAtOnce(t *testing.T) {
	t.Parallel()
	const helpers, loops = 6, 4
	for _, test := range []struct {
		name      string
		throwaway bool
	}{{"durable", false}, {"throwaway", true}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(tempDir(t), "data")
			cfg := Config{Dir: dir, Throwaway: test.throwaway}
			if !test.throwaway {
				s := start(t, cfg)
				execute(t, s.URL(), `CREATE TABLE visits (id bigserial)`)
				closeServer(t, s)
			}
			if err := makeDir(dir); err != nil {
				t.Fatal(err)
			}
			p, err := locate(dir)
			if err != nil {
				t.Fatal(err)
			}
			adjust := func(cmd *exec.Cmd) {
				cmd.Env = append(cmd.Env, helperLoops+"="+strconv.Itoa(loops))
				if test.throwaway {
					throwaway(cmd)
				}
			}
			var running []*helper
			for range helpers {
				running = append(running, startHelper(t, dir, adjust))
			}
			ctx := withPatience(t)
			errs := make([]error, helpers)
			var visitors sync.WaitGroup
			for i := range errs {
				visitors.Go(func() {
					for range loops {
						errs[i] = errors.Join(errs[i], visit(ctx, cfg))
					}
				})
			}
			visitors.Wait()
			if err := errors.Join(errs...); err != nil {
				t.Error(err)
			}
			for _, h := range running {
				h.answer("ready")
				if err := h.cmd.Wait(); err != nil {
					t.Error(err)
				}
			}
			assertNothingRuns(t, p)
			if test.throwaway {
				if exists(dir) {
					t.Error("throwaway directory is left")
				}
				return
			}
			s := start(t, cfg)
			if got, want := query(t, s.URL(), `SELECT count(*)::text FROM visits`), strconv.Itoa(2*helpers*loops); got != want {
				t.Errorf("visits = %s, want %s", got, want)
			}
		})
	}
}

// TestUsersKilledAtRandom kills users at random times; committed rows survive, and in the end nothing runs.
func TestUsersKilledAtRandom(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "data")
	s := start(t, Config{Dir: dir})
	execute(t, s.URL(), `CREATE TABLE visits (id bigserial)`)
	execute(t, s.URL(), `CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n`)
	closeServer(t, s)
	loop := func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, helperLoops+"=1000") }
	ctx := withPatience(t)
	for round := range 8 {
		first, second := startHelper(t, dir, loop), startHelper(t, dir, loop)
		for range round {
			if err := pause(ctx); err != nil {
				t.Fatal(err)
			}
		}
		first.kill()
		if master := readPostmaster(s.Dir()); master.alive && round%2 == 1 {
			_ = syscall.Kill(master.pid, syscall.SIGKILL)
		}
		second.kill()
	}
	again := start(t, Config{Dir: dir})
	if got := query(t, again.URL(), `SELECT sum(n)::text FROM kept`); got != "500500" {
		t.Errorf("sum = %s", got)
	}
	closeServer(t, again)
	assertNothingRuns(t, again.place)
}

// Of several versions, the oldest that is new enough is chosen: older servers can read its output.
func TestProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := "#!/bin/sh\necho 'pg_dump (PostgreSQL) 16.3 (Debian 16.3-1)'\n"
	if err := os.WriteFile(filepath.Join(dir, "pg_dump"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	for atLeast, want := range map[int]string{14: "", 16: "", 17: "pg_dump is version 16, but 17 or newer is needed"} {
		path, major, err := Program(t.Context(), dir, "pg_dump", atLeast)
		if want == "" && (err != nil || major != 16 || path != filepath.Join(dir, "pg_dump")) {
			t.Errorf("at least %d: %s of %d, error %v", atLeast, path, major, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("at least %d: error %v", atLeast, err)
		}
	}
	if _, _, err := Program(t.Context(), dir, "pg_restore", 14); err == nil ||
		!strings.Contains(err.Error(), "is not installed") {
		t.Errorf("error %v", err)
	}
}
