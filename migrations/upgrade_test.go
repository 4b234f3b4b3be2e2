package migrations_test

import (
	"database/sql"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/doctor"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
	"github.com/alsobought/alsobought/migrations"
)

// upTo migrates up to a version.
func upTo(t *testing.T, pool *pgxpool.Pool, version int64) {
	t.Helper()
	database := stdlib.OpenDBFromPool(pool)
	defer func(d *sql.DB) { _ = d.Close() }(database) // the caller closes the pool
	provider, err := goose.NewProvider(goose.DialectPostgres, database, migrations.FS)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
}

// retiredSchema is what the retired versions 2 to 4 created, as far as names and parameters go.
var retiredSchema = []string{
	`CREATE FUNCTION affinity(
		orders_together bigint, weight float8, baskets_i bigint, baskets_j bigint, shrinkage float8,
		popularity_exponent float8
	) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN orders_together / (orders_together + shrinkage) * weight / (baskets_i * power(baskets_j, popularity_exponent))`,
	`CREATE FUNCTION pair_value(
		measure text, orders_together bigint, weight float8, baskets_i bigint, baskets_j bigint, baskets bigint,
		shrinkage float8, popularity_exponent float8
	) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
	RETURN CASE measure WHEN 'affinity' THEN affinity(orders_together, weight, baskets_i, baskets_j, shrinkage,
	popularity_exponent) END`,
	`CREATE FUNCTION recommend(
		build bigint, asked bigint[], boosted boolean, measure text, min_support bigint, min_confidence float8,
		excluded bigint[], fill boolean, lim bigint
	) RETURNS TABLE (place bigint, item_id bigint, score float8) LANGUAGE sql STABLE PARALLEL SAFE
	AS $$ SELECT n.neighbour_rank, n.other_id, n.affinity FROM item_neighbours n WHERE n.build_id = build
	AND n.item_id = ANY (asked) $$`,
	`CREATE SCHEMA reporting`,
	`CREATE VIEW reporting.builds AS SELECT b.* FROM builds b`,
	`CREATE VIEW reporting.popular_items AS SELECT s.* FROM item_stats s`,
	`CREATE VIEW reporting.item_pairs AS
		SELECT p.*, pair_value('affinity', p.orders_together, p.weight, a.baskets, b.baskets, t.baskets, t.shrinkage,
		t.popularity_exponent) AS affinity_ab
		FROM builds t JOIN item_pairs p USING (build_id)
		JOIN item_stats a ON a.build_id = t.build_id AND a.item_id = p.item_a
		JOIN item_stats b ON b.build_id = t.build_id AND b.item_id = p.item_b`,
	`CREATE FUNCTION reporting.similar_items(item text, lim integer DEFAULT 5)
		RETURNS TABLE (place bigint, item_id bigint, score float8)
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
	AS $$ SELECT r.* FROM builds b JOIN items i ON i.name = item CROSS JOIN LATERAL recommend(b.build_id,
	ARRAY[i.item_id], true, 'affinity', 1, 0, '{}', true, lim) r $$`,
	`INSERT INTO goose_db_version (version_id, is_applied) VALUES (3, true), (4, true)`,
	// Two orders, and a build of them as that version made it.
	`INSERT INTO loads (source, status, finished_at, rows_read, rows_loaded, orders_added, items_added, loaded_by, version)
		VALUES ('orders.csv', 'loaded', now(), 4, 4, 2, 3, 'tester', 'old')`,
	`INSERT INTO items (name) VALUES ('bread'), ('butter'), ('jam')`,
	`INSERT INTO orders (external_id, ordered_at, load_id) VALUES ('1', '2024-02-29', 1), ('2', NULL, 1)`,
	`INSERT INTO order_lines VALUES (1, 1, 1, 1), (1, 2, 1, 1), (2, 1, 1, 1), (2, 3, 1, 1)`,
	`INSERT INTO builds (status, active, built_at, max_basket, neighbours_kept, shrinkage, popularity_exponent,
		similar_exponent,
		orders, order_lines, baskets, items, pairs, neighbours, built_by, version)
		VALUES ('ready', true, '2024-03-01', 100, 50, 1, 0, 0, 2, 4, 2, 3, 2, 4, 'tester', 'old')`,
	`CREATE TABLE item_stats_1 PARTITION OF item_stats FOR VALUES IN (1)`,
	`CREATE TABLE item_pairs_1 PARTITION OF item_pairs FOR VALUES IN (1)`,
	`CREATE TABLE item_neighbours_1 PARTITION OF item_neighbours FOR VALUES IN (1)`,
	`INSERT INTO item_stats VALUES (1, 1, 2, 2, 1, 1), (1, 2, 1, 1, 2, 2), (1, 3, 1, 1, 3, 3)`,
	`INSERT INTO item_pairs VALUES (1, 1, 2, 1, 1), (1, 1, 3, 1, 1)`,
	`INSERT INTO item_neighbours VALUES (1, 1, 1, 2, 0.25, 1, 2), (1, 1, 2, 3, 0.25, 1, 3), (1, 2, 1, 1, 0.5, 2, 1), (1,
		3, 1, 1, 0.5, 2, 1)`,
}

