package doctor

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/pg"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// healthy returns a consistent database with a bit of everything: two loads, rejects, repeats, a cancelled
// order, two kept builds and a pruned one.
func healthy(t *testing.T) *pg.Pool {
	t.Helper()
	pool := dbtest.New(t)
	mustLoad(t, pool, "order,item,quantity,ordered_at,status\n"+
		"o1,a,1,2024-02-29,\no1,b,2,2024-02-29,\no1,c,1,2024-02-29,\no2,a,1,2024-02-29,\no2,b,1,2024-02-29,\n"+
		"o3,a,1,,\no3,c,1,,\no3,a,5,,\no4,d,1,,\no5,,1,,\no5,a,0,,\no6,b,1,,\no6,c,1,,\no8,a,1,,\no8,a,,,cancelled\n")
	mustBuild(t, pool)
	mustLoad(t, pool, "order,item,quantity\no1,a,1\no7,a,1\no7,d,1\n,x,1\n")
	for range 3 {
		mustBuild(t, pool)
	}
	return pool
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

func mustBuild(t *testing.T, pool *pg.Pool) {
	t.Helper()
	if _, err := builds.Run(t.Context(), pool, builds.Options{Settings: builds.DefaultSettings(), Keep: 1}); err != nil {
		t.Fatal(err)
	}
}

// breakage breaks exactly one invariant by hand.
type breakage struct {
	check   string
	name    string
	sql     string
	subject string // of the one finding
	problem string // part of it
}

func breakages() []breakage {
	return []breakage{
		{
			"every order has lines", "an order without lines",
			`INSERT INTO orders (external_id, load_id) VALUES ('empty', 1); UPDATE loads SET orders_added = orders_added + 1
				WHERE load_id = 1`,
			"order empty", "has no lines",
		},
		{
			"every order lists the items of its lines", "an order that knows of one more",
			`UPDATE orders SET items = items || 1000::bigint WHERE external_id = 'o1'`,
			"order o1", "does not list",
		},
		{
			"every line has an order and an item", "a line without order",
			`INSERT INTO order_lines VALUES (1000, (SELECT item_id FROM items WHERE name = 'a'), 1, 1);
			 UPDATE loads SET rows_loaded = rows_loaded + 1, rows_read = rows_read + 1 WHERE load_id = 1`,
			"line of order 1000 and item 1", "its order or its item is missing",
		},
		{
			"every line has an order and an item", "a line without item",
			`UPDATE order_lines SET item_id = 1000 WHERE order_id = 1 AND item_id = 2;
			 UPDATE orders SET items = (SELECT array_agg(item_id ORDER BY item_id) FROM order_lines WHERE order_id = 1)
			WHERE order_id = 1`,
			"line of order 1 and item 1000", "its order or its item is missing",
		},
		{
			"every item with attributes has a name", "attributes without item",
			`INSERT INTO item_attributes (item_id, source, changed_by) VALUES (1000, '', '')`,
			"attributes of item 1000", "the item is missing",
		},
		{
			"every load's counts match its rows", "lines",
			`UPDATE loads SET rows_loaded = rows_loaded + 1, rows_read = rows_read + 1 WHERE load_id = 2`,
			"load 2", "records 4 lines, 2 orders, 1 rejects, 0 not bought; found 3, 2, 1, 0",
		},
		{
			"every load's counts match its rows", "orders",
			`UPDATE loads SET orders_added = orders_added - 1 WHERE load_id = 2`,
			"load 2", "records 3 lines, 1 orders, 1 rejects, 0 not bought; found 3, 2, 1, 0",
		},
		{
			"every load's counts match its rows", "rejects",
			`DELETE FROM load_rejects WHERE load_id = 2`,
			"load 2", "records 3 lines, 2 orders, 1 rejects, 0 not bought; found 3, 2, 0, 0",
		},
		{
			"every load's counts match its rows", "rows of a load that failed",
			`INSERT INTO loads (source, status, error, finished_at, loaded_by, version) VALUES ('x', 'failed', 'why',
				now(), '', '');
			 INSERT INTO load_rejects VALUES ((SELECT max(load_id) FROM loads), 1, 1, 1, 'bad_time', '', '')`,
			"load 3", "records 0 lines, 0 orders, 0 rejects, 0 not bought; found 0, 0, 1, 0",
		},
		{
			"every load's counts match its rows", "rows of a load that was reverted",
			`UPDATE loads SET status = 'reverted', reverted_at = now(), reverted_by = 'me' WHERE load_id = 2`,
			"load 2", "records 0 lines, 0 orders, 1 rejects, 0 not bought; found 3, 2, 1, 0",
		},
		{
			"every load's counts match its rows", "deleted rows",
			`UPDATE loads SET lines_deleted = 1 WHERE load_id = 2`,
			"load 2", "records 2 lines, 2 orders, 1 rejects, 0 not bought; found 3, 2, 1, 0",
		},
		{
			"every row known from an earlier load exists", "an order",
			`UPDATE known_orders SET order_id = 1000`, "load 2, order 1000", "is recorded as known from an earlier load",
		},
		{
			"every row known from an earlier load exists", "a line of the same load",
			`UPDATE known_lines SET load_id = 1; UPDATE loads SET lines_deleted = 1 WHERE load_id = 2;
			 UPDATE loads SET rows_loaded = rows_loaded + 1, rows_read = rows_read + 1
			WHERE load_id = 1`, "load 1, order 1", "no other load has it",
		},
		{
			"every item of a build has a name", "an item that is gone",
			`INSERT INTO item_stats VALUES (4, 1000, 1, 0, 5, 5, 0); UPDATE builds SET items = items + 1,
				order_lines = order_lines + 1 WHERE build_id = 4`,
			"build 4, item 1000", "is not in items",
		},
		{
			"every row belongs to a load", "an order",
			`UPDATE orders SET load_id = 1000 WHERE external_id = 'o7'; UPDATE loads SET orders_added = 0 WHERE load_id = 2`,
			"load 1000", "does not exist",
		},
		{
			"every row belongs to a load", "lines",
			`UPDATE order_lines SET load_id = 1000 WHERE load_id = 2; UPDATE loads SET rows_loaded = 0,
				rows_read = rows_read - 2 WHERE load_id = 2`,
			"load 1000", "does not exist",
		},
		{
			"every row belongs to a load", "rejects",
			`UPDATE load_rejects SET load_id = 1000 WHERE load_id = 2; UPDATE loads SET rows_rejected = 0,
				rows_read = rows_read - 1 WHERE load_id = 2`,
			"load 1000", "does not exist",
		},
		{
			"every line with returns is settled", "a line that is still there",
			`INSERT INTO known_lines VALUES (1, 1, 1, 1); INSERT INTO returned_lines VALUES (1, 1, 2, 1)`,
			"line of order 1 and item 1", "should be out by what was returned; it is 1 of load 1",
		},
		{
			"every row belongs to a load", "returns",
			`INSERT INTO known_lines VALUES (1, 1, 1, 1); INSERT INTO returned_lines VALUES (1, 1, 1000, 0.5);
			 UPDATE order_lines SET quantity = 0.5 WHERE order_id = 1 AND item_id = 1`,
			"load 1000", "does not exist",
		},
		{"one build is active", "none", `UPDATE builds SET active = false`, "builds", "none is active"},
		{
			"every build's counts match its rows", "items",
			`UPDATE builds SET items = items + 1 WHERE active`, "build 4",
			"records 5 items, 4 pairs, 8 neighbours; found 4, 4, 8",
		},
		{
			"every build's counts match its rows", "pairs of a build that is not active",
			`UPDATE builds SET pairs = 0 WHERE build_id = 3`, "build 3", "records 4 items, 0 pairs, 8 neighbours; found 4, 4, 8",
		},
		{
			"every build's counts match its rows", "neighbours",
			`DELETE FROM item_neighbours WHERE build_id = 4 AND item_id = 1 AND neighbour_rank = 3`,
			"build 4", "records 4 items, 4 pairs, 8 neighbours; found 4, 4, 7",
		},
		{
			"every build's items add up to its lines", "a line more",
			`UPDATE builds SET order_lines = order_lines + 1 WHERE active`, "build 4", "counted 13 lines, but its items have 12",
		},
		{
			"every build's items add up to its lines", "an order less",
			`UPDATE item_stats SET orders = orders - 1 WHERE build_id = 3 AND item_id = 2`, "build 3",
			"counted 12 lines, but its items have 11",
		},
		{
			"every build plus later changes matches the orders", "an order that nobody added",
			`UPDATE builds SET last_order_id = last_order_id - 1 WHERE build_id = 3`, "build 3",
			"counted 6 orders, which with later changes makes 7; there are 6",
		},
		{
			"every build plus later changes matches the orders", "a deletion that is forgotten",
			`DELETE FROM order_lines WHERE order_id = 4; DELETE FROM orders WHERE order_id = 4; DELETE FROM order_changes;
			 UPDATE loads SET orders_deleted = 1, lines_deleted = 1 WHERE load_id = 1; UPDATE builds SET last_order_id = NULL,
			last_change_id = NULL WHERE NOT active`,
			"build 4", "counted 6 orders, which with later changes makes 6; there are 5",
		},
		{
			"every pair is possible", "with a weight that is not exact",
			`UPDATE item_pairs SET weight_units = weight_units + 1 WHERE build_id = 4 AND item_a = 1 AND item_b = 2`, pairOf12,
			"contradicts the statistics",
		},
		{
			"every pair is possible", "without orders",
			`UPDATE item_pairs SET orders_together = 0, weight = 0 WHERE build_id = 4 AND item_a = 1 AND item_b = 2`, pairOf12,
			"contradicts the statistics",
		},
		{
			"every pair is possible", "in more baskets than its items",
			`UPDATE item_pairs SET orders_together = 4, weight = 4 WHERE build_id = 4 AND item_a = 1 AND item_b = 2`, pairOf12,
			"contradicts the statistics",
		},
		{
			"every pair is possible", "too heavy",
			`UPDATE item_pairs SET weight = orders_together + 0.001 WHERE build_id = 4 AND item_a = 1 AND item_b = 2`, pairOf12,
			"contradicts the statistics",
		},
		{
			"every pair is possible", "too light",
			`UPDATE item_pairs SET weight = 0.001 WHERE build_id = 4 AND item_a = 1 AND item_b = 2`, pairOf12,
			"contradicts the statistics",
		},
		{
			"every pair is possible", "too light for its age",
			`UPDATE builds SET half_life_days = 1 WHERE build_id = 4;
			 UPDATE item_pairs SET weight = 0 WHERE build_id = 4 AND item_a = 1
			AND item_b = 2`, pairOf12, "contradicts the statistics",
		},
		{
			"every pair is possible", "the wrong way round",
			`DELETE FROM item_neighbours WHERE build_id = 4 AND least(item_id, other_id) = 1 AND greatest(item_id, other_id) = 2;
			 UPDATE builds SET neighbours = neighbours - 2 WHERE active;
			 UPDATE item_pairs SET item_a = 2, item_b = 1 WHERE build_id = 4 AND item_a = 1 AND item_b = 2`,
			"build 4, pair of items 2 and 1", "contradicts the statistics",
		},
		{
			"every pair is possible", "of an item without baskets",
			`UPDATE item_stats SET baskets = 0 WHERE build_id = 4 AND item_id = 4`, "build 4, pair of items 1 and 4",
			"contradicts the statistics",
		},
		{
			"every neighbour is a pair", "a stranger",
			`UPDATE item_neighbours SET other_id = 1000 WHERE build_id = 4 AND item_id = 4 AND neighbour_rank = 1`,
			"build 4, neighbour 1 of item 4", "has no pair behind it",
		},
		{
			"every overlap is a share", "more than all",
			`UPDATE item_neighbours SET overlap = 1.001 WHERE build_id = 4 AND item_id = 4 AND neighbour_rank = 1`,
			"build 4, neighbour 1 of item 4", "outside 0 to 1",
		},
		{
			"every overlap is a share", "less than nothing",
			`UPDATE item_neighbours SET step = -0.001 WHERE build_id = 3 AND item_id = 4 AND neighbour_rank = 1`,
			"build 3, neighbour 1 of item 4", "outside 0 to 1",
		},
		{
			"every overlap is a share", "no number",
			`UPDATE item_neighbours SET overlap = 'NaN' WHERE build_id = 4 AND item_id = 4 AND neighbour_rank = 1`,
			"build 4, neighbour 1 of item 4", "outside 0 to 1",
		},
		{
			"no item is in more orders of a day than that day has", "more",
			`UPDATE item_days SET orders = 3 WHERE build_id = 4 AND day = '2024-02-29' AND item_id = 1`,
			"build 4, 2024-02-29", "an item is in 3 orders, of 2 in all",
		},
		{
			"no item is in more orders of a day than that day has", "a day without orders",
			`DELETE FROM order_days WHERE build_id = 3 AND day = '2024-02-29'`,
			"build 3, 2024-02-29", "an item is in 2 orders, of 0 in all",
		},
		{
			"every day belongs to a kept build", "of a pruned one", `INSERT INTO order_days VALUES (1, '2024-02-29', 2)`,
			"build 1, 2024-02-29", "belongs to no kept build",
		},
		{
			"every day belongs to a kept build", "of a build that never was",
			`INSERT INTO order_days VALUES (1000, '2024-02-29', 2)`,
			"build 1000, 2024-02-29", "belongs to no kept build",
		},
		{
			"every build has its partitions", "one is detached", `ALTER TABLE item_days DETACH PARTITION item_days_3`,
			"build 3", "has no partition of item_days",
		},
		{
			"every build has its partitions", "one is gone", `DROP TABLE item_days_4`,
			"build 4", "has no partition of item_days",
		},
		{
			"every build has its partitions", "one is half detached",
			`SET allow_system_table_mods = on; UPDATE pg_inherits SET inhdetachpending = true
				WHERE inhrelid = 'item_days_3'::regclass`,
			"build 3", "its partition of item_days is half detached",
		},
		{
			"every build has its partitions", "one is of another build",
			`ALTER TABLE item_days DETACH PARTITION item_days_4; DELETE FROM item_days_4;
			 ALTER TABLE item_days ATTACH PARTITION item_days_4 FOR VALUES IN (1000)`,
			"build 4", "its partition of item_days has the bounds FOR VALUES IN ('1000')",
		},
		{
			"every build has its partitions", "one too many", `CREATE TABLE more PARTITION OF item_pairs FOR VALUES IN (1000)`,
			"table more", "is a partition of item_pairs, but of no kept build",
		},
		{
			"every function, view and trigger is as installed", "another body",
			`CREATE OR REPLACE FUNCTION closest_neighbours() RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 21`,
			"function closest_neighbours()", "was changed by hand: run alsobought migrate up",
		},
		{
			"every function, view and trigger is as installed", "a PL/pgSQL function of a migration, and what it returns",
			`CREATE OR REPLACE FUNCTION lock_orders() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$`,
			"function lock_orders()", "was changed by hand: it belongs to a migration",
		},
		{
			"every function, view and trigger is as installed", "other rights",
			`ALTER FUNCTION reporting.explain SECURITY INVOKER`,
			"function reporting.explain(text,text,bigint)", "was changed by hand",
		},
		{
			"every function, view and trigger is as installed", "a view",
			`CREATE OR REPLACE VIEW reporting.order_deletions AS
			 SELECT deletion_id, deleted_at, 0::bigint AS orders, lines, rejects, reason, deleted_by, version
			FROM order_deletions`,
			"view reporting.order_deletions", "was changed by hand",
		},
		{
			"every function, view and trigger is as installed", "one that is gone", `DROP VIEW reporting.order_deletions`,
			"view reporting.order_deletions", "is missing: run alsobought migrate up",
		},
		{
			"every function, view and trigger is as installed", "a trigger that is off",
			`ALTER TABLE orders DISABLE TRIGGER orders_deleted`,
			"trigger orders_deleted of orders", "was changed by hand: it belongs to a migration",
		},
		{
			"no tables are left over", "days of a pruned build", `CREATE TABLE item_days_1 (LIKE item_days)`,
			"table item_days_1", "run alsobought builds prune",
		},
		{
			"no tables are left over", "of a build that never was", `CREATE TABLE item_pairs_1000 (LIKE item_pairs)`,
			"table item_pairs_1000", "run alsobought builds prune",
		},
		{
			"no tables are left over", "of a pruned build", `CREATE TABLE item_stats_1 (LIKE item_stats)`,
			"table item_stats_1", "run alsobought builds prune",
		},
		{
			"the reporting role may read all reports", "a view withheld",
			`REVOKE SELECT ON reporting.loads FROM alsobought_reporting`,
			"role alsobought_reporting", "may not read all reports: run alsobought migrate up",
		},
		{
			"the reporting role may read all reports", "the schema withheld",
			`REVOKE USAGE ON SCHEMA reporting FROM alsobought_reporting`,
			"role alsobought_reporting", "may not read all reports",
		},
		{
			"the reporting role may read all reports", "a function withheld",
			`REVOKE EXECUTE ON FUNCTION reporting.load_quality FROM alsobought_reporting`,
			"role alsobought_reporting", "may not read all reports",
		},
	}
}

const pairOf12 = "build 4, pair of items 1 and 2"

func TestHealthy(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(*testing.T) *pg.Pool{
		"empty":               func(t *testing.T) *pg.Pool { return dbtest.New(t) },
		"a bit of everything": healthy,
		"loaded and not built": func(t *testing.T) *pg.Pool {
			pool := dbtest.New(t)
			mustLoad(t, pool, "order,item\n1,a\n")
			return pool
		},
		"old orders weigh next to nothing": func(t *testing.T) *pg.Pool {
			pool := healthy(t)
			mustLoad(t, pool, "order,item,ordered_at\no8,a,2024-12-31\no8,d,2024-12-31\n")
			settings := builds.DefaultSettings()
			settings.HalfLifeDays = 0.01
			if _, err := builds.Run(t.Context(), pool, builds.Options{Settings: settings}); err != nil {
				t.Fatal(err)
			}
			return pool
		},
		"a failed build": func(t *testing.T) *pg.Pool {
			pool := healthy(t)
			_, err := pool.Exec(t.Context(), `INSERT INTO builds (max_basket, neighbours_kept, shrinkage, popularity_exponent,
				similar_exponent, built_by, version)
				VALUES (100, 50, 20, 0.3, 0.1, 'killed', '')`)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := builds.Recover(t.Context(), pool); n != 1 || err != nil {
				t.Fatalf("recovered %d builds, error %v", n, err)
			}
			return pool
		},
		"a failed load": func(t *testing.T) *pg.Pool {
			pool := healthy(t)
			second := load.Source{Name: "no", Open: func() (io.ReadCloser, error) { return nil, os.ErrNotExist }}
			first := load.Source{Name: "a", Open: func() (io.ReadCloser, error) {
				return io.NopCloser(bytes.NewBufferString("order,item\n1,\n2,x\n")), nil
			}}
			if _, err := load.Run(t.Context(), pool, []load.Source{first, second},
				load.Options{}); !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			return pool
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findings, checks, err := Run(t.Context(), database(t))
			if err != nil {
				t.Fatal(err)
			}
			if checks != 22 || len(findings) > 0 {
				t.Errorf("%d checks, findings %+v", checks, findings)
			}
		})
	}
}

