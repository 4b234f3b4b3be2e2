// Package dbtest gives every test its own PostgreSQL database on a real server: migrated once into a template, then
// cloned in milliseconds.
//
// The server is a private one (package localpg), not durable and shared by all test processes that run at the same
// time, or that of TEST_DATABASE_URL (a superuser's URL). On the latter, a failed test keeps its database and logs how
// to inspect it.
package dbtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/alsobought/alsobought/internal/localpg"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/migrations"
)

// server is the server of this process, started by the first test that needs it.
var server struct {
	once    sync.Once
	private *localpg.Server
	url     string
	err     error
}

// Main runs the tests of a package and exits. Call it from TestMain.
func Main(m *testing.M) {
	os.Exit(Run(m))
}

// Run runs the tests of a package, disconnects from the server, and fails if goroutines are left. It returns the exit
// status.
func Run(m *testing.M) int {
	code := m.Run()
	if server.private != nil {
		if err := server.private.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "dbtest:", err)
			code = 1
		}
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "dbtest:", err)
			code = 1
		}
	}
	return code
}

// New returns a pool on a migrated, empty database for this test alone.
func New(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := pg.Open(t.Context(), NewURL(t), 8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// NewURL returns the URL of a migrated, empty database for this test alone.
func NewURL(t testing.TB) string {
	t.Helper()
	return create(t, template)
}

// NewEmptyURL returns the URL of a database without tables for this test alone.
func NewEmptyURL(t testing.TB) string {
	t.Helper()
	return create(t, func(context.Context, *pgx.Conn) (string, error) { return "template0", nil })
}

// NewRoles returns the URL of an empty database for this test alone, and a prefix for the names of roles. Roles belong
// to the whole server: those with the prefix are dropped after the test.
func NewRoles(t testing.TB) (databaseURL, prefix string) {
	t.Helper()
	prefix = "test_" + randomName()
	t.Cleanup(func() { // after the database, which they may own
		if !t.Failed() || server.private != nil {
			dropRoles(t, prefix)
		}
	})
	return NewEmptyURL(t), prefix
}

// As returns a database URL with another user, password and additional parameters.
func As(t testing.TB, databaseURL, user, password string, params ...string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if user != "" {
		q.Del("user")
		if u.Host == "" {
			q.Set("user", user)
			q.Set("password", password)
		} else {
			u.User = url.UserPassword(user, password)
		}
	}
	for i := 0; i < len(params); i += 2 {
		q.Set(params[i], params[i+1])
	}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // libpq does not decode + as a space
	return u.String()
}

func create(t testing.TB, templateOf func(context.Context, *pgx.Conn) (string, error)) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	server.once.Do(func() { server.private, server.url, server.err = start(ctx) })
	if server.err != nil {
		t.Fatalf("dbtest: %v", server.err)
	}
	admin, err := pgx.Connect(ctx, server.url)
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	defer func() { _ = admin.Close(ctx) }() // the connection is no longer needed
	from, err := templateOf(ctx, admin)
	if err != nil {
		t.Fatalf("dbtest: template: %v", err)
	}
	name := "test_" + randomName()
	// FILE_COPY is faster with the data in memory, and the only strategy in PostgreSQL 14.
	strategy := " STRATEGY FILE_COPY"
	if number := admin.PgConn().ParameterStatus("server_version"); number < "15" {
		strategy = ""
	}
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+from+strategy); err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	databaseURL, err := withDatabase(server.url, name)
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() && server.private == nil {
			t.Logf("dbtest: kept for a look: psql '%s'", databaseURL)
			return
		}
		drop(t, name)
	})
	return databaseURL
}

func start(ctx context.Context) (*localpg.Server, string, error) {
	if given := os.Getenv("TEST_DATABASE_URL"); given != "" {
		return nil, given, nil
	}
	name, programs := fmt.Sprintf("alsobought-test-%d", os.Getuid()), os.Getenv("ALSOBOUGHT_PG_BIN")
	if programs != "" { // concurrent tests may use another version
		sum := sha256.Sum256([]byte(programs))
		name += "-" + hex.EncodeToString(sum[:4])
	}
	private, err := localpg.Start(ctx, localpg.Config{
		Dir:       filepath.Join(serverRoot(), name),
		Throwaway: true,
		BinDir:    programs,
		Database:  "postgres",
	})
	if err != nil {
		return nil, "", err
	}
	return private, private.URL(), nil
}