// A database with the retired versions 3 and 4 is upgraded with its orders and builds, and looks like one that
// never had them.
func TestRetiredVersions(t *testing.T) {
	t.Parallel()
	fresh := empty(t)
	if _, err := pg.MigrateUp(t.Context(), fresh); err != nil {
		t.Fatal(err)
	}
	pool := empty(t)
	nothing := schema(t, pool)
	upTo(t, pool, 2)
	for _, statement := range retiredSchema {
		exec(t, pool, statement)
	}
	applied, err := pg.MigrateUp(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(append(names(t)[2:], "functions"), namesOf(applied)); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
	if err := pg.CheckSchema(t.Context(), pool); err != nil {
		t.Error(err)
	}
	versions := `SELECT DISTINCT g.version_id::text FROM goose_db_version AS g ORDER BY 1`
	if diff := cmp.Diff(texts(t, fresh, versions), texts(t, pool, versions)); diff != "" {
		t.Errorf("versions (-fresh +upgraded):\n%s", diff)
	}
	wantUpgraded(t, pool)

	// Once its build is gone, the rest equals a fresh database.
	if _, err := builds.Prune(t.Context(), pool, 0); err != nil {
		t.Fatal(err)
	}
	if status := texts(t, pool, "SELECT b.status FROM builds AS b ORDER BY b.build_id"); !cmp.Equal(status,
		[]string{"pruned", "ready"}) {
		t.Errorf("builds are %q", status)
	}
	exec(t, pool, "DROP TABLE item_stats_2, item_pairs_2, item_neighbours_2, item_days_2")
	if diff := cmp.Diff(schema(t, fresh), schema(t, pool)); diff != "" {
		t.Errorf("schema (-fresh +upgraded):\n%s", diff)
	}
	if again, err := pg.MigrateUp(t.Context(), pool); err != nil || len(again) > 0 {
		t.Errorf("up of nothing: %v, error %v", again, err)
	}
	if _, err := pg.MigrateDown(t.Context(), pool, true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(nothing, schema(t, pool)); diff != "" {
		t.Errorf("left after rolling back everything (-want +got):\n%s", diff)
	}
}

// TestUpgradeFrom369ba3d: a database of that version, whose functions were migrations 9 and 10, is upgraded
// with its orders, builds and rules, and looks like one that never had them.
func TestUpgradeFrom369ba3d(t *testing.T) {
	t.Parallel()
	fresh, pool := empty(t), empty(t)
	if _, err := pg.MigrateUp(t.Context(), fresh); err != nil {
		t.Fatal(err)
	}
	upTo(t, pool, 8)
	functions, err := os.ReadFile("testdata/369ba3d-functions.sql")
	if err != nil {
		t.Fatal(err)
	}
	exec(t, pool, string(functions))
	exec(t, pool, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9, true), (10, true)")
	first := slices.IndexFunc(retiredSchema, func(s string) bool { return strings.HasPrefix(s, "INSERT INTO loads") })
	for _, statement := range retiredSchema[first:] {
		// its tables have columns that version 2 did not have
		statement = strings.NewReplacer(
			"(1, 1, 2, 2, 1, 1), (1, 2, 1, 1, 2, 2), (1, 3, 1, 1, 3, 3)",
			"(1, 1, 2, 2, 1, 1, 2), (1, 2, 1, 1, 2, 2, 1), (1, 3, 1, 1, 3, 3, 1)",
			"0.25, 1, 2)", "0.25, 1, 2, 0, 0)", "0.25, 1, 3)", "0.25, 1, 3, 0, 0)", "0.5, 2, 1)", "0.5, 2, 1, 0, 0)",
		).Replace(statement)
		exec(t, pool, statement)
	}
	exec(t, pool, "CREATE TABLE item_days_1 PARTITION OF item_days FOR VALUES IN (1)")
	exec(t, pool, "UPDATE builds SET activated_at = built_at")
	exec(t, pool, "INSERT INTO rules (kind, items, reason, author) VALUES ('hide', '{tea}', 'sold out', 'tester')")
	if _, err := pg.MigrateUp(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, pool, "SELECT r.subject FROM revisions AS r WHERE r.matters"); !cmp.Equal(got, []string{"rules"}) {
		t.Errorf("%q matter, want the rule that is in force", got)
	}
	wantUpgraded(t, pool)
	if _, err := builds.Prune(t.Context(), pool, 0); err != nil {
		t.Fatal(err)
	}
	exec(t, pool, "DROP TABLE item_stats_2, item_pairs_2, item_neighbours_2, item_days_2")
	if diff := cmp.Diff(schema(t, fresh), schema(t, pool)); diff != "" {
		t.Errorf("schema (-fresh +upgraded):\n%s", diff)
	}
}

// wantUpgraded queries the existing build and makes another.
func wantUpgraded(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	if diff := cmp.Diff([]string{"(1,1,2,2,1,1,2,)", "(1,2,1,1,2,2,1,)", "(1,3,1,1,3,3,1,)"},
		texts(t, pool, "SELECT s::text FROM item_stats AS s ORDER BY s.item_id")); diff != "" {
		t.Errorf("statistics (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"2 orders, 4 lines"}, texts(t, pool, "SELECT (SELECT count(*) FROM orders) || ' "+
		"orders, ' || count(*) || ' lines' FROM order_lines")); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
	answers := func() (list []recommend.Recommendation) {
		t.Helper()
		r := recommend.New(pool)
		similar, err := r.Ask(t.Context(), recommend.Similar("bread", recommend.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		basket, err := r.Ask(t.Context(), recommend.Basket([]string{"butter", "jam"}, recommend.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		return append(similar.Recommendations, basket.Recommendations...)
	}
	before := answers()
	if len(before) != 3 || before[0].ItemName != "butter" || before[0].SimilarityScore != 0.25 ||
		before[2].SimilarityScore != 0.5 {
		t.Errorf("the build from before answers %+v", before)
	}
	kept, err := pool.Query(t.Context(), "SELECT b.shrinkage, b.overlap_discount FROM builds AS b")
	if err != nil {
		t.Fatal(err)
	}
	var shrinkage, discount float64
	for kept.Next() {
		if err := kept.Scan(&shrinkage, &discount); err != nil {
			t.Fatal(err)
		}
	}
	if shrinkage != 1 || discount != 0 {
		t.Errorf("the build from before has shrinkage %v and discount %v, want 1 and none: nobody knew of it", shrinkage,
			discount)
	}
	settings := builds.Settings{MaxBasket: 100, NeighboursKept: 50, Shrinkage: 1}
	if built, err := builds.Run(t.Context(), pool, builds.Options{Settings: settings, Keep: 1}); err != nil ||
		built.BuildID != 2 {
		t.Fatalf("build %d, %v", built.BuildID, err)
	}
	if back, err := builds.Rollback(t.Context(), pool); err != nil || back.BuildID != 1 {
		t.Errorf("rollback to %d (%v), want the build from before", back.BuildID, err)
	}
	if _, err := builds.Activate(t.Context(), pool, 2); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, answers()); diff != "" {
		t.Errorf("answers (-before +after another build):\n%s", diff)
	}
	findings, checks, err := doctor.Run(t.Context(), pool)
	if err != nil || checks == 0 || len(findings) > 0 {
		t.Errorf("doctor: %d checks, %+v, %v", checks, findings, err)
	}
}

// TestItemSpelling converts names that were stored before loads normalized them to NFC, unless the result is
// another item.
func TestItemSpelling(t *testing.T) {
	t.Parallel()
	pool := empty(t)
	upTo(t, pool, 18)
	exec(t, pool, `INSERT INTO items (name) VALUES
		('tea'), (U&'caf\00E9'), (U&'cafe\0301'), (U&'the\0301'), (U&'q\0323\0307'), (U&'q\0307\0323')`)
	exec(t, pool, `INSERT INTO rules (kind, item, items, reason, author) VALUES
		('pin', U&'the\0301', ARRAY[U&'cafe\0301', 'tea'], 'r', 'a'), ('hide', NULL, ARRAY['tea'], 'r', 'a')`)
	if _, err := pg.MigrateUp(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	got := texts(t, pool, `SELECT name FROM items ORDER BY item_id`)
	want := []string{"tea", "caf\u00e9", "cafe\u0301", "th\u00e9", "q\u0323\u0307", "q\u0307\u0323"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	got = texts(t, pool, `SELECT concat_ws(' ', item, array_to_string(items, ' ')) FROM rules ORDER BY rule_id`)
	if diff := cmp.Diff([]string{"th\u00e9 caf\u00e9 tea", "tea"}, got); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}
