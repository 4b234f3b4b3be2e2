package load_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/alsobought/alsobought/internal/load"
)

// A load that runs out of disk space fails with an error that says so, leaves nothing behind, and succeeds once there
// is space. The disk is not really full: the server may not write files above a certain size, which makes it fail at
// the same place and in the same way, when a file has to grow.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir, usual := filepath.Join(openTempDir(t), "server"), os.Getenv("ALSOBOUGHT_PG_BIN")
	server, pool := startServer(t, dir, usual)
	mustRun(t, pool, content("before.csv", []byte("order,item,quantity\no1,item 1,2\no2,kept,1\no2,,1\n")))
	before, rows := state(t, pool), manyRows(400_000)
	limited := limitedPrograms(t, server.Dir())
	closeServer(t, server, pool)

	server, pool = startServer(t, dir, limited)
	_, err := load.Run(t.Context(), pool, []load.Source{content("orders.csv", rows)}, options)
	if refused := new(pgconn.PgError); !errors.As(err, &refused) ||
		!strings.Contains(refused.Message, "could not extend file") {
		t.Errorf("error is %v, want one of a file that cannot grow", err)
	}
	assertSame(t, pool, before)
	assertHealthy(t, pool)
	if got := audit(t, pool); len(got) != 2 || !strings.HasPrefix(got[1], "failed: copy rows: ") ||
		!strings.Contains(got[1], "could not extend file") {
		t.Errorf("audit: %q", got)
	}
	closeServer(t, server, pool)

	server, pool = startServer(t, dir, usual)
	assertSame(t, pool, before)
	mustRun(t, pool, content("orders.csv", rows))
	assertHealthy(t, pool)
	closeServer(t, server, pool)
}

// limitedPrograms returns a directory with the server programs of a cluster whose postgres cannot write files above 20
// MiB: larger than a WAL segment, smaller than the staged rows.
func limitedPrograms(t *testing.T, data string) string {
	t.Helper()
	opts, err := os.ReadFile(filepath.Join(data, "postmaster.opts"))
	if err != nil {
		t.Fatal(err)
	}
	program, _, _ := strings.Cut(string(opts), " ")
	dir := openTempDir(t)
	script := fmt.Sprintf("#!/bin/sh\nulimit -f %d\nexec '%s' \"$@\"\n", 20<<20/512, program)
	if err := os.WriteFile(filepath.Join(dir, "postgres"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(filepath.Dir(program), "initdb"), filepath.Join(dir, "initdb")); err != nil {
		t.Fatal(err)
	}
	return dir
}
