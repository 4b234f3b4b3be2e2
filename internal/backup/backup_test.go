package backup_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/backup"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/doctor"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/localpg"
	"github.com/alsobought/alsobought/internal/pg"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// server returns a PostgreSQL of the installed programs, so that pg_dump is never older than it.
type server struct{ *pg.Pool }

func newServer(t *testing.T) server {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	private, err := localpg.Start(t.Context(), localpg.Config{Dir: filepath.Join(dir, "pg"), Throwaway: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := private.Close(); err != nil {
			t.Error(err)
		}
	})
	return server{open(t, private.URL())}
}

func open(t *testing.T, databaseURL string) *pg.Pool {
	t.Helper()
	pool, err := pg.Open(t.Context(), databaseURL, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// empty creates an empty database.
func (s server) empty(t *testing.T, name, owner string) *pg.Pool {
	t.Helper()
	exec(t, s.Pool, "CREATE DATABASE "+name+" OWNER "+owner)
	return open(t, s.url(t, name, owner))
}

func (s server) url(t *testing.T, name, user string) string {
	t.Helper()
	u, err := url.Parse(s.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	query := u.Query()
	query.Set("user", user)
	query.Set("lock_timeout", "1min") // a setting of the session, which libpq does not take by name
	u.RawQuery = query.Encode()
	return u.String()
}

// shop creates a database with orders and a build by copying a template.
func (s server) shop(t *testing.T, name string) *pg.Pool {
	t.Helper()
	exec(t, s.Pool, "CREATE DATABASE "+name+" TEMPLATE model")
	return open(t, s.url(t, name, "alsobought"))
}

func (s server) makeModel(t *testing.T) {
	t.Helper()
	exec(t, s.Pool, "CREATE DATABASE model")
	pool, err := pg.Open(t.Context(), s.url(t, "model", "alsobought"), 4)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close() // or it could not be copied
	if _, err := pg.MigrateUp(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	var orders strings.Builder
	orders.WriteString("order,item\n")
	for n := range 60 {
		fmt.Fprintf(&orders, "o%d,item %d\no%d,item %d\no%d,item %d\n", n, n%7, n, n%5+7, n, n%3+12)
	}
	mustLoad(t, pool, orders.String())
	if _, err := builds.Run(t.Context(), pool, builds.Options{Settings: builds.DefaultSettings(), Keep: 1}); err != nil {
		t.Fatal(err)
	}
}

func mustLoad(t *testing.T, pool *pg.Pool, csv string) {
	t.Helper()
	source := load.Source{
		Name: "orders.csv", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(csv)), nil },
	}
	if _, err := load.Run(t.Context(), pool, []load.Source{source}, load.Options{}); err != nil {
		t.Fatal(err)
	}
}

func exec(t *testing.T, pool *pg.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func mustMake(t *testing.T, pool *pg.Pool, dir string, keep int) (backup.Backup, []string) {
	t.Helper()
	made, pruned, err := backup.Make(t.Context(), pool, backup.Options{Dir: dir, Keep: keep, Jobs: 2, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := backup.Open(t.Context(), made.Path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(made, opened); diff != "" {
		t.Errorf("(-made +opened):\n%s", diff)
	}
	return opened, pruned
}

func mustRestore(t *testing.T, pool *pg.Pool, b backup.Backup) (missing []string) {
	t.Helper()
	missing, err := backup.Restore(t.Context(), pool, b, "")
	if err != nil {
		t.Fatal(err)
	}
	return missing
}

// differences returns the differences of a restored database, whose answers must have been compared.
func differences(t *testing.T, pool *pg.Pool, m backup.Manifest) []string {
	t.Helper()
	compared, err := backup.Compare(t.Context(), pool, m)
	if err != nil {
		t.Fatal(err)
	}
	if !compared.AnswersCompared {
		t.Error("answers were not compared")
	}
	return compared.Differences
}

// refused wants a one-line error with this text.
func refused(t *testing.T, err error, says string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error is %v, want one line that says %q", err, says)
	}
}

func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestBackups(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.makeModel(t)
	for name, test := range map[string]func(*testing.T, server){
		"tampered": tampered, "changed": changed, "refusals": refusals, "interrupted": interrupted, "moved": moved,
		"pruned": pruned, "rules": ruled,
		"older schema": olderSchema,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

// If any byte is changed or missing, nothing is restored.
func tampered(t *testing.T, s server) {
	b, _ := mustMake(t, s.shop(t, "tampered"), t.TempDir(), 0)
	target := s.empty(t, "untouched", "alsobought")
	files, err := filepath.Glob(filepath.Join(b.Path, "*", "*"))
	if err != nil || len(files) != b.Manifest.Files {
		t.Fatalf("%d files, the manifest says %d, error %v", len(files), b.Manifest.Files, err)
	}
	damaged := func(what, file string, content []byte) {
		t.Helper()
		before, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := backup.Open(t.Context(), b.Path); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: %s: error is %v", filepath.Base(file), what, err)
		}
		if err := os.WriteFile(file, before, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range append(files, filepath.Join(b.Path, "manifest.json"), filepath.Join(b.Path, "SHA256SUMS")) {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int{0, len(content) / 3, len(content) / 2, len(content) - 1} {
			flipped := bytes.Clone(content)
			flipped[at] ^= 1
			damaged(fmt.Sprintf("byte %d", at), file, flipped)
		}
		damaged("last byte missing", file, content[:len(content)-1])
		damaged("a byte more", file, append(bytes.Clone(content), '\n'))
		damaged("empty", file, nil)
	}
	sums := filepath.Join(b.Path, "SHA256SUMS")
	content, err := os.ReadFile(sums)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(content), "\n")
	damaged("a line less", sums, []byte(rest))
	if err := os.Rename(files[0], files[0]+".moved"); err != nil {
		t.Fatal(err)
	}
	_, err = backup.Open(t.Context(), b.Path)
	refused(t, err, "is missing")
	if err := os.Rename(files[0]+".moved", files[0]); err != nil {
		t.Fatal(err)
	}
	if b, err = backup.Open(t.Context(), b.Path); err != nil {
		t.Fatal(err)
	}
	// Damaged after verification: still all or nothing.
	data := files[slices.IndexFunc(files, func(f string) bool { return strings.HasSuffix(f, ".dat.gz") })]
	if err := os.Truncate(data, 12); err != nil {
		t.Fatal(err)
	}
	_, err = backup.Restore(t.Context(), target, b, "")
	refused(t, err, "nothing was restored")
	counts, err := backup.CountRows(t.Context(), target)
	if err != nil || len(counts) > 0 {
		t.Errorf("the target has %v, error %v", counts, err)
	}
}

// Every change to a restored database is detected.
func changed(t *testing.T, s server) {
	b, _ := mustMake(t, s.shop(t, "changed"), t.TempDir(), 0)
	target := s.empty(t, "changed_restored", "alsobought")
	if missing := mustRestore(t, target, b); len(missing) > 0 {
		t.Errorf("missing roles: %v", missing)
	}
	for name, c := range map[string]struct{ change, back, says string }{
		"row": {
			"INSERT INTO items (name) VALUES ('new')", "DELETE FROM items WHERE name = 'new'",
			"table public.items had 15 rows and has 16",
		},
		"name": {
			"UPDATE items SET name = 'item x' WHERE name = 'item 1'", "UPDATE items SET name = 'item 1' WHERE name = 'item x'",
			"answers",
		},
		"sequence": {
			"SELECT setval('orders_order_id_seq', 1)", "SELECT setval('orders_order_id_seq', 100)",
			"sequence public.orders_order_id_seq was at 60 and is at 1",
		},
		"table": {"CREATE TABLE more ()", "DROP TABLE more", "table public.more, with 0 rows, is new"},
		"score": {
			"UPDATE item_neighbours SET similar_rank = -similar_rank", "UPDATE item_neighbours SET similar_rank = -similar_rank",
			"answers",
		},
	} {
		if diff := differences(t, target, b.Manifest); len(diff) > 0 {
			t.Fatalf("before %s: %v", name, diff)
		}
		exec(t, target, c.change)
		if diff := differences(t, target, b.Manifest); len(diff) != 1 || !strings.Contains(diff[0], c.says) {
			t.Errorf("%s: differences are %q", name, diff)
		}
		exec(t, target, c.back)
	}
	exec(t, target, "SET ROLE alsobought_reporting; SELECT count(*) FROM reporting.similar_items('item 1', 5); RESET ROLE")
	if findings, _, err := doctor.Run(t.Context(), target); err != nil || len(findings) > 0 {
		t.Errorf("doctor: %v, %v", findings, err)
	}
}

func refusals(t *testing.T, s server) {
	source, dir := s.shop(t, "refusals"), t.TempDir()
	b, _ := mustMake(t, source, dir, 0)
	_, err := backup.Restore(t.Context(), source, b, "")
	refused(t, err, "the database is not empty (it has ")
	for _, something := range []string{
		"CREATE SCHEMA kept", "CREATE FUNCTION kept() RETURNS int LANGUAGE sql RETURN 1",
		"CREATE TYPE kept AS ENUM ()",
	} {
		exec(t, s.Pool, "DROP DATABASE IF EXISTS not_empty WITH (FORCE)")
		target := s.empty(t, "not_empty", "alsobought")
		exec(t, target, something)
		_, err := backup.Restore(t.Context(), target, b, "")
		refused(t, err, "the database is not empty (it has kept)")
	}
	_, _, err = backup.Make(t.Context(), s.empty(t, "not_ours", "alsobought"), backup.Options{Dir: dir})
	refused(t, err, "nothing to back up")
	_, err = backup.Open(t.Context(), filepath.Join(dir, "other"))
	refused(t, err, "there is no backup")
	_, err = backup.Open(t.Context(), t.TempDir())
	refused(t, err, "is not a backup")
	_, err = backup.Newest(t.TempDir())
	refused(t, err, "create one with alsobought backup")
	_, _, err = backup.Make(t.Context(), source, backup.Options{Dir: dir, BinDir: t.TempDir()})
	refused(t, err, "pg_dump of PostgreSQL")
	newer := b
	newer.Manifest.Server = 99
	_, err = backup.Restore(t.Context(), s.empty(t, "old_server", "alsobought"), newer, "")
	refused(t, err, "the backup is from PostgreSQL 99, but this server is version")
	newer = b
	newer.Manifest.PgDump = 99
	_, err = backup.Restore(t.Context(), s.empty(t, "old_programs", "alsobought"), newer, "")
	refused(t, err, "99 or newer is needed")
}

// held starts a backup that blocks on a locked table, and returns when pg_dump waits for it.
func held(ctx context.Context, t *testing.T, pool *pg.Pool, opts backup.Options) (release func(), end <-chan error) {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	if _, err := tx.Exec(t.Context(), "LOCK TABLE api_keys"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, _, err := backup.Make(ctx, pool, opts)
		ended <- err
	}()
	dbtest.Eventually(t, "pg_dump waits for the lock", func(ctx context.Context) (waits bool) {
		select {
		case err := <-ended:
			t.Fatalf("the backup ended: %v", err)
		default:
		}
		err := pool.QueryRow(ctx, `SELECT EXISTS (
			SELECT FROM pg_stat_activity AS a
			WHERE a.datname = current_database() AND a.application_name = 'pg_dump' AND a.wait_event_type = 'Lock'
		)`).Scan(&waits)
		if err != nil {
			t.Fatal(err)
		}
		return waits
	})
	return func() {
		if err := tx.Rollback(t.Context()); err != nil {
			t.Error(err)
		}
	}, ended
}

// An interrupted backup leaves nothing; only one backup runs at a time.
func interrupted(t *testing.T, s server) {
	source, dir := s.shop(t, "interrupted"), t.TempDir()
	left := filepath.Join(dir, "alsobought-20200101T000000Z.unfinished") // left by a kill
	if err := os.MkdirAll(filepath.Join(left, "dump"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	release, end := held(ctx, t, source, backup.Options{Dir: dir})
	if _, err := backup.Newest(dir); err == nil {
		t.Error("an unfinished backup has its name already")
	}
	_, _, err := backup.Make(t.Context(), source, backup.Options{Dir: dir})
	refused(t, err, "another backup is running")
	cancel()
	if err := <-end; err == nil {
		t.Error("it was not interrupted")
	}
	if diff := cmp.Diff([]string{".lock"}, entries(t, dir)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	release()
	mustMake(t, source, dir, 0)
}

// Whatever is committed during a backup is neither in the dump nor in the manifest.
func moved(t *testing.T, s server) {
	source, dir := s.shop(t, "moved"), t.TempDir()
	release, end := held(t.Context(), t, source, backup.Options{Dir: dir})
	mustLoad(t, source, "order,item\nlate,item 1\nlate,item 2\n")
	if _, err := builds.Run(t.Context(), source, builds.Options{Settings: builds.DefaultSettings(), Keep: 1}); err != nil {
		t.Fatal(err)
	}
	release()
	if err := <-end; err != nil {
		t.Fatal(err)
	}
	path, err := backup.Newest(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := backup.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	target := s.empty(t, "moved_restored", "alsobought")
	mustRestore(t, target, b)
	if diff := differences(t, target, b.Manifest); len(diff) > 0 {
		t.Errorf("differences are %q", diff)
	}
	counts, err := backup.CountRows(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	if list := backup.Moved(b.Manifest.Tables, counts); !slices.Contains(list,
		"table public.orders had 60 rows and has 61") {
		t.Errorf("moved on: %q", list)
	}
}

func pruned(t *testing.T, s server) {
	source, dir := s.shop(t, "pruned"), t.TempDir()
	var other string
	for _, name := range []string{
		"keep.txt", "alsobought-20200101T000000Z.tar", "alsobought-20200101T000000Z",
		"alsobought-20990101T000000Z",
	} {
		other = filepath.Join(dir, name)
		if err := os.Mkdir(other, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	others := entries(t, dir)
	foreign := s.shop(t, "stranger")
	exec(t, foreign, "UPDATE goose_db_version SET tstamp = tstamp - interval '1 s'")
	stranger, _ := mustMake(t, foreign, dir, 1)
	first, _ := mustMake(t, source, dir, 1)
	// A backup from before the clock was set back is newer by name, but must not displace the one just made.
	future := filepath.Join(dir, "alsobought-20980101T000000Z")
	if err := os.Rename(first.Path, future); err != nil {
		t.Fatal(err)
	}
	second, gone := mustMake(t, source, dir, 2)
	third, gone3 := mustMake(t, source, dir, 1)
	want := slices.Sorted(slices.Values(append(others, ".lock", stranger.Name(), third.Name())))
	if diff := cmp.Diff(want, entries(t, dir)); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if len(gone) > 0 {
		t.Errorf("removed with two to keep: %q", gone)
	}
	if diff := cmp.Diff([]string{filepath.Base(future), second.Name()}, gone3); diff != "" {
		t.Errorf("removed (-want +got):\n%s", diff)
	}
}

// A rule that has ended since does not change the compared answers.
func ruled(t *testing.T, s server) {
	source := s.shop(t, "ruled")
	exec(t, source,
		`INSERT INTO rules (kind, items, reason, author, valid_until) VALUES ('hide', '{item 1}', 'r', 'a', now() + '3 s')`)
	exec(t, source,
		`INSERT INTO rules (kind, items, reason, author, valid_from) VALUES ('hide', '{item 2}', 'r', 'a', now() + '3 s')`)
	exec(t, source, `INSERT INTO rules (kind, items, reason, author) VALUES ('pin', '{item 3}', 'r', 'a')`)
	b, _ := mustMake(t, source, t.TempDir(), 0)
	target := s.empty(t, "ruled_restored", "alsobought")
	mustRestore(t, target, b)
	exec(t, target, "SELECT pg_sleep_until(max(greatest(valid_from, valid_until))) FROM rules")
	for range 2 { // Compare leaves the database unchanged
		if diff := differences(t, target, b.Manifest); len(diff) > 0 {
			t.Errorf("differences are %q", diff)
		}
	}
	exec(t, target, "UPDATE rules SET valid_until = NULL, ended_at = NULL, ended_by = NULL; "+
		"UPDATE rules SET valid_until = now() WHERE kind = 'pin'")
	earlier := b.Manifest
	earlier.MadeAt = time.Now().Add(time.Hour)
	if diff := differences(t, target, earlier); len(diff) != 1 {
		t.Errorf("with other rules the differences are %q", diff)
	}
}

// A backup does not require the current schema, because it should be made before a migration.
func olderSchema(t *testing.T, s server) {
	source := s.shop(t, "older")
	exec(t, source, "UPDATE installed_functions SET hash = 'other'")
	b, _ := mustMake(t, source, t.TempDir(), 0)
	if b.Manifest.Answers != nil {
		t.Errorf("answers of another schema were recorded: %v", b.Manifest.Answers)
	}
	target := s.empty(t, "older_restored", "alsobought")
	mustRestore(t, target, b)
	compared, err := backup.Compare(t.Context(), target, b.Manifest)
	if diff := cmp.Diff(backup.Comparison{}, compared); err != nil || diff != "" {
		t.Errorf("error %v, compared (-want +got):\n%s", err, diff)
	}
}

// Restored by a user who may not create roles, on a server without them: everything is restored except
// privileges, doctor reports it, and migrate fixes it.
func TestMissingRoles(t *testing.T) {
	t.Parallel()
	from := newServer(t)
	from.makeModel(t)
	source := from.shop(t, "source")
	exec(t, source, `CREATE ROLE "head analyst"; GRANT SELECT ON reporting.loads TO "head analyst"`)
	b, _ := mustMake(t, source, t.TempDir(), 0)

	to := newServer(t)
	exec(t, to.Pool, "CREATE ROLE plain LOGIN")
	target := to.empty(t, "target", "plain")
	missing := slices.Sorted(slices.Values(mustRestore(t, target, b)))
	if diff := cmp.Diff([]string{"alsobought_reporting", "head analyst"}, missing); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	if diff := differences(t, target, b.Manifest); len(diff) > 0 {
		t.Errorf("differences are %q", diff)
	}
	problems := func() (list []string) {
		t.Helper()
		findings, _, err := doctor.Run(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range findings {
			list = append(list, f.Problem)
		}
		return list
	}
	if list := problems(); len(list) != 1 || !strings.Contains(list[0],
		"does not exist on this server: run alsobought migrate up") {
		t.Errorf("doctor says %q", list)
	}
	if applied, err := pg.MigrateUp(t.Context(), target); err != nil || len(applied) > 0 {
		t.Errorf("without the role, migrate applied %v, error %v", applied, err)
	}
	exec(t, to.Pool, "CREATE ROLE alsobought_reporting NOLOGIN")
	if list := problems(); len(list) != 1 || !strings.Contains(list[0], "may not read all reports") {
		t.Errorf("doctor says %q", list)
	}
	if _, err := pg.MigrateUp(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	if list := problems(); len(list) > 0 {
		t.Errorf("doctor says %q", list)
	}
	err := pgx.BeginFunc(t.Context(), open(t, strings.Replace(target.Config().ConnString(), "user=plain",
		"user=alsobought", 1)), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "SET LOCAL ROLE alsobought_reporting; TABLE reporting.loads")
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
