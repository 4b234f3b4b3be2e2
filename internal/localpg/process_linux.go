package localpg

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// isPostgres reports whether the process is a PostgreSQL of this data directory: its name and
// its working directory say so. A zombie has none.
func isPostgres(pid int, data string) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	name, err := os.ReadFile(filepath.Join(proc, "comm"))
	if err != nil || strings.TrimSpace(string(name)) != "postgres" {
		return false
	}
	there, err := os.Stat(data)
	if err != nil {
		return false
	}
	here, err := workingDir(proc, there)
	return err == nil && os.SameFile(here, there)
}

// workingDir asks as the owner of the data if we may not ask: root in a container mostly lacks CAP_SYS_PTRACE, and with it the right
// to look at the processes of others.
func workingDir(proc string, data fs.FileInfo) (fs.FileInfo, error) {
	cwd := filepath.Join(proc, "cwd")
	here, err := os.Stat(cwd)
	owner, known := data.Sys().(*syscall.Stat_t)
	if os.Geteuid() != 0 || !known || !errors.Is(err, fs.ErrPermission) {
		return here, err
	}
	// The ids that files are looked up with belong to the thread. A thread that does not get its own back ends with its goroutine.
	runtime.LockOSThread()
	defer func() {
		if unix.Setfsuid(0) == nil && unix.Setfsgid(0) == nil {
			runtime.UnlockOSThread()
		}
	}()
	if err := errors.Join(unix.Setfsgid(int(owner.Gid)), unix.Setfsuid(int(owner.Uid))); err != nil {
		return nil, err
	}
	return os.Stat(cwd)
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
