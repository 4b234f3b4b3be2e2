package pg_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3/lock"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/pg"
)

func TestCheckSchema(t *testing.T) {
	t.Parallel()
	pool := open(t, dbtest.NewEmptyURL(t), 2)
	migrate := func(do func() ([]pg.Migration, error)) {
		t.Helper()
		if _, err := do(); err != nil {
			t.Fatal(err)
		}
	}
	check := func(state, want string) {
		t.Helper()
		switch err := pg.CheckSchema(t.Context(), pool); {
		case want == "" && err != nil, want != "" && (!errors.Is(err, pg.ErrSchema) || err.Error() != "wrong schema: "+want):
			t.Errorf("%s: error is %v, want %q", state, err, want)
		}
	}
	check("empty", "the database has no alsobought tables yet: run alsobought migrate up")
	if got := texts(t, pool,
		"SELECT c.relname::text FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace"); len(got) > 0 {
		t.Errorf("the question made %q", got)
	}
	migrate(func() ([]pg.Migration, error) { return pg.MigrateUp(t.Context(), pool) })
	check("up to date", "")
	status, err := pg.MigrateStatus(t.Context(), pool)
	if err != nil || len(status) < 2 {
		t.Fatalf("status %v, error %v", status, err)
	}
	before, newest := status[len(status)-3].Version, status[len(status)-2].Version // the functions come last

	migrate(func() ([]pg.Migration, error) { return pg.MigrateDown(t.Context(), pool, false) })
	check("older", fmt.Sprintf("the database is at version %d, this program needs %d: run alsobought migrate up", before,
		newest))
	migrate(func() ([]pg.Migration, error) { return pg.MigrateDown(t.Context(), pool, true) })
	check("taken back", fmt.Sprintf("the database is at version %d, this program needs %d: run alsobought migrate up", 0,
		newest))
	migrate(func() ([]pg.Migration, error) { return pg.MigrateUp(t.Context(), pool) })
	check("up again", "")

	mustExec(t, pool, "INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, true)", newest+1)
	check("newer", fmt.Sprintf("the database is at version %d, this program supports %d: use a newer alsobought", newest+1,
		newest))
}

// Migrations on a server that has none of our roles.
func TestMigrateFreshServer(t *testing.T) {
	t.Parallel()
	admin := open(t, ownServer(t).URL(), 2)
	database := func(name, owner string) string {
		t.Helper()
		mustExec(t, admin, "CREATE DATABASE "+name+" OWNER "+owner)
		before, params, _ := strings.Cut(admin.Config().ConnString(), "?")
		return before[:strings.LastIndex(before, "/")+1] + name + "?" + params
	}
	roleExists := func() bool {
		t.Helper()
		return texts(t, admin, "SELECT count(*)::text FROM pg_roles AS r WHERE r.rolname = 'alsobought_reporting'")[0] == "1"
	}

	// A user without CREATEROLE can migrate. An administrator creates the reporting role later.
	mustExec(t, admin, "CREATE ROLE plain LOGIN PASSWORD 'plain' NOCREATEROLE NOCREATEDB")
	plain := open(t, dbtest.As(t, database("of_plain", "plain"), "plain", "plain"), 1)
	if applied, err := pg.MigrateUp(t.Context(), plain); err != nil || len(applied) == 0 {
		t.Fatalf("a plain user migrated %v, error %v", applied, err)
	}
	if err := pg.CheckSchema(t.Context(), plain); err != nil {
		t.Error(err)
	}
	if roleExists() {
		t.Error("a user made a role who may not")
	}
	if reverted, err := pg.MigrateDown(t.Context(), plain, true); err != nil || len(reverted) == 0 {
		t.Errorf("a plain user took back %v, error %v", reverted, err)
	}

	// Concurrent migrations of several databases all create the same role.
	var running sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		pool := open(t, database(name, "alsobought"), 1)
		running.Go(func() {
			if _, err := pg.MigrateUp(t.Context(), pool); err != nil {
				t.Errorf("database %s: %v", name, err)
			}
			if err := reads(t, pool, "reporting.loads"); err != nil {
				t.Errorf("database %s: the role may not read: %v", name, err)
			}
		})
	}
	running.Wait()
	if !roleExists() {
		t.Error("nobody made the role")
	}

	// A plain user grants his objects to the role that now exists.
	if _, err := pg.MigrateUp(t.Context(), plain); err != nil {
		t.Fatal(err)
	}
	granted := texts(t, plain, "SELECT has_table_privilege('alsobought_reporting', 'reporting.loads', 'SELECT')::text")
	if diff := cmp.Diff([]string{"true"}, granted); diff != "" {
		t.Errorf("granted (-want +got):\n%s", diff)
	}
}

// reads selects from a relation as the reporting role.
func reads(t *testing.T, pool *pg.Pool, relation string) error {
	t.Helper()
	return pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "SET LOCAL ROLE alsobought_reporting; TABLE "+relation)
		return err
	})
}

// Callers that wait for another migration learn who runs it.
func TestMigrateTellsWhomItWaitsFor(t *testing.T) {
	t.Parallel()
	databaseURL := dbtest.NewEmptyURL(t)
	holder := connect(t, dbtest.As(t, databaseURL, "", "", "application_name", "the other"))
	if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_lock($1)", lock.DefaultLockID); err != nil {
		t.Fatal(err)
	}
	var notices []string
	applied, err := pg.MigrateUp(t.Context(), open(t, databaseURL, 2), func(text string) {
		notices = append(notices, text)
		if _, err := holder.Exec(t.Context(), "SELECT pg_advisory_unlock_all()"); err != nil {
			t.Error(err)
		}
	})
	if err != nil || len(applied) == 0 {
		t.Errorf("it applied %v, error %v", applied, err)
	}
	want := fmt.Sprintf("process %d (role %s, application the other)", holder.PgConn().PID(), holder.Config().User)
	if len(notices) != 1 || !strings.Contains(notices[0], want) {
		t.Errorf("it notices %q, want %q", notices, want)
	}
}

// The prefix becomes part of unquoted names in SQL.
func TestPrefixOfRoles(t *testing.T) {
	t.Parallel()
	pool := open(t, dbtest.NewEmptyURL(t), 1)
	for _, prefix := range []string{"", "Shop", "1shop", "a b", `a"b`, "pg'", strings.Repeat("x", 51)} {
		_, err := pg.MigrateUpWithRoles(t.Context(), pool, prefix)
		if err == nil || !strings.Contains(err.Error(), "the prefix of roles is") {
			t.Errorf("%q: error is %v", prefix, err)
		}
	}
}

// After a crash, the sequence of goose's table may be behind.
func TestMigrateAfterCrash(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	if _, err := pg.MigrateDown(t.Context(), pool, false); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "SELECT setval('goose_db_version_id_seq', 1)"); err != nil {
		t.Fatal(err)
	}
	if applied, err := pg.MigrateUp(t.Context(), pool); err != nil || len(applied) == 0 {
		t.Errorf("applied %+v, error %v", applied, err)
	}
}
