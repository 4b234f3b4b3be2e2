package migrations_test

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/migrations"
)

// names returns the files of the migrations, in order.
func names(t *testing.T) []string {
	t.Helper()
	list, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func namesOf(list []pg.Migration) []string {
	var names []string
	for _, m := range list {
		names = append(names, m.Name)
	}
	return names
}

// retired lists the numbers of removed migrations, in order: they must not be reused.
var retired = []int64{3, 4, 9, 10}

// version returns the number of the migration at a position, skipping retired ones.
func version(place int) int64 {
	v := int64(place + 1)
	for _, r := range retired {
		if r <= v {
			v++
		}
	}
	return v
}

// Files are numbered without gaps, so that two written at the same time collide.
func TestNumbers(t *testing.T) {
	t.Parallel()
	for i, name := range names(t) {
		if !strings.HasPrefix(name, fmt.Sprintf("%05d_", version(i))) {
			t.Errorf("migration %d is %s, want %d", i+1, name, version(i))
		}
	}
}

// Every migration rolls back exactly what it created and creates exactly the same again.
func TestUpDownUp(t *testing.T) {
	t.Parallel()
	pool := empty(t)
	// schemas by number of migrations, compared while rolling back one by one.
	schemas := [][]string{schema(t, pool)}
	applied, err := pg.MigrateUp(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(append(names(t), "functions"), namesOf(applied)); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
	whole := schema(t, pool)
	if len(whole) < 100 {
		t.Fatalf("the schema has %d parts: %q", len(whole), whole)
	}
	var down [][]string
	for i := range names(t) {
		down = append(down, schema(t, pool))
		reverted, err := pg.MigrateDown(t.Context(), pool, false)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{names(t)[len(names(t))-1-i]}, namesOf(reverted)); diff != "" {
			t.Errorf("reverted (-want +got):\n%s", diff)
		}
	}
	slices.Reverse(down)
	schemas = append(schemas, down...)
	if diff := cmp.Diff(schemas[0], schema(t, pool)); diff != "" {
		t.Errorf("left after rolling back everything (-want +got):\n%s", diff)
	}
	for i := 1; i < len(schemas); i++ {
		if cmp.Equal(schemas[i-1], schemas[i]) {
			t.Errorf("%s changes nothing", names(t)[i-1])
		}
	}
	if reverted, err := pg.MigrateDown(t.Context(), pool, false); err != nil || len(reverted) > 0 {
		t.Errorf("down of nothing: %v, error %v", reverted, err)
	}
	if _, err := pg.MigrateUp(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(whole, schema(t, pool)); diff != "" {
		t.Errorf("made again (-want +got):\n%s", diff)
	}
	if again, err := pg.MigrateUp(t.Context(), pool); err != nil || len(again) > 0 {
		t.Errorf("up of nothing: %v, error %v", again, err)
	}
}

// fixtures insert a row into every table.
var fixtures = []string{
	`INSERT INTO loads (source, loaded_by, version) VALUES ('orders.csv', 'tester', 'test')`,
	`INSERT INTO load_files VALUES (1, 1, 'orders.csv', 10, sha256('x'), '{}', 3, 1, 1)`,
	`INSERT INTO load_rejects VALUES (1, 1, 1, 2, 'missing_item', 'no item', '\x00ff')`,
	`INSERT INTO items (name) VALUES ('a'), ('b')`,
	`INSERT INTO item_attributes (item_id, category, source, changed_by) VALUES (1, 'c', 'items.csv', 'tester')`,
	`INSERT INTO orders (external_id, ordered_at, customer_id, load_id) VALUES ('o1', now(), 'c', 1)`,
	`INSERT INTO order_lines VALUES (1, 1, 1, 1), (1, 2, 0.5, 1)`,
	`UPDATE orders SET items = '{1, 2}'`, // recorded in order_changes
	`INSERT INTO known_orders VALUES (1, 2)`,
	`INSERT INTO known_lines VALUES (1, 1, 2, 3)`,
	`INSERT INTO returned_lines VALUES (1, 1, 2, 1)`,
	`INSERT INTO order_deletions (orders, lines, reason, deleted_by, version) VALUES (1, 2, 'refund', 'tester', 'test')`,
	`INSERT INTO idempotency_keys (sender, key, body_hash, receipt) VALUES ('shop', 'k', sha256('x'), '{}')`,
	`INSERT INTO shop_orders VALUES ('shopify', '4711', 'o1', now())`,
	`INSERT INTO shop_refunds VALUES ('shopify', '4711', 'r1', now(), '{"a": 1}')`,
	`INSERT INTO builds (status, active, built_at, max_basket, neighbours_kept, shrinkage, popularity_exponent,
		similar_exponent, orders, baskets, built_by, version)
		VALUES ('ready', true, now(), 100, 50, 20, 0.3, 0.1, 1, 1, 'tester', 'test')`,
	`CREATE TABLE item_stats_1 PARTITION OF item_stats FOR VALUES IN (1)`,
	// the name that a build gives it
	`ALTER INDEX item_stats_1_popularity_rank_build_id_key RENAME TO item_stats_1_popularity_rank_key`,
	`CREATE TABLE item_pairs_1 PARTITION OF item_pairs FOR VALUES IN (1)`,
	`CREATE TABLE item_neighbours_1 PARTITION OF item_neighbours FOR VALUES IN (1)`,
	`CREATE TABLE item_days_1 PARTITION OF item_days FOR VALUES IN (1)`,
	`INSERT INTO item_stats VALUES (1, 1, 1, 1, 1, 1, 1), (1, 2, 1, 1, 2, 2, 0.5)`,
	`INSERT INTO item_pairs VALUES (1, 1, 2, 1, 1)`,
	`INSERT INTO item_neighbours VALUES (1, 1, 1, 2, 0.5, 1, 2, 0.25, 0, 1, 0.5, 2, 1, 1, 1), (1, 2, 1, 1, 0.5, 1, 1, 0,
		0.25, 1, 0.5, 1, 1, 1, 1)`,
	`INSERT INTO item_days VALUES (1, '2024-02-29', 1, 1), (1, '2024-02-29', 2, 1)`,
	`INSERT INTO order_days VALUES (1, '2024-02-29', 1)`,
	`INSERT INTO rules (kind, item, items, reason, author, valid_until) VALUES ('pin', 'a', ARRAY['b', 'c'], 'offer',
		'tester', now() + interval '1 day')`,
	`INSERT INTO installed_roles VALUES ('server', 'nobody_by_this_name')`,
	`INSERT INTO api_keys (name, scopes, hint, sha256, expires_at, created_by) VALUES ('shop', '{read,write}', 'ab_1234',
		sha256('x'), now() + interval '1 day', 'tester')`,
	`INSERT INTO dashboard_sessions (token_sha256, key_id, expires_at) VALUES (sha256('t'), 1, now() + interval '1 hour')`,
}

// Down also drops tables with rows.
func TestDownOverRows(t *testing.T) {
	t.Parallel()
	for name, all := range map[string]bool{"all at once": true, "one by one": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := empty(t)
			nothing := schema(t, pool)
			if _, err := pg.MigrateUp(t.Context(), pool); err != nil {
				t.Fatal(err)
			}
			whole := schema(t, pool)
			for _, f := range fixtures {
				exec(t, pool, f)
			}
			for _, table := range texts(t, pool, `SELECT c.oid::regclass::text FROM pg_class AS c
				JOIN pg_namespace AS n ON n.oid = c.relnamespace
				WHERE `+ours+` AND c.relkind IN ('r', 'p')`) {
				if got := texts(t, pool, "SELECT count(*)::text FROM "+table); got[0] == "0" {
					t.Errorf("no fixture puts a row into %s", table)
				}
			}
			var reverted []pg.Migration
			for {
				got, err := pg.MigrateDown(t.Context(), pool, all)
				if err != nil {
					t.Fatal(err)
				}
				if len(got) == 0 {
					break
				}
				reverted = append(reverted, got...)
			}
			if want := names(t); len(reverted) != len(want) {
				t.Errorf("reverted %v, want %v", namesOf(reverted), want)
			}
			if diff := cmp.Diff(nothing, schema(t, pool)); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			if _, err := pg.MigrateUp(t.Context(), pool); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(whole, schema(t, pool)); diff != "" {
				t.Errorf("made again (-want +got):\n%s", diff)
			}
		})
	}
}

