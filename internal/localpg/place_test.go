package localpg

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestDirectoryNames(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, dir string }{
		{"long", strings.Repeat("long", 40)},
		{"odd", "a b,c'd\"e$(f)`g`%h+ü"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(tempDir(t), test.dir)
			s := start(t, Config{Dir: dir, Throwaway: true})
			if !strings.HasPrefix(s.place.socket, "/tmp/alsobought-") {
				t.Errorf("socket in %s", s.place.socket)
			}
			info, err := os.Stat(s.place.socket)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode().Perm() != 0o700 || ownerOf(info) != s.place.account.uid {
				t.Errorf("socket directory has mode %v and owner %d", info.Mode(), ownerOf(info))
			}
			execute(t, s.URL(), `SELECT 1`)
			closeServer(t, s)
			assertNothingRuns(t, s.place)
			if exists(dir) {
				t.Errorf("%s is left", dir)
			}
		})
	}
}

func TestSocketDirectoryOfSomebodyElse(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), strings.Repeat("x", 120))
	if err := makeDir(dir); err != nil {
		t.Fatal(err)
	}
	p, err := locate(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(p.socket, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(p.socket) })
	_, err = Start(withPatience(t), Config{Dir: dir})
	assertOneLine(t, err, "was not created by alsobought")
}

func TestLinkToDirectory(t *testing.T) {
	t.Parallel()
	temp := tempDir(t)
	if err := os.Symlink("real", filepath.Join(temp, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(temp, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	first := start(t, Config{Dir: filepath.Join(temp, "real")})
	second := start(t, Config{Dir: filepath.Join(temp, "link")})
	if first.URL() != second.URL() {
		t.Errorf("%s and %s", first.URL(), second.URL())
	}
}

// A directory that was removed while its data was elsewhere starts empty; one that was moved keeps its data.
func TestClosedParentRemoved(t *testing.T) {
	t.Parallel()
	closed := filepath.Join(tempDir(t), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	dir, moved := filepath.Join(closed, ".alsobought"), filepath.Join(closed, "moved")
	t.Cleanup(func() {
		taken, err := filepath.Glob(filepath.Join(elsewhere, hash(dir)+"*"))
		for _, data := range taken {
			err = errors.Join(err, os.RemoveAll(data))
		}
		if err != nil {
			t.Error(err)
		}
	})
	for _, gone := range []func() error{
		func() error { return os.Rename(dir, moved) },
		func() error { return os.RemoveAll(dir) },
		func() error { return nil },
	} {
		s := start(t, Config{Dir: dir})
		execute(t, s.URL(), `CREATE TABLE kept (n int)`) // fails if it is there
		closeServer(t, s)
		if err := gone(); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, Config{Dir: moved})
	execute(t, s.URL(), `SELECT n FROM kept`)
	closeServer(t, s)
}

// Below a directory that only its owner may enter, root's server runs as another user, so its data moves; an
// ordinary user's data stays.
func TestClosedParent(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		t.Run("keep "+strconv.FormatBool(keep), func(t *testing.T) {
			t.Parallel()
			closed := filepath.Join(tempDir(t), "closed")
			if err := os.Mkdir(closed, 0o700); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(closed, "clone", ".alsobought")
			logged := make(chan string, 1)
			s := start(t, Config{
				Dir: dir, Throwaway: !keep, Logf: func(format string, args ...any) { logged <- args[0].(string) },
			})
			if root := os.Geteuid() == 0; root != s.place.moved() || root != strings.HasPrefix(s.Dir(), elsewhere) {
				t.Errorf("root: %v, data in %s", root, s.Dir())
			}
			if line := <-logged; !strings.Contains(line, s.Dir()) || strings.Contains(line, "\n") {
				t.Errorf("logged %q", line)
			}
			execute(t, s.URL(), `CREATE TABLE kept (n int)`)
			closeServer(t, s)
			assertNothingRuns(t, s.place)
			if keep {
				again := start(t, Config{Dir: dir})
				execute(t, again.URL(), `SELECT n FROM kept`)
				closeServer(t, again)
				if err := os.RemoveAll(s.Dir()); err != nil {
					t.Error(err)
				}
				return
			}
			if exists(dir) || exists(s.Dir()) {
				t.Errorf("%s or %s is left", dir, s.Dir())
			}
			if info, err := os.Stat(closed); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("closed parent: %v, %v", info.Mode(), err)
			}
		})
	}
}

func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	h := startHelper(t, dir, nobody(t, dir))
	url := h.answer("ready")
	execute(t, url, `CREATE TABLE kept (n int)`)
	p, err := locate(dir)
	if err != nil {
		t.Fatal(err)
	}
	// Root joins another user's server, and starts it as that user.
	joined := start(t, Config{Dir: dir})
	h.close()
	execute(t, joined.URL(), `SELECT n FROM kept`)
	closeServer(t, joined)
	again := start(t, Config{Dir: dir})
	execute(t, again.URL(), `SELECT n FROM kept`)
	closeServer(t, again)
	assertNothingRuns(t, p)
	// The ordinary user can continue after root.
	last := startHelper(t, dir, func(cmd *exec.Cmd) { *cmd = *helperLike(h, cmd) })
	last.answer("ready")
	last.close()
}

// helperLike returns a command with the program and user of an earlier helper.
func helperLike(h *helper, cmd *exec.Cmd) *exec.Cmd {
	return &exec.Cmd{
		Path: h.cmd.Path, Args: cmd.Args, Env: cmd.Env, Dir: h.cmd.Dir, Stderr: cmd.Stderr, SysProcAttr: h.cmd.SysProcAttr,
	}
}

func TestDirectoryMadeByRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // Only root can be the one who was here first.
	}
	dir := filepath.Join(tempDir(t), "data")
	s := start(t, Config{Dir: dir, Throwaway: true})
	h := startHelper(t, dir, nobody(t, tempDir(t)))
	if got := h.answer("error"); !strings.Contains(got, "belongs to user root") {
		t.Errorf("error = %q", got)
	}
	execute(t, s.URL(), `SELECT 1`)
}

