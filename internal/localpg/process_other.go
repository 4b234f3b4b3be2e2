//go:build !linux

package localpg

import "syscall"

// isPostgres cannot look further than whether the process lives; that server.lock is held says the rest.
func isPostgres(pid int, _ string) bool { return syscall.Kill(pid, 0) == nil }

// killAll leaves it to the backends to notice that their postmaster is gone.
func killAll(string) {}