// Any number of processes may find an empty database at once: each migration is applied by one of them, and all
// succeed.
func TestUpAtOnce(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 4} {
		t.Run(fmt.Sprintf("%d at once", n), func(t *testing.T) {
			t.Parallel()
			databaseURL := dbtest.NewEmptyURL(t)
			var pools []*pgxpool.Pool
			for range n {
				pool, err := pg.Open(t.Context(), databaseURL, 1) // one connection must be enough
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(pool.Close)
				pools = append(pools, pool)
			}
			var running sync.WaitGroup
			var mu sync.Mutex
			var applied []string
			for _, pool := range pools {
				running.Go(func() {
					list, err := pg.MigrateUp(t.Context(), pool)
					if err != nil {
						t.Error(err)
					}
					if err := pg.CheckSchema(t.Context(), pool); err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					applied = append(applied, namesOf(list)...)
				})
			}
			running.Wait()
			slices.Sort(applied)
			if diff := cmp.Diff(append(names(t), "functions"), applied); diff != "" {
				t.Errorf("applied by all together (-want +got):\n%s", diff)
			}
			versions := texts(t, pools[0], "SELECT g.version_id::text FROM goose_db_version AS g WHERE "+
				"g.version_id > 0 ORDER BY g.id")
			if len(versions) != len(names(t)) {
				t.Errorf("goose counts %v", versions)
			}
			if locks := texts(t, pools[0], `SELECT l::text FROM pg_locks AS l
				WHERE l.locktype = 'advisory' AND l.database = (SELECT d.oid FROM pg_database AS d
				WHERE d.datname = current_database())`); len(locks) > 0 {
				t.Errorf("locks are left: %q", locks)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	pool := empty(t)
	status := func() (all, applied []string) {
		t.Helper()
		list, err := pg.MigrateStatus(t.Context(), pool)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range list {
			all = append(all, m.Name)
			if m.AppliedAt != nil {
				applied = append(applied, m.Name)
			}
			if i < len(names(t)) && m.Version != version(i) {
				t.Errorf("%s has version %d", m.Name, m.Version)
			}
		}
		return all, applied
	}
	withFunctions := append(names(t), "functions")
	for _, step := range []struct {
		name string
		do   func() error
		want []string
	}{
		{"at first", func() error { return nil }, nil},
		{"up", func() error { _, err := pg.MigrateUp(t.Context(), pool); return err }, withFunctions},
		{
			"down", func() error { _, err := pg.MigrateDown(t.Context(), pool, false); return err },
			append(names(t)[:len(names(t))-1], "functions"),
		},
		{"down to nothing", func() error { _, err := pg.MigrateDown(t.Context(), pool, true); return err }, nil},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		all, applied := status()
		if diff := cmp.Diff(withFunctions, all); diff != "" {
			t.Errorf("%s, all (-want +got):\n%s", step.name, diff)
		}
		if diff := cmp.Diff(step.want, applied); diff != "" {
			t.Errorf("%s, applied (-want +got):\n%s", step.name, diff)
		}
	}
}
