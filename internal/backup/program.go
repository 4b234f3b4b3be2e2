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

// patience is for a program that was asked to end.
const patience = 10 * time.Second

// command is a program of PostgreSQL on the pool's database. It never asks for a password.
func command(ctx context.Context, pool *pg.Pool, program string, args ...string) *exec.Cmd {
	database, environment := pg.ForLibpq(pool)
	cmd := exec.CommandContext(ctx, program, append([]string{"--no-password", "--dbname=" + database}, args...)...)
	cmd.Env = append(cmd.Environ(), append(environment, "LC_ALL=C")...)
	// It ends its sessions and children by itself.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = patience
	return cmd
}

// run runs it to its end; the error is what it says.
func run(ctx context.Context, cmd *exec.Cmd) error {
	_, err := output(ctx, cmd)
	return err
}

// output is what it prints.
func output(ctx context.Context, cmd *exec.Cmd) ([]byte, error) {
	var printed, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &said
	err := cmd.Run()
	switch {
	case err == nil:
		return printed.Bytes(), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, &programError{name: filepath.Base(cmd.Path), said: said.String(), err: err}
}

// programError is a program that failed, and all that it said.
type programError struct {
	name, said string
	err        error
}

func (e *programError) Unwrap() error { return e.err }

// Error is the first thing it said: what comes after is mostly what follows from that.
func (e *programError) Error() string {
	for line := range strings.Lines(e.said) {
		for _, mark := range []string{"error: ", "ERROR:"} {
			if _, reason, found := strings.Cut(line, mark); found {
				return e.name + ": " + strings.TrimSpace(reason)
			}
		}
	}
	if line, _, _ := strings.Cut(strings.TrimSpace(e.said), "\n"); line != "" {
		return e.name + ": " + line
	}
	return fmt.Sprintf("%s: %v", e.name, e.err)
}