// serverRoot is in memory if there is enough, because cloning a template is ten times faster there. Containers usually
// have only 64 MiB.
func serverRoot() string {
	const enough, shm = 2 << 30, "/dev/shm"
	var room unix.Statfs_t
	if err := unix.Statfs(shm, &room); err != nil || room.Bavail*uint64(room.Bsize) < enough {
		return os.TempDir()
	}
	return shm
}

// template returns the name of the template database of these migrations. It creates a missing one under a lock, and
// under a temporary name until it is complete.
func template(ctx context.Context, admin *pgx.Conn) (string, error) {
	name, err := templateName()
	if err != nil {
		return "", err
	}
	if exists, err := databaseExists(ctx, admin, name); err != nil || exists {
		return name, err
	}
	const lock = 0x616c7465
	if _, err := admin.Exec(ctx, "SELECT pg_advisory_lock($1)", lock); err != nil {
		return "", err
	}
	defer admin.Exec(ctx, "SELECT pg_advisory_unlock($1)", lock) //nolint:errcheck // the session ends soon
	if exists, err := databaseExists(ctx, admin, name); err != nil || exists {
		return name, err
	}
	unfinished := name + "_" + randomName()
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+unfinished+" TEMPLATE template0"); err != nil {
		return "", err
	}
	if err := migrate(ctx, unfinished); err != nil {
		return "", err
	}
	_, err = admin.Exec(ctx, "ALTER DATABASE "+unfinished+" RENAME TO "+name)
	return name, err
}

func migrate(ctx context.Context, database string) error {
	databaseURL, err := withDatabase(server.url, database)
	if err != nil {
		return err
	}
	pool, err := pg.Open(ctx, databaseURL, 2)
	if err != nil {
		return err
	}
	defer pool.Close()
	_, err = pg.MigrateUp(ctx, pool)
	return err
}

// templateName contains a hash of the migrations, so that each schema has its own template.
func templateName() (string, error) {
	sum := sha256.New()
	files, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		return "", err
	}
	for _, f := range files {
		text, err := fs.ReadFile(migrations.FS, f)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n%s", f, len(text), text)
	}
	fmt.Fprint(sum, migrations.FunctionsHash())
	return "template_" + hex.EncodeToString(sum.Sum(nil)[:8]), nil
}

func databaseExists(ctx context.Context, admin *pgx.Conn, name string) (exists bool, err error) {
	err = admin.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&exists)
	return exists, err
}

func drop(t testing.TB, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	admin, err := pgx.Connect(ctx, server.url)
	if err != nil {
		t.Errorf("dbtest: %v", err)
		return
	}
	defer func() { _ = admin.Close(ctx) }() // the connection is no longer needed
	if _, err := admin.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
		t.Errorf("dbtest: %v", err)
	}
}

func dropRoles(t testing.TB, prefix string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	admin, err := pgx.Connect(ctx, server.url)
	if err != nil {
		t.Errorf("dbtest: %v", err)
		return
	}
	defer func() { _ = admin.Close(ctx) }() // the connection is no longer needed
	rows, err := admin.Query(ctx, "SELECT quote_ident(rolname) FROM pg_roles WHERE starts_with(rolname, $1)", prefix)
	if err != nil {
		t.Errorf("dbtest: %v", err)
		return
	}
	roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err == nil && len(roles) > 0 {
		_, err = admin.Exec(ctx, "DROP ROLE "+strings.Join(roles, ", "))
	}
	if err != nil {
		t.Errorf("dbtest: %v", err)
	}
}

// withDatabase returns the URL of another database on the same server.
func withDatabase(databaseURL, name string) (string, error) {
	u, err := url.Parse(databaseURL)
	if err != nil || u.Scheme == "" {
		return "", errors.New("TEST_DATABASE_URL must be a postgres:// URL")
	}
	u.Path = "/" + name
	return u.String(), nil
}

func randomName() string {
	b := make([]byte, 6)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