func TestThrowawayNeverRemovesOthers(t *testing.T) {
	t.Parallel()
	t.Run("durable cluster", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(tempDir(t), "data")
		s := start(t, Config{Dir: dir})
		closeServer(t, s)
		_, err := Start(withPatience(t), Config{Dir: dir, Throwaway: true})
		assertOneLine(t, err, "holds a durable database")
		if !s.place.hasCluster() {
			t.Error("the cluster is gone")
		}
	})
	t.Run("other files", func(t *testing.T) {
		t.Parallel()
		dir := tempDir(t)
		if err := os.WriteFile(filepath.Join(dir, "thesis"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Start(withPatience(t), Config{Dir: dir, Throwaway: true})
		assertOneLine(t, err, "holds thesis")
		if !exists(filepath.Join(dir, "thesis")) {
			t.Error("the file is gone")
		}
	})
	t.Run("durable start of throwaway", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(tempDir(t), "data")
		start(t, Config{Dir: dir, Throwaway: true})
		_, err := Start(withPatience(t), Config{Dir: dir})
		assertOneLine(t, err, "holds a throwaway database")
	})
}

func TestServerIsOfItsOwnSession(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Dir: filepath.Join(tempDir(t), "data"), Throwaway: true})
	master := readPostmaster(s.Dir()).pid
	theirs, err := syscall.Getpgid(master)
	if err != nil {
		t.Fatal(err)
	}
	if ours := syscall.Getpgrp(); ours == theirs {
		t.Errorf("postmaster %d is of our process group %d", master, ours)
	}
	info, err := os.Stat(filepath.Join("/proc", strconv.Itoa(master)))
	if err != nil {
		t.Fatal(err)
	}
	if owner := ownerOf(info); owner == 0 || owner != s.place.account.uid {
		t.Errorf("postmaster runs as %d", owner)
	}
}

func assertOneLine(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", want)
	}
	if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error = %q, want one line with %q", err, want)
	}
}
