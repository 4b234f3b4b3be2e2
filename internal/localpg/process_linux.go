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

// isPostgres reports whether the process is a PostgreSQL of this data directory, by its name and working
// directory. A zombie has neither.
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

// workingDir returns the working directory of a process. If root is not permitted to read it (in a container it
// usually lacks CAP_SYS_PTRACE), workingDir reads it as the owner of the data.
func workingDir(proc string, data fs.FileInfo) (fs.FileInfo, error) {
	cwd := filepath.Join(proc, "cwd")
	here, err := os.Stat(cwd)
	owner, known := data.Sys().(*syscall.Stat_t)
	if os.Geteuid() != 0 || !known || !errors.Is(err, fs.ErrPermission) {
		return here, err
	}
	// The filesystem IDs belong to the thread. If they cannot be restored, the thread ends with its goroutine.
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
		return // without /proc, wait until they exit
	}
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil && isPostgres(pid, data) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // an error means that it has just exited
		}
	}
}
