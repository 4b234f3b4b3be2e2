package localpg

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// isPostgres reports whether the process is a PostgreSQL of this data directory: its name and
// its working directory say so. A zombie has none.
func isPostgres(pid int, data string) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	name, err := os.ReadFile(filepath.Join(proc, "comm"))
	if err != nil || strings.TrimSpace(string(name)) != "postgres" {
		return false
	}
	here, err := os.Stat(filepath.Join(proc, "cwd"))
	if err != nil {
		return false
	}
	there, err := os.Stat(data)
	return err == nil && os.SameFile(here, there)
}

// killAll kills every PostgreSQL of this data directory.
func killAll(data string) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return // Without /proc, wait until they end by themselves.
	}
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil && isPostgres(pid, data) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // An error means that it has just ended.
		}
	}
}
