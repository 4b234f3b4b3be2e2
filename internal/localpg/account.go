package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// account is the user that the server runs as: ourselves, unless we are root.
type account struct {
	name       string
	uid        int
	credential *syscall.Credential // nil: ourselves
}

// accountFor returns the account for a server of this data directory, which need not exist.
func accountFor(data string) (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: os.Geteuid()}, nil
	}
	info, err := os.Stat(data)
	if err == nil {
		uid := ownerOf(info)
		if uid == 0 {
			return account{}, fmt.Errorf("data directory %s belongs to root, and PostgreSQL refuses to run as root", data)
		}
		owner, err := user.LookupId(strconv.Itoa(uid))
		if err != nil {
			return account{}, fmt.Errorf("owner of data directory %s: %w", data, err)
		}
		return newAccount(owner)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return account{}, fmt.Errorf("data directory: %w", err)
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			return newAccount(u)
		}
	}
	return account{}, errors.New("PostgreSQL refuses to run as root, and there is no user postgres or nobody: " +
		"run as another user")
}

func newAccount(u *user.User) (account, error) {
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return account{}, fmt.Errorf("user %s: %w", u.Username, err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return account{}, fmt.Errorf("user %s: %w", u.Username, err)
	}
	ids, err := u.GroupIds()
	if err != nil {
		return account{}, fmt.Errorf("groups of user %s: %w", u.Username, err)
	}
	var groups []uint32
	for _, id := range ids {
		if group, err := strconv.ParseUint(id, 10, 32); err == nil {
			groups = append(groups, uint32(group))
		}
	}
	return account{
		name:       u.Username,
		uid:        uid,
		credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: groups},
	}, nil
}

// command returns a command that runs a program as the account, in its own session, so that Ctrl-C at our
// terminal does not reach it, with stdin from /dev/null, in a directory that everybody may enter.
func (a account) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = "/"
	cmd.Env = childEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: a.credential}
	// initdb has child processes.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// canEnter reports whether the account may enter dir. It tries, because mode bits do not cover ACLs and mounts.
func (a account) canEnter(dir string) bool {
	if a.credential == nil {
		return true
	}
	return a.command(context.Background(), "/bin/sh", "-c", `cd -- "$1"`, "sh", dir).Run() == nil
}

// give changes the owner of a file or directory that we just created to the account.
func (a account) give(path string) error {
	if a.credential == nil {
		return nil
	}
	return os.Lchown(path, int(a.credential.Uid), int(a.credential.Gid))
}

// childEnv keeps our secrets, and variables like PGDATA and PGPORT, out of a server that outlives us.
func childEnv() []string {
	env := []string{"LC_ALL=C"}
	for _, key := range []string{"PATH", "LD_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(key); ok { //nolint:forbidigo // not configuration: what any child inherits
			env = append(env, key+"="+value)
		}
	}
	return env
}

func ownerOf(info fs.FileInfo) int {
	return int(info.Sys().(*syscall.Stat_t).Uid) //nolint:forcetypeassert // true on every Unix
}

// deniedError explains why access to dir was denied: usually it was created by root.
func deniedError(dir string, err error) error {
	info, statErr := os.Stat(dir)
	if statErr != nil || ownerOf(info) == os.Geteuid() {
		return fmt.Errorf("data directory: %w", err)
	}
	owner := strconv.Itoa(ownerOf(info))
	if u, err := user.LookupId(owner); err == nil {
		owner = u.Username
	}
	return fmt.Errorf("data directory %s belongs to user %s: run as that user or choose another directory", dir, owner)
}
