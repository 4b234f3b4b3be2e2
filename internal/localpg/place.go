package localpg

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

const (
	// elsewhere holds data that cannot be below Config.Dir. It is never removed, even if empty: that would race
	// with the next user.
	elsewhere = "/var/lib/alsobought"

	// throwawayMark is a file in Config.Dir that marks its cluster as disposable. Only this file decides, so
	// that a wrong flag never removes a durable cluster.
	throwawayMark = "throwaway"

	// maxSocketPath is the length of sun_path on macOS without the final NUL; Linux allows four more.
	maxSocketPath = 103
)

// plainPath matches paths that need no quoting in unix_socket_directories or in a libpq list of hosts.
var plainPath = regexp.MustCompile(`^[A-Za-z0-9/._-]+$`)

// place is where the parts of one private PostgreSQL are, and which account runs it.
type place struct {
	dir     string // Config.Dir: locks and log
	data    string // the data directory
	socket  string // the directory of the socket
	account account
}

// makeDir creates Config.Dir if it is missing.
func makeDir(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return fmt.Errorf("data directory %s is not a directory", dir)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("data directory: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil { //nolint:gosec // like mkdir -p; dir itself is private
		return fmt.Errorf("data directory: %w", err)
	}
	mode := fs.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711
	}
	return makePrivate(dir, mode)
}

// makePrivate creates one directory with exactly this mode. An existing one is left as it is.
func makePrivate(dir string, mode fs.FileMode) error {
	err := os.Mkdir(dir, mode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = os.Chmod(dir, mode) // the umask may have removed the x bit that others need
	}
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}

// locate determines where everything is or has to go. It changes nothing.
func locate(dir string) (place, error) {
	p := place{dir: dir, data: filepath.Join(dir, "pg")}
	if target, err := os.Readlink(p.data); err == nil {
		p.data = target
	}
	var err error
	if p.account, err = accountFor(p.data); err != nil {
		return place{}, err
	}
	if !p.account.canEnter(filepath.Dir(p.data)) {
		if exists(p.data) {
			return place{}, fmt.Errorf("PostgreSQL has to run as user %s, who cannot enter %s: grant access or use DATABASE_URL",
				p.account.name, filepath.Dir(p.data))
		}
		p.data = freeElsewhere(dir)
	}
	p.socket = p.data
	if !plainPath.MatchString(p.data) || len(filepath.Join(p.data, socketName)) > maxSocketPath {
		p.socket = "/tmp/alsobought-" + hash(dir+"\x00"+strconv.Itoa(p.account.uid))
	}
	return p, nil
}

// freeElsewhere returns an unused path for a new cluster of dir. An existing path that dir does not link to
// belongs to another directory of this name that was removed, or moved away and is still in use; it is left
// alone.
func freeElsewhere(dir string) string {
	first := filepath.Join(elsewhere, hash(dir))
	data := first
	for n := 2; exists(data); n++ {
		data = first + "-" + strconv.Itoa(n)
	}
	return data
}

// claim prepares the place for a cluster of this kind, durable or throwaway, and refuses one of the other kind.
func (p place) claim(throwaway bool) error {
	mark := filepath.Join(p.dir, throwawayMark)
	switch marked := exists(mark); {
	case p.hasCluster() && marked && !throwaway:
		return fmt.Errorf("data directory %s holds a throwaway database: choose another directory", p.dir)
	case p.hasCluster() && !marked && throwaway:
		return fmt.Errorf("data directory %s holds a durable database, not a throwaway one: choose another directory", p.dir)
	case throwaway && !marked:
		if err := p.onlyOurs(); err != nil {
			return err
		}
		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			return fmt.Errorf("data directory: %w", err)
		}
	case marked && !throwaway: // left by an interrupted first start
		if err := os.Remove(mark); err != nil {
			return fmt.Errorf("data directory: %w", err)
		}
	}
	if !p.moved() {
		return nil
	}
	if err := makePrivate(elsewhere, 0o711); err != nil {
		return err
	}
	link := filepath.Join(p.dir, "pg")
	if err := os.Symlink(p.data, link); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("data directory: %w", err)
	}
	if target, err := os.Readlink(link); err != nil || target != p.data {
		return fmt.Errorf("another process just created data directory %s: try again", p.dir)
	}
	return nil
}

// onlyOurs refuses a directory with other files in it: a throwaway directory is removed as a whole.
func (p place) onlyOurs() error {
	ours := map[string]bool{usersLock: true, startLock: true, serverLock: true, guardianLock: true, logName: true}
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	for _, entry := range entries {
		if !ours[entry.Name()] {
			return fmt.Errorf("data directory %s should be empty but holds %s: choose another directory", p.dir, entry.Name())
		}
	}
	return nil
}

// moved reports whether the data is not below Config.Dir.
func (p place) moved() bool { return p.data != filepath.Join(p.dir, "pg") }

func (p place) hasCluster() bool { return exists(filepath.Join(p.data, "PG_VERSION")) }

// makeSocketDir creates and checks the directory below /tmp, where another user could have created it first.
func (p place) makeSocketDir() error {
	if p.socket == p.data {
		return nil
	}
	err := os.Mkdir(p.socket, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("socket directory: %w", err)
	}
	info, err := os.Lstat(p.socket)
	if err != nil {
		return fmt.Errorf("socket directory: %w", err)
	}
	// We own it if it is new, or if we were killed before changing its owner.
	owner := ownerOf(info)
	if !info.IsDir() || info.Mode().Perm() != 0o700 || owner != p.account.uid && owner != os.Geteuid() {
		return fmt.Errorf("socket directory %s was not created by alsobought: remove it or choose a shorter data directory",
			p.socket)
	}
	if err := p.account.give(p.socket); err != nil {
		return fmt.Errorf("socket directory: %w", err)
	}
	return nil
}

// clear removes what must not outlive the server. The caller holds users.lock exclusively; that file goes last.
func (p place) clear() error {
	if p.socket != p.data {
		if err := os.RemoveAll(p.socket); err != nil {
			return fmt.Errorf("remove socket directory: %w", err)
		}
	}
	if !exists(filepath.Join(p.dir, throwawayMark)) {
		return nil
	}
	paths := []string{p.data, p.data + newSuffix}
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return fmt.Errorf("remove data directory: %w", err)
	}
	for _, entry := range entries {
		if entry.Name() != usersLock {
			paths = append(paths, filepath.Join(p.dir, entry.Name()))
		}
	}
	for _, path := range append(paths, filepath.Join(p.dir, usersLock)) {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove data directory: %w", err)
		}
	}
	// Fails if a new user has already refilled it.
	_ = os.Remove(p.dir)
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func hash(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s)))[:16] }
