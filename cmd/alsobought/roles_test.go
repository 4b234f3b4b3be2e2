package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/alsobought/alsobought/internal/dbtest"
)

// moreOrders repeats orders of smallShop and adds to them.
const moreOrders = `order_id,item_name,customer_id,ordered_at
2,cups,ann,2026-03-01
7,cups,ann,2026-03-02
7,scale,ann,2026-03-02
8,cups,bob,2026-03-03
8,saucers,bob,2026-03-03
8,,bob,2026-03-03
`

// as returns the URL of the database for a new login that is a member of group.
func as(t *testing.T, admin *pgx.Conn, url, name, group string) string {
	t.Helper()
	sql(t, admin, "CREATE ROLE "+name+" LOGIN PASSWORD 'secret' IN ROLE "+group)
	return dbtest.As(t, url, name, "secret")
}

func login(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func sql(t *testing.T, conn *pgx.Conn, statement string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// lines returns the lines of a text without their indentation.
func lines(text string) (list []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}

// denied fails the test unless every statement is refused for lack of a privilege.
func denied(t *testing.T, url string, statements ...string) {
	t.Helper()
	conn := login(t, url)
	for _, statement := range statements {
		_, err := conn.Exec(t.Context(), statement)
		if refused := new(pgconn.PgError); !errors.As(err, &refused) || refused.Code != "42501" {
			t.Errorf("%s: error is %v, want a denial", statement, err)
		}
	}
}

// members are the URLs of logins that are members of the roles.
type members struct{ owner, loader, otherLoader, server, reader string }

func membersOf(t *testing.T, admin *pgx.Conn, url, prefix string) members {
	t.Helper()
	return members{
		owner:       as(t, admin, url, prefix+"_owns", prefix+"_owner"),
		loader:      as(t, admin, url, prefix+"_loads", prefix+"_loader"),
		otherLoader: as(t, admin, url, prefix+"_loads_too", prefix+"_loader"),
		server:      as(t, admin, url, prefix+"_serves", prefix+"_server"),
		reader:      as(t, admin, url, prefix+"_reads", prefix+"_reporting"),
	}
}

// A superuser sets up the roles. Any loader may then prune builds of any other, and nobody can exceed their role.
func TestRoles(t *testing.T) {
	t.Parallel()
	url, prefix := dbtest.NewRoles(t)
	admin := login(t, url)
	printed := want(t, url, nil, "migrate", "up", "--with-roles", "--role-prefix", prefix)
	if !strings.Contains(printed, "granted privileges to the roles "+prefix+"_loader, "+prefix+
		"_server, "+prefix+"_reporting") {
		t.Errorf("it printed %q", printed)
	}
	m := membersOf(t, admin, url, prefix)
	want(t, m.loader, strings.NewReader(smallShop), "load", "-")
	want(t, m.owner, nil, "build", "--keep", "0")
	want(t, url, strings.NewReader(moreOrders), "load", "-")
	want(t, m.otherLoader, nil, "build", "--keep", "0")
	want(t, m.server, nil, "similar", "cups")
	m.areDenied(t, "public")
}

// areDenied fails the test if a member can exceed its role.
func (m members) areDenied(t *testing.T, schema string) {
	t.Helper()
	denied(t, m.loader, lines(`
		TABLE api_keys
		SELECT sha256 FROM api_keys
		UPDATE api_keys SET revoked_at = now()
		ALTER TABLE api_keys RENAME TO mine
		INSERT INTO rules (kind) VALUES ('hide')
		UPDATE revisions SET changes = 0
		DROP TABLE loads
		SELECT give_notice()`)...)
	denied(t, m.server, lines(`
		CREATE TABLE mine (i int)
		CREATE FUNCTION mine() RETURNS int LANGUAGE sql RETURN 1
		ALTER TABLE items ADD COLUMN mine int
		DROP TABLE items
		TRUNCATE items
		SELECT customer_id FROM orders
		TABLE orders
		TABLE known_orders
		TABLE load_rejects
		TABLE loads
		TABLE reporting.load_rejects
		SELECT reporting.similar_items('cups')
		INSERT INTO items (name) VALUES ('a')
		UPDATE orders SET items = '{}'
		UPDATE builds SET active = false
		DELETE FROM rules
		INSERT INTO api_keys (name) VALUES ('mine')
		UPDATE api_keys SET scopes = '{admin}'
		UPDATE revisions SET changes = 0
		SELECT give_notice()`)...)
	for _, table := range []string{"orders", "items", "item_stats", "api_keys", "rules", "installed_roles"} {
		denied(t, m.reader, "TABLE "+schema+"."+table)
	}
	denied(t, m.reader, "SELECT "+schema+".find_context(0)", "CREATE TABLE "+schema+".mine (i int)",
		"CREATE TABLE reporting.mine (i int)", "DELETE FROM reporting.rules")
}

// reports does everything that a reader of reports does.
func (m members) reports(t *testing.T) {
	t.Helper()
	reports := login(t, m.reader)
	for _, question := range lines(`
		TABLE reporting.loads
		TABLE reporting.load_files
		TABLE reporting.load_rejects
		TABLE reporting.builds
		TABLE reporting.data_quality
		TABLE reporting.popular_items
		TABLE reporting.item_pairs
		TABLE reporting.items
		TABLE reporting.rules
		TABLE reporting.order_deletions
		SELECT reporting.similar_items('cups')
		SELECT reporting.basket_recommendations('{cups,scale}')
		SELECT count(*) FROM reporting.recent_popular_items(30)
		SELECT reporting.explain('cups', 'saucers')
		SELECT reporting.load_quality(1)`) {
		if got, err := reports.Exec(t.Context(), question); err != nil || got.RowsAffected() == 0 {
			t.Errorf("%s: %v, error %v", question, got, err)
		}
	}
}

// loads does everything that a loader does, after two loads.
func (m members) loads(t *testing.T) {
	t.Helper()
	want(t, m.loader, strings.NewReader(smallShop), "load", "-")
	want(t, m.otherLoader, strings.NewReader(moreOrders), "load", "-")
	catalogue := filepath.Join(t.TempDir(), "items.csv")
	const attributes = "item,category,active\ncups,china,true\nscale,tools,false\nnew one,tools,true\n"
	if err := os.WriteFile(catalogue, []byte(attributes), 0o600); err != nil {
		t.Fatal(err)
	}
	//nolint:dupword // commands may begin alike
	for _, args := range lines(`
		items load ` + catalogue + `
		items load ` + catalogue + `
		items
		items categories
		loads list
		loads show 2
		loads rejects 2
		build
		build --guard
		builds list
		builds diff 2 3
		builds rollback
		builds prune --keep 0
		evaluate
		orders delete 5 --reason test
		orders delete --customer bob --reason test
		loads revert 2
		build
		doctor
		similar cups
		popular
		popular --days 30
		order 3
		basket cups saucers
		explain cups saucers
		migrate status`) {
		e := alsobought(t, m.loader, nil, strings.Fields(args)...)
		if e.status != exitDone {
			t.Errorf("alsobought %s: exit status %d\n%s%s", args, e.status, e.stdout, e.stderr)
		}
	}
	for _, args := range lines(`
		keys list
		keys create mine
		rules add hide cups --reason test
		migrate up
		migrate down --yes`) {
		refusal(t, m.loader, strings.Fields(args)...)
	}
}

// serves does everything that a server does.
func (m members) serves(t *testing.T) {
	t.Helper()
	//nolint:dupword // commands may begin alike
	for _, args := range lines(`
		similar cups
		similar cups --measure lift --min-support 1
		similar cups --category china
		popular
		popular --days 30
		order 2
		basket cups saucers
		explain cups saucers
		items
		rules add hide filters --reason test
		rules
		rules end 1
		keys list`) {
		want(t, m.server, nil, strings.Fields(args)...)
	}
	key := strings.TrimSpace(want(t, m.owner, nil, "keys", "create", "shop"))
	base := served(t, m.server)
	for _, path := range lines(`
		/health
		/readyz
		/api/v1/similar-items/cups
		/api/v1/popular-items
		/api/v1/recommendations/2
		/api/v1/explain?item=cups&other=saucers`) {
		if got := statusOf(t, http.MethodGet, base+path, "", ""); got != http.StatusOK {
			t.Errorf("%s: status %d", path, got)
		}
	}
	rule := `{"kind":"hide","items":["saucers"],"reason":"test"}`
	if got := statusOf(t, http.MethodPost, base+"/api/v1/rules", key, rule); got != http.StatusCreated {
		t.Errorf("a rule: status %d", got)
	}
	conn := login(t, m.owner)
	var used, revised bool
	err := conn.QueryRow(t.Context(), `
		SELECT bool_and(k.last_used_at IS NOT NULL), (SELECT x.matters FROM revisions AS x WHERE x.subject = 'rules')
		FROM api_keys AS k`).Scan(&used, &revised)
	if err != nil || !used || !revised {
		t.Errorf("the key was used: %t, the rule is counted: %t, error %v", used, revised, err)
	}
	for _, args := range lines(`
		load ` + smallShopFile(t) + `
		build
		builds prune
		builds rollback
		loads list
		evaluate
		keys create mine
		migrate up
		doctor`) {
		refusal(t, m.server, strings.Fields(args)...)
	}
}

// isNotFooled checks that functions with the owner's rights ignore temporary tables of the caller.
func (m members) isNotFooled(t *testing.T) {
	t.Helper()
	conn := login(t, m.owner)
	fooler := login(t, m.server)
	sql(t, fooler, "CREATE TEMPORARY TABLE revisions (subject text, changes bigint, matters boolean)")
	before := changes(t, conn)
	sql(t, fooler, "UPDATE rules SET reason = reason")
	if after := changes(t, conn); after <= before {
		t.Errorf("changes of rules: %d, then %d", before, after)
	}
}

func smallShopFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "orders.csv")
	if err := os.WriteFile(path, []byte(smallShop), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func changes(t *testing.T, conn *pgx.Conn) (n int64) {
	t.Helper()
	const question = "SELECT r.changes FROM revisions AS r WHERE r.subject = 'rules'"
	if err := conn.QueryRow(t.Context(), question).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// statusOf returns the status of the API's response.
func statusOf(t *testing.T, method, url, key, body string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}
