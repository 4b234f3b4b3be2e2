package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// oldest is the oldest supported major version.
const oldest = 14

// ErrNoServer is returned by Start when there is no PostgreSQL to start.
var ErrNoServer = errors.New("no PostgreSQL server programs found: " +
	"install them (Debian: apt-get install postgresql) or set DATABASE_URL")

var majorVersion = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// installed lists where packages put the server programs.
var installed = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/usr/local/pgsql/bin",
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
}

// binaries are the server programs of one installation.
type binaries struct {
	dir   string
	major int
}

// findBinaries returns the server programs of major version want, or the newest ones if want is 0.
func findBinaries(ctx context.Context, binDir string, want int) (binaries, error) {
	dirs := []string{binDir}
	if binDir == "" {
		dirs = searchDirs("postgres")
	}
	var newest binaries
	for _, dir := range dirs {
		found, err := versionOf(ctx, dir)
		if ctx.Err() != nil {
			return binaries{}, fmt.Errorf("find PostgreSQL: %w", ctx.Err())
		}
		if err != nil {
			continue // for example, leftovers of a removed package
		}
		if found.major == want && want >= oldest {
			return found, nil
		}
		if found.major > newest.major {
			newest = found
		}
	}
	switch {
	case newest.major == 0 && binDir != "":
		return binaries{}, fmt.Errorf("%s: %w", binDir, ErrNoServer)
	case newest.major == 0:
		return binaries{}, ErrNoServer
	case newest.major < oldest:
		return binaries{}, fmt.Errorf("PostgreSQL %d in %s is too old: install %d or newer, or set DATABASE_URL",
			newest.major, newest.dir, oldest)
	case want != 0:
		return binaries{}, fmt.Errorf("the data is from PostgreSQL %d, but the server programs in %s are version %d: "+
			"install PostgreSQL %d or choose another data directory",
			want, newest.dir, newest.major, want)
	}
	return newest, nil
}

// Program returns the path and the major version of a client program such as pg_dump. Among the installed
// versions it picks the oldest that is at least atLeast, because its output can be read by older servers. If
// binDir is not empty, it searches only there.
func Program(ctx context.Context, binDir, name string, atLeast int) (path string, major int, err error) {
	dirs := []string{binDir}
	if binDir == "" {
		dirs = searchDirs(name)
	}
	newest := 0
	for _, dir := range dirs {
		found, err := majorOf(ctx, filepath.Join(dir, name))
		if ctx.Err() != nil {
			return "", 0, fmt.Errorf("find %s: %w", name, ctx.Err())
		}
		if err != nil {
			continue
		}
		newest = max(newest, found)
		if found >= atLeast && (major == 0 || found < major) {
			path, major = filepath.Join(dir, name), found
		}
	}
	const hint = "install it (Debian, Ubuntu: apt-get install postgresql-client-%d) or name its directory with --pg-bin"
	switch {
	case major > 0:
		return path, major, nil
	case newest > 0:
		return "", 0, fmt.Errorf("%s is version %d, but %d or newer is needed: "+hint, name, newest, atLeast, atLeast)
	}
	return "", 0, fmt.Errorf("%s of PostgreSQL %d or newer is not installed: "+hint, name, atLeast, atLeast)
}

func searchDirs(program string) []string {
	var dirs []string
	for _, pattern := range installed {
		found, err := filepath.Glob(pattern)
		if err != nil {
			panic(err) // the patterns are constants
		}
		dirs = append(dirs, found...)
	}
	if path, err := exec.LookPath(program); err == nil {
		// initdb is next to the program itself, not next to a symlink to it.
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	return dirs
}

func versionOf(ctx context.Context, dir string) (binaries, error) {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return binaries{}, err
	}
	major, err := majorOf(ctx, filepath.Join(dir, "postgres"))
	return binaries{dir: dir, major: major}, err
}

// majorOf returns the major version that a PostgreSQL program prints.
func majorOf(ctx context.Context, program string) (int, error) {
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return 0, err
	}
	match := majorVersion.FindSubmatch(out)
	if match == nil {
		return 0, fmt.Errorf("%s: no version in %q", program, out)
	}
	return strconv.Atoi(string(match[1]))
}

func (b binaries) path(program string) string { return filepath.Join(b.dir, program) }
