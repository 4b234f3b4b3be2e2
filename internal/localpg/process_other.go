//go:build !linux

package localpg

import "syscall"

// isPostgres only checks that the process exists; server.lock, which is held, ensures the rest.
func isPostgres(pid int, _ string) bool { return syscall.Kill(pid, 0) == nil }

// killAll does nothing: backends notice that their postmaster is gone.
func killAll(string) {}
