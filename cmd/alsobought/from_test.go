package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/dbtest"
)

// newShop returns the URL of another database with orders, and run, which executes statements on it.
func newShop(t *testing.T) (url string, run func(statement string)) {
	t.Helper()
	url = dbtest.NewEmptyURL(t)
	run = func(statement string) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	run(`CREATE TABLE sales (sale text, thing text, state text, changed timestamptz);
		INSERT INTO sales VALUES ('1', 'tea', 'paid', '2026-03-01 10:00+01'), ('1', 'milk', 'paid', '2026-03-01 10:00+01'),
			('2', 'tea, "green"', 'cancelled', '2026-03-01 11:00+01'), ('3', NULL, 'paid', '2026-03-01 12:00+01')`)
	return url, run
}

const sales = "SELECT sale, thing, state,\n changed FROM sales"

// from returns the arguments to load the sales of a shop.
func from(shop string, more ...string) []string {
	return append([]string{
		"load", "--from", shop, "--query", sales, "--order-column", "sale", "--item-column", "thing",
		"--status-column", "state",
		"--time-column", "changed", "--no-build", "--json",
	}, more...)
}

// tally holds the counts of load --json.
type tally struct {
	LoadID int64 `json:"load_id"`
	Status string
	Counts []int64
}

func loadFrom(t *testing.T, url, shop string, more ...string) tally {
	t.Helper()
	var s loadSummary
	if err := json.Unmarshal([]byte(want(t, url, nil, from(shop, more...)...)), &s); err != nil {
		t.Fatal(err)
	}
	return tally{s.LoadID, s.Status, []int64{s.RowsRead, s.RowsLoaded, s.RowsDuplicate, s.RowsNotBought, s.RowsRejected}}
}

func TestLoadFrom(t *testing.T) {
	t.Parallel()
	url := dbtest.NewURL(t)
	shop, _ := newShop(t)
	found := want(t, url, nil, from(shop, "--dry-run")...)
	if !strings.Contains(found, `"rows_valid":2,`) {
		t.Errorf("dry run: %s", found)
	}
	if diff := cmp.Diff(tally{1, "loaded", []int64{4, 2, 0, 1, 1}}, loadFrom(t, url, shop)); diff != "" {
		t.Errorf("load (-want +got):\n%s", diff)
	}
	if e := alsobought(t, url, nil, from(shop)...); e.status != exitFailed ||
		!strings.Contains(e.stderr, "was already loaded, as load 1") {
		t.Errorf("the same rows again: %+v", e)
	}
}

