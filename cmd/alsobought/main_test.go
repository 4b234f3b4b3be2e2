package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/alsobought/alsobought/internal/dbtest"
)

// TestMain puts the program into the PATH of the tests, which run it as a separate process, as users do.
func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"alsobought": main})
}

type tests struct{ m *testing.M }

func (t tests) Run() int { return dbtest.Run(t.m) }

// TestScripts replays the sessions in testdata. Each has its own database: an empty one if its name starts with
// migrate, none if it starts with private, a migrated one otherwise. The scripts have an additional command,
//
//	status N alsobought ...
//
// which runs the program and expects exit status N, and errors of a single line.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := ""
			switch kind, _, _ := strings.Cut(name, "-"); kind {
			case "private":
			case "migrate":
				url = dbtest.NewEmptyURL(t)
			default:
				url = dbtest.NewURL(t)
			}
			testscript.Run(t, testscript.Params{
				Files:               []string{file},
				WorkdirRoot:         openTempDir(t),
				RequireExplicitExec: true,
				RequireUniqueNames:  true,
				Setup: func(env *testscript.Env) error {
					env.Setenv("DATABASE_URL", url)
					return nil
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status},
			})
		})
	}
}

// openTempDir returns a directory that the private PostgreSQL can enter even if the tests run as root, so that its data
// stays inside and is removed with the test.
func openTempDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N program argument...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit := new(exec.ExitError)
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
	if lines := strings.Count(ts.ReadFile("stderr"), "\n"); (got == exitFailed || got == exitUsage) && lines != 1 {
		ts.Fatalf("%d lines on stderr, want one that says what to do", lines)
	}
}

// ended is the result of a run of the program.
type ended struct {
	status         int
	stdout, stderr string
}

// alsobought runs the program on the database at url and waits for it.
func alsobought(t testing.TB, url string, stdin io.Reader, args ...string) ended {
	t.Helper()
	c := command(t, url, args...)
	var stdout, stderr bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = stdin, &stdout, &stderr
	err := c.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ended{c.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// want runs the program, fails the test unless it succeeds, and returns its output.
func want(t testing.TB, url string, stdin io.Reader, args ...string) string {
	t.Helper()
	e := alsobought(t, url, stdin, args...)
	if e.status != exitDone {
		t.Fatalf("alsobought %s: exit status %d\n%s%s", strings.Join(args, " "), e.status, e.stdout, e.stderr)
	}
	return e.stdout
}

// command returns the program on the database at url, not started yet. It is not bound to the test's context, because
// some tests check how it ends.
func command(t testing.TB, url string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(context.WithoutCancel(t.Context()), "alsobought", args...)
	c.Env = append(c.Environ(), "DATABASE_URL="+url)
	return c
}
