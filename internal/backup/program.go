package backup

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/alsobought/alsobought/internal/pg"
)

// patience is how long a program may take to exit after SIGTERM.
const patience = 10 * time.Second

// command returns a command that runs a PostgreSQL program on the pool's database. It never asks for a
// password.
func command(ctx context.Context, pool *pg.Pool, program string, args ...string) *exec.Cmd {
	database, environment := pg.ForLibpq(pool)
	cmd := exec.CommandContext(ctx, program, append([]string{"--no-password", "--dbname=" + database}, args...)...)
	cmd.Env = append(cmd.Environ(), append(environment, "LC_ALL=C")...)
	// SIGTERM lets it end its own sessions and children.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
	return cmd
}

// run runs cmd; the error is what it printed on stderr.
func run(ctx context.Context, cmd *exec.Cmd) error {
	_, err := output(ctx, cmd)
	return err
}

// output runs cmd and returns its stdout; the error is what it printed on stderr.
func output(ctx context.Context, cmd *exec.Cmd) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch {
	case err == nil:
		return stdout.Bytes(), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, &programError{name: filepath.Base(cmd.Path), stderr: stderr.String(), err: err}
}

// programError is a failed program and everything it printed on stderr.
type programError struct {
	name, stderr string
	err          error
}

func (e *programError) Unwrap() error { return e.err }

// Error returns the first error that the program printed; the later ones usually follow from it.
func (e *programError) Error() string {
	for line := range strings.Lines(e.stderr) {
		for _, mark := range []string{"error: ", "ERROR:"} {
			if _, reason, found := strings.Cut(line, mark); found {
				return e.name + ": " + strings.TrimSpace(reason)
			}
		}
	}
	if line, _, _ := strings.Cut(strings.TrimSpace(e.stderr), "\n"); line != "" {
		return e.name + ": " + line
	}
	return fmt.Sprintf("%s: %v", e.name, e.err)
}
