package localpg

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

//go:embed guardian.sh
var guardianScript string

// guard starts the guardian unless it is already running. The caller holds start.lock.
func (s *Server) guard(ctx context.Context) error {
	if _, err := exec.LookPath("flock"); err != nil {
		return nil
	}
	guardian, err := openLock(s.cfg.Dir, guardianLock)
	if err != nil {
		return err
	}
	defer guardian.close()
	free, err := guardian.try(unix.LOCK_EX)
	if err != nil || !free {
		return err
	}
	// Opened again, because our own open file holds the shared lock, which the guardian must not inherit.
	users, err := openLock(s.cfg.Dir, usersLock)
	if err != nil {
		return err
	}
	defer users.close()

	// The script moves itself to the background, so that init reaps it. It runs in its own session, so that
	// Ctrl-C at our terminal does not reach it. It keeps our user, because a throwaway directory contains files
	// of ours.
	cmd := exec.CommandContext(ctx, "/bin/sh", "-s", s.cfg.Dir, s.place.data, s.place.socket)
	cmd.Dir = "/"
	cmd.Env = childEnv()
	cmd.Stdin = strings.NewReader(guardianScript)
	cmd.ExtraFiles = []*os.File{guardian.file, users.file}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("start the guardian of %s: %w", s.cfg.Dir, err)
	}
	return nil
}
