package dbtest_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/pg"
)

// childMode is the environment variable that tells TestChild, in a separate process, what to do.
const childMode = "DBTEST_CHILD"

func TestMain(m *testing.M) { dbtest.Main(m) }

func query(t *testing.T, databaseURL, statement string, args ...any) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), statement, args...)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// nameOf returns the name of the URL's database.
func nameOf(t *testing.T, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}

func exists(t *testing.T, databaseURL, name string) bool {
	t.Helper()
	return len(query(t, databaseURL, "SELECT d.datname::text FROM pg_database AS d WHERE d.datname = $1", name)) > 0
}

const tables = "SELECT c.relname::text FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace AND " +
	"c.relkind IN ('r', 'p') ORDER BY 1"

var filledByMigrate = []string{"goose_db_version", "installed_definitions", "installed_functions", "revisions"}

// Every database is migrated, empty and used by one test only.
func TestNew(t *testing.T) {
	t.Parallel()
	for i := range 3 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			pool := dbtest.New(t)
			if err := pg.CheckSchema(t.Context(), pool); err != nil {
				t.Error(err)
			}
			databaseURL := pool.Config().ConnString()
			rows := 0
			for _, table := range query(t, databaseURL, tables) {
				if !slices.Contains(filledByMigrate, table) {
					rows += len(query(t, databaseURL, "SELECT x::text FROM "+table+" AS x"))
				}
			}
			if rows > 0 {
				t.Errorf("there are %d rows", rows)
			}
			// Sequences start at 1, and no test sees the writes of another: each of the three creates its own first item.
			if got := query(t, databaseURL, "INSERT INTO items (name) VALUES ('mine') RETURNING item_id::text"); got[0] != "1" {
				t.Errorf("the first item has the number %s", got[0])
			}
		})
	}
}

func TestNewEmptyURL(t *testing.T) {
	t.Parallel()
	if got := query(t, dbtest.NewEmptyURL(t), tables); len(got) > 0 {
		t.Errorf("there are tables: %q", got)
	}
}

// However many tests ask concurrently, there is one template of these migrations and no unfinished one.
func TestTemplateIsMadeOnce(t *testing.T) {
	t.Parallel()
	urls := make([]string, 4)
	var asking sync.WaitGroup
	for i := range urls {
		asking.Go(func() { urls[i] = dbtest.NewURL(t) })
	}
	asking.Wait()
	const templates = `SELECT d.oid || ' ' || d.datname FROM pg_database AS d
		WHERE d.datname LIKE 'template\_%' ORDER BY 1`
	before := query(t, urls[0], templates)
	dbtest.NewURL(t)
	if diff := cmp.Diff(before, query(t, urls[0], templates)); diff != "" {
		t.Errorf("one more database changed the templates (-before +after):\n%s", diff)
	}
	whole := 0
	for _, template := range before {
		if regexp.MustCompile(` template_[0-9a-f]{16}$`).MatchString(template) {
			whole++
		}
	}
	names := map[string]bool{}
	for _, u := range urls {
		names[nameOf(t, u)] = true
	}
	if whole == 0 || len(names) != len(urls) {
		t.Errorf("templates %q, databases %v", before, names)
	}
}

// A test that passes leaves no database, not even one that is still in use.
func TestDropped(t *testing.T) { //nolint:tparallel // the inner test has to end before the outer one looks
	t.Parallel()
	witness := dbtest.NewEmptyURL(t)
	var names []string
	var leaked *pgx.Conn
	t.Run("a test", func(t *testing.T) {
		pool := dbtest.New(t)
		var err error
		if leaked, err = pgx.Connect(t.Context(), pool.Config().ConnString()); err != nil {
			t.Fatal(err)
		}
		names = []string{nameOf(t, pool.Config().ConnString()), nameOf(t, dbtest.NewEmptyURL(t))}
		for _, name := range names {
			if !exists(t, witness, name) {
				t.Errorf("%s is not there", name)
			}
		}
	})
	defer leaked.Close(context.Background())
	for _, name := range names {
		if exists(t, witness, name) {
			t.Errorf("%s is still there", name)
		}
	}
}

// TestChild runs in a child process, and fails there if told to. In the parent it only creates a database.
func TestChild(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	t.Logf("child database %s", nameOf(t, pool.Config().ConnString()))
	switch os.Getenv(childMode) {
	case "fail":
		t.Error("failed on purpose")
	case "leak":
		go func() { select {} }()
	}
}

// TestChildren checks what a test process leaves behind: on a server given by TEST_DATABASE_URL the database of a
// failed test, with a hint how to inspect it; otherwise nothing. A leaked goroutine fails the run.
func TestChildren(t *testing.T) {
	t.Parallel()
	witness := dbtest.NewEmptyURL(t)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, mode string
		given      bool // by TEST_DATABASE_URL
		status     int
		kept       bool
	}{
		{"passes on a given server", "pass", true, 0, false},
		{"fails on a given server", "fail", true, 1, true},
		{"passes on the private one", "pass", false, 0, false},
		{"fails on the private one", "fail", false, 1, false},
		{"leaks a goroutine", "leak", true, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			child := exec.CommandContext(ctx, program, "-test.run=^TestChild$", "-test.v")
			child.Env = append(os.Environ(), childMode+"="+c.mode, "TEST_DATABASE_URL=")
			if c.given {
				child.Env = append(child.Env, "TEST_DATABASE_URL="+witness)
			}
			output, _ := child.CombinedOutput()
			if got := child.ProcessState.ExitCode(); got != c.status {
				t.Fatalf("exit status %d, want %d:\n%s", got, c.status, output)
			}
			if leak := strings.Contains(string(output), "found unexpected goroutines"); leak != (c.mode == "leak") {
				t.Errorf("leak reported: %t\n%s", leak, output)
			}
			named := regexp.MustCompile(`child database (test_\w+)`).FindStringSubmatch(string(output))
			if named == nil {
				t.Fatalf("no database:\n%s", output)
			}
			kept := regexp.MustCompile(`kept for a look: psql '([^']+)'`).FindStringSubmatch(string(output))
			if (kept != nil) != c.kept {
				t.Fatalf("kept %q, want %t:\n%s", kept, c.kept, output)
			}
			if !c.given {
				return
			}
			if got := exists(t, witness, named[1]); got != c.kept {
				t.Errorf("%s exists: %t, want %t", named[1], got, c.kept)
			}
			if c.kept {
				if got := nameOf(t, kept[1]); got != named[1] {
					t.Errorf("it says %s, the database is %s", kept[1], named[1])
				}
				query(t, witness, "DROP DATABASE "+named[1]+" WITH (FORCE)")
			}
		})
	}
}
