package main

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/dbtest"
)

// databaseOf returns the quoted name of the connection's database.
func databaseOf(conn *pgx.Conn) string { return pgx.Identifier{conn.Config().Database}.Sanitize() }

// refusal runs the program and returns its one-line error.
func refusal(t *testing.T, url string, args ...string) string {
	t.Helper()
	e := alsobought(t, url, nil, args...)
	if e.status != exitFailed || strings.Count(e.stderr, "\n") != 1 || e.stdout != "" {
		t.Errorf("alsobought %s: exit status %d, it says\n%s%s", strings.Join(args, " "), e.status, e.stdout, e.stderr)
	}
	return strings.TrimPrefix(strings.TrimSpace(e.stderr), "alsobought: ")
}

// hasNothing fails the test if the database has tables or types of alsobought.
func hasNothing(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	var found []string
	err := conn.QueryRow(t.Context(), `
		SELECT coalesce(array_agg(c.oid::regclass::text), '{}') FROM pg_class AS c
		WHERE c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'pg_toast', 'information_schema')`).Scan(&found)
	if err != nil || len(found) > 0 {
		t.Errorf("it left %q, error %v", found, err)
	}
}

// The administrator of a managed database can create roles and owns the database but is not a superuser; the tables are
// in a schema of their own.
func TestRolesByManagedAdministrator(t *testing.T) {
	t.Parallel()
	url, prefix := dbtest.NewRoles(t)
	super := login(t, url)
	sql(t, super, "CREATE ROLE "+prefix+"_admin LOGIN PASSWORD 'secret' CREATEROLE; "+
		"ALTER DATABASE "+databaseOf(super)+" OWNER TO "+prefix+"_admin")
	managed := dbtest.As(t, url, prefix+"_admin", "secret")
	admin := login(t, managed)
	sql(t, admin, `CREATE SCHEMA "order"; ALTER DATABASE `+databaseOf(super)+` SET search_path = "order"`)

	want(t, managed, nil, "migrate", "up", "--with-roles", "--role-prefix", prefix)
	m := membersOf(t, super, url, prefix)
	m.loads(t)
	m.serves(t)
	m.isNotFooled(t)
	m.reports(t)
	m.areDenied(t, `"order"`)
	want(t, m.owner, nil, "migrate", "up")
	want(t, m.owner, nil, "doctor")
	if got := refusal(t, managed, "migrate", "up", "--with-roles"); !strings.Contains(got, "pass their prefix") {
		t.Errorf("with another prefix message %q", got)
	}
	want(t, managed, nil, "migrate", "down", "--all", "--yes")
	want(t, managed, nil, "migrate", "up", "--with-roles", "--role-prefix", prefix)
}

