package localpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		throwaway bool
		fsync     string
	}{{"durable", false, "on"}, {"throwaway", true, "off"}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, Config{Dir: filepath.Join(tempDir(t), "data"), Throwaway: test.throwaway})
			want := map[string]string{
				"fsync": test.fsync, "synchronous_commit": test.fsync, "full_page_writes": test.fsync,
				"listen_addresses": "", "wal_level": "minimal", "server_encoding": "UTF8", "jit": "off",
				"TimeZone": "UTC", "shared_buffers": "256MB", "data_directory": s.Dir(), "unix_socket_permissions": "0700",
			}
			got := map[string]string{}
			for name := range want {
				got[name] = query(t, s.URL(), "SHOW "+name)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			const collation = `SELECT datcollate FROM pg_database WHERE datname = current_database()`
			if got := query(t, s.URL(), collation); got != "C" {
				t.Errorf("collation = %s", got)
			}
			if got := query(t, s.URL(), `SELECT current_user`); got != superuser {
				t.Errorf("user = %s", got)
			}
		})
	}
}

// TestToolsTakeTheURL also shows that wal_level minimal does not stand in the way of a dump.
func TestToolsTakeTheURL(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Dir: filepath.Join(tempDir(t), "with space, and comma"), Throwaway: true})
	execute(t, s.URL(), `CREATE TABLE kept AS SELECT 'seen' AS word`)
	for _, tool := range [][]string{
		{"psql", "-X", "-c", "SELECT word FROM kept", s.URL()},
		{"pg_dump", s.URL()},
	} {
		bin, err := findBinaries(t.Context(), "", 0)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), bin.path(tool[0]), tool[1:]...)
		cmd.Env = append(os.Environ(), "PGPORT=1", "PGHOST=/nowhere", "PGUSER=somebody", "PGDATABASE=other")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "seen") {
			t.Errorf("%s: %v\n%s", tool[0], err, out)
		}
	}
}

// TestStartErrors: one line each, with the reason.
func TestStartErrors(t *testing.T) {
	t.Parallel()
	// fake makes programs that are nothing but a version.
	fake := func(t *testing.T, version string) string {
		dir := tempDir(t)
		script := fmt.Sprintf("#!/bin/sh\necho 'postgres (PostgreSQL) %s'\n", version)
		for _, name := range []string{"postgres", "initdb"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	// made is a cluster, changed by the commands given.
	made := func(t *testing.T, commands string) Config {
		s := start(t, Config{Dir: filepath.Join(tempDir(t), "data")})
		closeServer(t, s)
		cmd := exec.Command("sh", "-ec", commands)
		cmd.Dir = s.Dir()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return Config{Dir: s.cfg.Dir}
	}
	for _, test := range []struct {
		name string
		cfg  func(t *testing.T) Config
		want string
	}{
		{"no directory given", func(t *testing.T) Config { return Config{} }, "no data directory given"},
		{"a file", func(t *testing.T) Config {
			file := filepath.Join(tempDir(t), "file")
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return Config{Dir: file}
		}, "is not a directory"},
		{"below a file", func(t *testing.T) Config { return Config{Dir: "/dev/null/data"} }, "not a directory"},
		{"no programs", func(t *testing.T) Config {
			return Config{Dir: filepath.Join(tempDir(t), "data"), BinDir: tempDir(t)}
		}, "apt-get install postgresql"},
		{"old programs", func(t *testing.T) Config {
			return Config{Dir: filepath.Join(tempDir(t), "data"), BinDir: fake(t, "13.9")}
		}, "PostgreSQL 13 in"},
		{"initdb fails", func(t *testing.T) Config {
			dir := fake(t, "15.1")
			script := "#!/bin/sh\necho 'initdb: error: no space left in the world' >&2; echo bye; exit 1"
			if err := os.WriteFile(filepath.Join(dir, "initdb"), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			return Config{Dir: filepath.Join(tempDir(t), "data"), BinDir: dir}
		}, "no space left in the world (log: "},
		{
			"data of another version", func(t *testing.T) Config { return made(t, "echo 99 >PG_VERSION") },
			"the data is from PostgreSQL 99",
		},
		{"no control file", func(t *testing.T) Config { return made(t, "rm global/pg_control") }, "pg_control"},
		{
			"no write-ahead log", func(t *testing.T) Config { return made(t, "rm pg_wal/0*") },
			"could not locate a valid checkpoint record (log: ",
		},
		{"others may read it", func(t *testing.T) Config { return made(t, "chmod 755 .") }, "invalid permissions"},
		{"something else is there", func(t *testing.T) Config { return made(t, "rm PG_VERSION") }, "file exists"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cfg := test.cfg(t)
			_, err := Start(withPatience(t), cfg)
			assertOneLine(t, err, test.want)
			t.Log(err)
			eventually(t, "no process is left", func() bool { return cfg.Dir == "" || len(processes(t, cfg.Dir)) == 0 })
		})
	}
	t.Run("sentinel", func(t *testing.T) {
		t.Parallel()
		_, err := Start(withPatience(t), Config{Dir: filepath.Join(tempDir(t), "data"), BinDir: "/nowhere"})
		if !errors.Is(err, ErrNoServer) {
			t.Errorf("error = %v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(withPatience(t))
		cancel()
		dir := filepath.Join(tempDir(t), "data")
		_, err := Start(ctx, Config{Dir: dir, Throwaway: true})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v", err)
		}
		if exists(filepath.Join(dir, "pg")) {
			t.Error("a cluster was made")
		}
	})
}

// TestServerOfOthers: a postmaster that somebody started by hand is neither used nor touched.
func TestServerOfOthers(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Dir: filepath.Join(tempDir(t), "data")})
	closeServer(t, s)
	bin, err := findBinaries(t.Context(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := s.place.account.command(withPatience(t), bin.path("postgres"), "-D", s.Dir(), "-c",
		"listen_addresses=", "-k", s.Dir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "it is ready", func() bool { return readPostmaster(s.Dir()).ready })
	_, err = Start(withPatience(t), Config{Dir: s.cfg.Dir})
	assertOneLine(t, err, "that alsobought did not start is running in")
	execute(t, s.URL(), `SELECT 1`)
}

func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	path := filepath.Join(dir, logName)
	if err := os.WriteFile(path, make([]byte, maxLogSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := openServerLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer log.close()
	if _, err := log.file.WriteString("2026-01-01 UTC [1] FATAL:  reason\n2026-01-01 UTC [2] FATAL: " +
		" the database system is starting up\nLOG:  bye\n"); err != nil {
		t.Fatal(err)
	}
	if got := log.reason(); got != "reason" {
		t.Errorf("reason = %q", got)
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 1000 {
		t.Errorf("log: %v, %v", info, err)
	}
}
