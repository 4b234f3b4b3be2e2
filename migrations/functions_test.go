package migrations_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/migrations"
)

// Every file of functions/ is installed exactly once.
func TestFunctionsAreAllThere(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("functions/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, f := range migrations.Functions() {
		listed = append(listed, f.Name)
	}
	slices.Sort(listed)
	if diff := cmp.Diff(paths, listed); diff != "" {
		t.Errorf("files (-there +installed):\n%s", diff)
	}
}

// older makes the functions of a database those of another version: another hash, another body of a function,
// and one that is no longer needed.
var older = []string{
	`UPDATE installed_functions SET hash = repeat('0', 64), signatures = signatures || '{obsolete()}'`,
	`CREATE OR REPLACE FUNCTION grouped(number bigint) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE RETURN 'many'`,
	`CREATE FUNCTION obsolete() RETURNS integer LANGUAGE sql RETURN 1`,
}

// Functions of another version are refused and replaced by the next migrate; concurrent ones replace them once.
func TestFunctionsAreReplaced(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	exec(t, pool, `GRANT EXECUTE ON FUNCTION reporting.explain TO pg_monitor`)
	granted := schema(t, pool)
	for _, statement := range older {
		exec(t, pool, statement)
	}
	if err := pg.CheckSchema(t.Context(), pool); !errors.Is(err, pg.ErrSchema) ||
		!strings.Contains(err.Error(), "alsobought migrate up") {
		t.Errorf("other functions are served: %v", err)
	}
	status, err := pg.MigrateStatus(t.Context(), pool)
	if err != nil || status[len(status)-1].AppliedAt != nil {
		t.Errorf("status of other functions: %+v, error %v", status, err)
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	var did []string
	for range 2 {
		running.Go(func() {
			applied, err := pg.MigrateUp(t.Context(), pool)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			did = append(did, namesOf(applied)...)
		})
	}
	running.Wait()
	if diff := cmp.Diff([]string{"functions"}, did); diff != "" {
		t.Errorf("two at once (-want +did):\n%s", diff)
	}
	if err := pg.CheckSchema(t.Context(), pool); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(granted, schema(t, pool)); diff != "" {
		t.Errorf("schema, with a grant of the owner's (-before +after):\n%s", diff)
	}
}

// If one statement fails, all functions stay as they were.
func TestFunctionsAreReplacedAsAWhole(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	for _, statement := range older {
		exec(t, pool, statement)
	}
	// The last file replaces this view, which cannot lose a column.
	exec(t, pool, `DROP VIEW reporting.rules`)
	exec(t, pool, `CREATE VIEW reporting.rules AS SELECT r.*, 1 AS one_more
		FROM rules r`) //nolint:unqueryvet // and one more
	before := schema(t, pool)
	if applied, err := pg.MigrateUp(t.Context(), pool); err == nil ||
		!strings.Contains(err.Error(), "functions/reporting.sql: ") || len(applied) > 0 {
		t.Errorf("applied %+v, error %v", applied, err)
	}
	if diff := cmp.Diff(before, schema(t, pool)); diff != "" {
		t.Errorf("schema (-before +after):\n%s", diff)
	}
	exec(t, pool, `DROP VIEW reporting.rules`)
	if applied, err := pg.MigrateUp(t.Context(), pool); err != nil || len(applied) != 1 {
		t.Errorf("mended, it applied %+v, error %v", applied, err)
	}
	if err := pg.CheckSchema(t.Context(), pool); err != nil {
		t.Error(err)
	}
}

// A database migrated by a newer version keeps its functions.
func TestOlderProgramReplacesNothing(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	exec(t, pool, `UPDATE installed_functions SET hash = repeat('0', 64)`)
	exec(t, pool, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (1000, true)`)
	if applied, err := pg.MigrateUp(t.Context(), pool); !errors.Is(err, pg.ErrSchema) || len(applied) > 0 {
		t.Errorf("applied %+v, error %v", applied, err)
	}
}

// The definitions of every function, view and trigger are recorded; migrate restores those that were changed by
// hand.
func TestFunctionsAreMended(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	differ := `SELECT d.kind || ' ' || d.name FROM current_definitions() AS d
		LEFT JOIN installed_definitions AS i ON i.kind = d.kind AND i.name = d.name
		WHERE i.sha256 IS DISTINCT FROM d.sha256 ORDER BY 1`
	if got := texts(t, pool, differ); len(got) > 0 {
		t.Errorf("not noted as made: %q", got)
	}
	mend := func(want bool) {
		t.Helper()
		if applied, err := pg.MigrateUp(t.Context(), pool); err != nil || len(applied) > 0 != want {
			t.Errorf("applied %+v, error %v", applied, err)
		}
	}
	mend(false)
	before := schema(t, pool)
	exec(t, pool,
		`CREATE OR REPLACE FUNCTION closest_neighbours() RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 21`)
	exec(t, pool, `DROP VIEW reporting.order_deletions`)
	mend(true)
	mend(false)
	if diff := cmp.Diff(before, schema(t, pool)); diff != "" {
		t.Errorf("schema (-before +mended):\n%s", diff)
	}

	// Definitions that a migration created survive the replacement of functions.
	exec(t, pool, `ALTER TABLE orders DISABLE TRIGGER orders_deleted`)
	exec(t, pool, `DROP VIEW reporting.order_deletions`)
	mend(true)
	if diff := cmp.Diff([]string{"trigger orders_deleted of orders"}, texts(t, pool, differ)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