func TestLoadFromSince(t *testing.T) {
	t.Parallel()
	url := dbtest.NewURL(t)
	shop, run := newShop(t)
	run("DELETE FROM sales WHERE thing IS NULL")
	check := func(what string, c tally) {
		t.Helper()
		if diff := cmp.Diff(c, loadFrom(t, url, shop, "--since", "changed")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	nothing := tally{0, "nothing new", []int64{0, 0, 0, 0, 0}}
	run("ALTER TABLE sales RENAME TO later; CREATE TABLE sales (LIKE later)")
	check("nothing yet", nothing)
	run("DROP TABLE sales; ALTER TABLE later RENAME TO sales")
	check("all", tally{1, "loaded", []int64{3, 2, 0, 1, 0}})
	check("nothing new", nothing)
	run("INSERT INTO sales VALUES ('4', 'tea', 'paid', '2026-03-01 11:00+01')")
	check("a tie", tally{2, "loaded", []int64{2, 1, 0, 1, 0}})
	check("nothing new after the tie", nothing)
	run("UPDATE sales SET changed = '2026-03-02 11:00+01' WHERE sale = '4'")
	check("a row that moved on", tally{3, "loaded", []int64{2, 0, 1, 1, 0}})
	want(t, url, nil, "loads", "revert", "3")
	check("a reverted load does not count", tally{4, "loaded", []int64{2, 0, 1, 1, 0}})
	if e := alsobought(t, url, nil, from(shop, "--since", "nowhere")...); e.status != exitFailed ||
		!strings.Contains(e.stderr, "nowhere") {
		t.Errorf("a column that is not there: %+v", e)
	}
}

// TestLoadFromMariaDB loads twice, as cron does: the second time, only what is new.
func TestLoadFromMariaDB(t *testing.T) {
	t.Parallel()
	url := dbtest.NewURL(t)
	_, port, root := dbtest.NewMariaDB(t)
	run := func(statement string) {
		t.Helper()
		if _, err := root.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	run(`CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop;
		CREATE TABLE sales (sale bigint, thing varchar(100), state varchar(10), changed datetime(6)) ENGINE = InnoDB;
		INSERT INTO sales VALUES (1, 'tea', 'paid', '2026-03-01 10:00:00.5'), (1, 'crème', 'paid', '2026-03-01 10:00:00.5'),
			(2, 'tea', 'cancelled', '2026-03-01 11:00:00.25');
		CREATE USER reader@'%' IDENTIFIED BY 'secret'; GRANT SELECT ON shop.* TO reader@'%'`)
	shop := "mysql://reader:secret@127.0.0.1:" + port + "/shop"
	for _, c := range []struct {
		what, statement string
		want            tally
	}{
		{"all", "DO 1", tally{1, "loaded", []int64{3, 2, 0, 1, 0}}},
		{"nothing new", "DO 1", tally{0, "nothing new", []int64{0, 0, 0, 0, 0}}},
		{
			"a new order and a refund", `INSERT INTO shop.sales VALUES (3, 'tea', 'paid', '2026-03-02 10:00:00');
				UPDATE shop.sales SET state = 'refunded', changed = '2026-03-02 09:00:00' WHERE thing = 'crème'`,
			tally{2, "loaded", []int64{3, 1, 0, 2, 0}}, // and the last row once more
		},
		{"nothing new again", "DO 1", tally{0, "nothing new", []int64{0, 0, 0, 0, 0}}},
	} {
		run(c.statement)
		if diff := cmp.Diff(c.want, loadFrom(t, url, shop, "--since", "changed")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
	}
	if lines := want(t, url, nil, "psql", "-At", "-c", allLines); lines != "1|tea|1\n3|tea|1\n" {
		t.Errorf("the lines are %s", lines)
	}
}

func TestLoadFromWrong(t *testing.T) {
	t.Parallel()
	url := dbtest.NewURL(t)
	shop, _ := newShop(t)
	several := filepath.Join(t.TempDir(), "several")
	if err := os.WriteFile(several, []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, shop, query, want string
		more                    []string
	}{
		{
			"nobody there", "postgres://me:secret@127.0.0.1:1/x", "SELECT 1", "cannot connect to postgres://me@127.0.0.1:1/x",
			nil,
		},
		{
			"no MariaDB there", "mariadb://me:secret@127.0.0.1:1/x", "SELECT 1", "cannot connect to mariadb://me@127.0.0.1:1/x",
			nil,
		},
		{"wrong query", shop, "SELECT moo FROM sales", `column "moo" does not exist): see --query`, nil},
		{
			"fails under way", shop, "SELECT n AS order_id, 1 / (90000 - n) AS item FROM generate_series(1, 100000) AS n",
			"division by zero", nil,
		},
		{"writes", shop, "DELETE FROM sales RETURNING *", "cannot execute DELETE in a read-only transaction", nil},
		{"two statements", shop, "SELECT 1; SELECT 2", "cannot insert multiple commands", nil},
		{"no columns", shop, "COMMIT", "returns no columns", nil},
		{"no orders", shop, "SELECT thing FROM sales", "--order-column", nil},
		{"no rows", shop, "SELECT sale AS order_id, thing AS item FROM sales WHERE false", "no rows", nil},
		{"password file", shop, "SELECT 1", "must contain one line", []string{"--from-password-file", several}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := alsobought(t, url, nil, append([]string{"load", "--from", c.shop, "--query", c.query}, c.more...)...)
			if e.status != exitFailed || !strings.Contains(e.stderr, c.want) || strings.Count(e.stderr, "\n") != 1 ||
				strings.Contains(e.stderr, "secret") {
				t.Errorf("%+v, want %q on one line", e, c.want)
			}
		})
	}
}
