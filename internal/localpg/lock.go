package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// The lock files in Config.Dir; the package comment explains each.
const (
	usersLock    = "users.lock"
	startLock    = "start.lock"
	serverLock   = "server.lock"
	guardianLock = "guardian.lock"
)

// pollEvery is the interval of every wait in this package. Waits poll because a blocking flock(2) cannot be
// interrupted by a context.
const pollEvery = 20 * time.Millisecond

// errLockGone is returned if the directory of a lock does not exist.
var errLockGone = errors.New("lock directory is gone")

// lock is a flock(2) on a file. It belongs to the open file: two locks of one process exclude each other, the
// kernel releases it when the process is killed, and a child holds it only if it inherits the file. A nil lock
// may be closed.
type lock struct{ file *os.File }

func openLock(dir, name string) (*lock, error) {
	// O_NOFOLLOW, because root may open it in a directory that belongs to another user.
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errLockGone
	case errors.Is(err, fs.ErrPermission):
		return nil, deniedError(dir, err)
	case err != nil:
		return nil, fmt.Errorf("open lock: %w", err)
	}
	return &lock{file}, nil
}

// try takes the lock if that is possible without waiting. If it is already held in the other mode, it is
// released first, even if the new mode cannot be had.
func (l *lock) try(how int) (bool, error) {
	for {
		switch err := unix.Flock(int(l.file.Fd()), how|unix.LOCK_NB); err {
		case nil:
			return true, nil
		case unix.EWOULDBLOCK:
			return false, nil
		case unix.EINTR:
		default:
			return false, fmt.Errorf("lock %s: %w", l.file.Name(), err)
		}
	}
}

func (l *lock) wait(ctx context.Context, how int) error {
	for {
		if got, err := l.try(how); got || err != nil {
			return err
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("wait for %s: %w", l.file.Name(), err)
		}
	}
}

// linked reports whether the locked file is still the one its name leads to. If not, the directory was removed,
// and the lock protects nothing.
func (l *lock) linked() bool {
	held, err := l.file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(l.file.Name())
	return err == nil && os.SameFile(held, named)
}

// unlock releases the lock for every holder of the open file.
func (l *lock) unlock() error {
	if err := unix.Flock(int(l.file.Fd()), unix.LOCK_UN); err != nil {
		return fmt.Errorf("unlock %s: %w", l.file.Name(), err)
	}
	return nil
}

// release unlocks and closes. Closing alone is not enough: a child that this process is just starting has the
// file too, until its exec.
func (l *lock) release() {
	if l != nil {
		_ = l.unlock() // best effort: closing follows
		l.close()
	}
}

// close ends our hold; a child that inherited the file keeps the lock.
func (l *lock) close() {
	if l != nil {
		_ = l.file.Close() // best-effort close
	}
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pollEvery):
		return nil
	}
}