// Each invariant that is broken by hand is reported.
func TestBroken(t *testing.T) {
	t.Parallel()
	pool := healthy(t)
	for _, b := range breakages() {
		findings := broken(t, pool, b.sql)
		if len(findings) != 1 || findings[0].Check != b.check || findings[0].Subject != b.subject ||
			!strings.Contains(findings[0].Problem, b.problem) {
			t.Errorf("%s: got %+v, want one of %q: %s ... %s", b.name, findings, b.check, b.subject, b.problem)
		}
	}
}

// broken returns what all checks find after the statements, which are rolled back.
func broken(t *testing.T, pool *pg.Pool, sql string) (findings []Finding) {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tx.Rollback(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	if _, err := tx.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	for _, c := range all() {
		if _, err := tx.Exec(t.Context(), c.settings); err != nil {
			t.Fatal(err)
		}
		found, err := c.find(t.Context(), tx)
		if err != nil {
			t.Fatalf("%s: %v", c.names[0], err)
		}
		findings = append(findings, found...)
	}
	return findings
}

// Every check has a test that breaks its invariant, and every query of doctor.sql is used.
func TestEveryCheckIsTested(t *testing.T) {
	t.Parallel()
	var checks, broken []string
	for _, c := range all() {
		checks = append(checks, c.names...)
	}
	for _, b := range breakages() {
		broken = append(broken, b.check)
	}
	slices.Sort(checks)
	slices.Sort(broken)
	if diff := cmp.Diff(slices.Compact(checks), slices.Compact(broken)); diff != "" {
		t.Errorf("checks, and what the tests break (-checks +broken):\n%s", diff)
	}
	queries, err := os.ReadFile(filepath.Join("..", "..", "queries", "doctor.sql"))
	if err != nil {
		t.Fatal(err)
	}
	if names := regexp.MustCompile(`(?m)^-- name: (\S+)`).FindAll(queries, -1); len(names) != len(all()) {
		t.Errorf("doctor.sql has %d queries, doctor asks %d", len(names), len(all()))
	}
}

// There may be millions of bad rows; 20 are enough.
func TestAtMostTwenty(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	if _, err := pool.Exec(t.Context(),
		"INSERT INTO order_lines SELECT n, n + 1, 1, 1 FROM generate_series(1, 50) AS n"); err != nil {
		t.Fatal(err)
	}
	findings, _, err := Run(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	perCheck := map[string]int{}
	for _, f := range findings {
		perCheck[f.Check]++
	}
	want := map[string]int{"every line has an order and an item": 20, "every row belongs to a load": 1}
	if diff := cmp.Diff(want, perCheck); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A database without our tables is an error that names the check, not a healthy database.
func TestNoSchema(t *testing.T) {
	t.Parallel()
	pool, err := pg.Open(t.Context(), dbtest.NewEmptyURL(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, _, err := Run(t.Context(), pool); err == nil ||
		!strings.HasPrefix(err.Error(), "check that every order has lines: ") {
		t.Errorf("error is %v", err)
	}
}