// A role that can create neither roles nor schemas gets an error that lists the statements somebody else has to run,
// before anything is changed. After that it migrates, into the schema with its name.
func TestPoorOwner(t *testing.T) {
	t.Parallel()
	url, prefix := dbtest.NewRoles(t)
	admin := login(t, url)
	owner := prefix + "_own er"
	quoted := pgx.Identifier{owner}.Sanitize()
	sql(t, admin, "CREATE ROLE "+quoted+" LOGIN PASSWORD 'secret'; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
	poor := dbtest.As(t, url, owner, "secret")

	const before, run = ": have the owner of the database run ", ": let an administrator run this, then try again: "
	message := refusal(t, poor, "migrate", "up")
	reason, _, found := strings.Cut(message, before)
	lacks := "role " + quoted + " may not create tables in schema public, nor create the schema reporting in database "
	if !found || reason != lacks+databaseName(admin)+"; nothing was changed" {
		t.Errorf("message %q", message)
	}
	hasNothing(t, admin)

	sql(t, admin, "CREATE SCHEMA AUTHORIZATION "+quoted)
	message = refusal(t, poor, "migrate", "up")
	_, statements, _ := strings.Cut(message, before)
	if want := "GRANT CREATE ON DATABASE " + databaseName(admin) + " TO " + quoted; statements != want {
		t.Errorf("message %q, want %q", message, want)
	}
	hasNothing(t, admin)
	sql(t, admin, statements)
	want(t, poor, nil, "migrate", "up")
	want(t, poor, strings.NewReader(smallShop), "load", "-")

	// Other roles cannot use that schema.
	stranger := prefix + "_stranger"
	sql(t, admin, "CREATE ROLE "+stranger+" LOGIN PASSWORD 'secret'")
	strange := dbtest.As(t, url, stranger, "secret")
	for _, command := range []string{"popular", "migrate"} {
		message = refusal(t, strange, command)
		if !strings.Contains(message, "tables are in schema "+quoted+", which role "+stranger+" may not use") {
			t.Errorf("%s: message %q", command, message)
		}
	}
	sql(t, admin, "GRANT USAGE ON SCHEMA "+quoted+" TO "+stranger)
	message = refusal(t, strange, "popular")
	_, alter, found := strings.Cut(message, "): ")
	if !found || !strings.Contains(message, "not in the search_path of role "+stranger) {
		t.Errorf("message %q", message)
	}
	sql(t, admin, alter)
	if message = refusal(t, strange, "popular"); !strings.Contains(message,
		"permission denied for table goose_db_version") {
		t.Errorf("message %q", message)
	}
	message = refusal(t, strange, "migrate")
	if !strings.Contains(message, "belong to role "+quoted+", and "+stranger+" is not a member") {
		t.Errorf("message %q", message)
	}

	message = refusal(t, poor, "migrate", "up", "--with-roles", "--role-prefix", prefix)
	if _, statements, found = strings.Cut(message, run); !found {
		t.Fatalf("message %q", message)
	}
	sql(t, admin, statements)
	want(t, poor, nil, "migrate", "up", "--with-roles", "--role-prefix", prefix)
	// The loader now owns the builds.
	loader := as(t, admin, url, prefix+"_loads", prefix+"_loader")
	sql(t, admin, "ALTER DATABASE "+databaseOf(admin)+" SET search_path = "+quoted)
	want(t, loader, strings.NewReader(moreOrders), "load", "-")
	want(t, loader, nil, "builds", "prune", "--keep", "0")
	want(t, loader, nil, "doctor")
	denied(t, loader, "TABLE api_keys")
}

func databaseName(conn *pgx.Conn) string { return conn.Config().Database }

// A database that was restored without its roles keeps working for its owner, who can set up roles again.
func TestRestoredWithoutRoles(t *testing.T) {
	t.Parallel()
	url, prefix := dbtest.NewRoles(t)
	admin := login(t, url)
	want(t, url, nil, "migrate", "up", "--with-roles", "--role-prefix", prefix)
	want(t, url, strings.NewReader(smallShop), "load", "-")
	// This is what pg_restore does: objects of missing roles belong to the user who restores.
	for _, role := range []string{"owner", "loader", "server", "reporting"} {
		name := prefix + "_" + role
		sql(t, admin, "REASSIGN OWNED BY "+name+" TO CURRENT_USER; DROP OWNED BY "+name+"; DROP ROLE "+name)
	}
	for _, args := range lines(`
		migrate up
		doctor
		build
		builds prune --keep 0
		similar cups
		keys create shop
		rules add hide cups --reason test`) {
		want(t, url, nil, strings.Fields(args)...)
	}
	want(t, url, strings.NewReader(moreOrders), "load", "-")
	// The next change of functions grants as many rights as it can.
	sql(t, admin, "UPDATE installed_functions SET hash = 'x'")
	want(t, url, nil, "migrate", "up")
	want(t, url, nil, "migrate", "up", "--with-roles", "--role-prefix", prefix)
	loader := as(t, admin, url, prefix+"_loads", prefix+"_loader")
	want(t, loader, nil, "build", "--keep", "0")
	denied(t, loader, "TABLE api_keys")
}

// If a migration cannot get its locks, the error names the blocking transaction. Once that has ended, the next attempt
// succeeds.
func TestMigrateWaits(t *testing.T) {
	t.Parallel()
	url := dbtest.NewURL(t)
	holder := login(t, dbtest.As(t, url, "", "", "application_name", "somebody's report"))
	sql(t, holder, "BEGIN; SELECT FROM reporting.rules")
	sql(t, login(t, url), "UPDATE installed_functions SET hash = 'x'")
	got := alsobought(t, dbtest.As(t, url, "", "", "lock_timeout", "100ms"), nil, "migrate")
	waits, message, _ := strings.Cut(got.stderr, "\n")
	const holds = "application somebody's report, in its transaction since"
	if got.status != exitFailed || !strings.Contains(waits, "waiting for a transaction") ||
		!strings.Contains(message, "lock timeout") || !strings.Contains(message, holds) {
		t.Errorf("exit status %d, message %q", got.status, got.stderr)
	}
	sql(t, holder, "ROLLBACK")
	want(t, url, nil, "migrate")
	want(t, url, nil, "doctor")
}

// A schema named reporting that belongs to somebody else stays unchanged.
func TestForeignReportingSchema(t *testing.T) {
	t.Parallel()
	url := dbtest.NewEmptyURL(t)
	conn := login(t, url)
	sql(t, conn, "CREATE SCHEMA reporting; CREATE TABLE reporting.sales (i int)")
	if message := refusal(t, url, "migrate"); !strings.Contains(message, "already has a schema named reporting") {
		t.Errorf("message %q", message)
	}
	sql(t, conn, "ALTER SCHEMA reporting RENAME TO sales")
	want(t, url, nil, "migrate")
	sql(t, conn, "TABLE sales.sales")
}

// On a replica, or in a read-only session, the error says so.
func TestMigrateReadOnly(t *testing.T) {
	t.Parallel()
	url := dbtest.NewEmptyURL(t)
	message := refusal(t, dbtest.As(t, url, "", "", "default_transaction_read_only", "on"), "migrate")
	if !strings.Contains(message, "the database is read-only") {
		t.Errorf("message %q", message)
	}
	message = refusal(t, dbtest.As(t, url, "", "", "search_path", "nowhere"), "migrate")
	if !strings.Contains(message, "no schema in the search_path") {
		t.Errorf("message %q", message)
	}
	hasNothing(t, login(t, url))
}
