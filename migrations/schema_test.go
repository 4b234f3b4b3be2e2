package migrations_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/migrations"
)

// constraints returns the names of all constraints and indexes.
func constraints(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	return texts(t, pool, `
		SELECT k.conname FROM pg_constraint AS k JOIN pg_namespace AS n ON n.oid = k.connamespace
		WHERE `+ours+` AND k.contype <> 'n' AND k.conrelid::regclass::text <> 'goose_db_version'
		UNION
		SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE `+ours+` AND c.relkind IN ('i', 'I') AND c.relname NOT LIKE 'goose\_db\_version%'
		ORDER BY 1`)
}

// Code identifies constraints by name, so each name is given explicitly, never by PostgreSQL.
func TestConstraintsAreNamed(t *testing.T) {
	t.Parallel()
	var source strings.Builder
	for _, name := range names(t) {
		text, err := fs.ReadFile(migrations.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	words := strings.FieldsFunc(source.String(),
		func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789_", r) })
	for _, name := range constraints(t, dbtest.New(t)) {
		if !slices.Contains(words, name) {
			t.Errorf("%s is not named in any migration", name)
		}
	}
}

const (
	newLoad = `INSERT INTO loads (source, loaded_by, version, status, finished_at, error, rows_read, rows_loaded,
		rows_duplicate, rows_rejected, rows_repeated, rows_not_bought) VALUES ('s', 'b', 'v', `
	newBuild = `INSERT INTO builds (built_by, version, status, active, built_at, error, max_basket, neighbours_kept,
		shrinkage, popularity_exponent, similar_exponent) VALUES ('b', 'v', `
	newRule = `INSERT INTO rules (kind, item, items, reason, author, valid_from, valid_until) VALUES (`
	newKey  = `INSERT INTO api_keys (name, scopes, hint, sha256, created_by) VALUES (`
)

// violations are statements that the constraints refuse, run after the fixtures.
//
//nolint:dupword // SQL may say NULL, NULL
var violations = map[string][]string{
	"loads_pkey": {
		`INSERT INTO loads (load_id, source, loaded_by, version) OVERRIDING SYSTEM VALUE VALUES (1, '', '', '')`,
	},
	"loads_status_check": {newLoad + `'done', now(), NULL, 0, 0, 0, 0, 0, 0)`},
	"loads_every_row_check": {
		newLoad + `'loaded', now(), NULL, 3, 1, 0, 1, 0, 0)`, newLoad + `'loaded', now(), NULL, 2, 1, 1, 1, 0, 0)`,
		newLoad + `'loaded', now(), NULL, 1, 1, 0, 0, 0, 1)`,
	},
	"loads_counts_check": {
		newLoad + `'loaded', now(), NULL, 0, 1, 0, 0, 0, -1)`, newLoad + `'loaded', now(), NULL, 0, 1, 0, -1, 0, 0)`,
		newLoad + `'loaded', now(), NULL, 0, -1, 1, 0, 0, 0)`, `UPDATE loads SET orders_added = -1`,
	},
	"loads_repeated_check": {
		newLoad + `'loaded', now(), NULL, 1, 0, 1, 0, 2, 0)`, newLoad + `'loaded', now(), NULL, 1, 0, 1, 0, -1, 0)`,
	},
	"loads_finished_check": {
		newLoad + `'running', now(), NULL, 0, 0, 0, 0, 0, 0)`, newLoad + `'loaded', NULL, NULL, 0, 0, 0, 0, 0, 0)`,
	},
	"loads_error_check": {
		newLoad + `'failed', now(), NULL, 0, 0, 0, 0, 0, 0)`, newLoad + `'loaded', now(), 'why', 0, 0, 0, 0, 0, 0)`,
	},
	"loads_reverted_check": {
		newLoad + `'reverted', now(), NULL, 0, 0, 0, 0, 0, 0)`, `UPDATE loads SET reverted_at = now()`,
		`UPDATE loads SET reverted_by = 'me'`,
	},
	"load_files_pkey": {`INSERT INTO load_files SELECT * FROM load_files`},
	"load_files_load_id_fkey": {
		`INSERT INTO load_files VALUES (1000, 1, 'f', 0, sha256(''), '{}', 0, 0, 0)`, `DELETE FROM loads`,
	},
	"load_files_sha256_check": {`UPDATE load_files SET sha256 = '\x00'`},
	"load_files_rows_check": {
		`UPDATE load_files SET rows_rejected = 3`, `UPDATE load_files SET rows_rejected = -1`,
		`UPDATE load_files SET rows_not_bought = -1`,
	},
	"load_rejects_pkey":          {`INSERT INTO load_rejects SELECT * FROM load_rejects`},
	"load_rejects_outcome_check": {`UPDATE load_rejects SET outcome = 'loaded'`},
	"items_pkey":                 {`INSERT INTO items (item_id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'c')`},
	"items_name_key":             {`INSERT INTO items (name) VALUES ('a')`},
	"items_name_check": {
		`INSERT INTO items (name) VALUES ('')`, `INSERT INTO items (name) VALUES (repeat('é', 1001))`,
	},
	"item_attributes_pkey": {`INSERT INTO item_attributes (item_id, source, changed_by) VALUES (1, '', '')`},
	"item_attributes_texts_check": {
		`UPDATE item_attributes SET category = ''`, `UPDATE item_attributes SET label = ''`,
		`UPDATE item_attributes SET label = repeat('é', 1001)`,
		`UPDATE item_attributes SET url = 'https://' || repeat('x', 1993)`,
		`UPDATE item_attributes SET category = NULL, image_url = 'https://' || repeat('x', 1993)`,
	},
	"item_attributes_urls_check": {
		`UPDATE item_attributes SET url = 'javascript:alert(1)'`,
		`UPDATE item_attributes SET url = NULL, image_url = 'ftp://x'`,
		`UPDATE item_attributes SET url = E'java\nhttps://x'`, `UPDATE item_attributes SET url = 'https:// '`,
	},
	"item_attributes_price_check": {
		`UPDATE item_attributes SET price = -0.01`, `UPDATE item_attributes SET price = 1e15`,
		`UPDATE item_attributes SET price = 'NaN'`,
	},
	"orders_pkey": {
		`INSERT INTO orders (order_id, external_id, load_id) OVERRIDING SYSTEM VALUE VALUES (1, 'x', 1)`,
	},
	"orders_external_id_key": {`INSERT INTO orders (external_id, load_id) VALUES ('o1', 1)`},
	"orders_external_id_check": {
		`INSERT INTO orders (external_id, load_id) VALUES ('', 1)`,
		`INSERT INTO orders (external_id, load_id) VALUES (repeat('x', 2001), 1)`,
	},
	"order_lines_pkey": {`INSERT INTO order_lines VALUES (1, 1, 5, 1)`},
	"order_lines_quantity_check": {
		`UPDATE order_lines SET quantity = 0`, `UPDATE order_lines SET quantity = -0.000001`,
	},
	"order_changes_pkey": {
		`INSERT INTO order_changes (change_id, order_id, items) OVERRIDING SYSTEM VALUE VALUES (1, 1, '{}')`,
	},
	"known_orders_pkey":             {`INSERT INTO known_orders VALUES (1, 2)`},
	"known_lines_pkey":              {`INSERT INTO known_lines VALUES (1, 1, 2, 4)`},
	"known_lines_quantity_check":    {`UPDATE known_lines SET quantity = 0`},
	"returned_lines_pkey":           {`INSERT INTO returned_lines VALUES (1, 1, 2, NULL)`},
	"returned_lines_quantity_check": {`UPDATE returned_lines SET quantity = 0`},
	"order_deletions_pkey": {
		`INSERT INTO order_deletions (deletion_id, orders, lines, reason, deleted_by, version) OVERRIDING SYSTEM VALUE
			VALUES (1, 1, 1, '', '', '')`,
	},
	"order_deletions_counts_check": {
		`UPDATE order_deletions SET orders = 0`, `UPDATE order_deletions SET lines = -1`,
		`UPDATE order_deletions SET rejects = -1`,
	},

	"builds_pkey": {
		`INSERT INTO builds (build_id, built_by, version, max_basket, neighbours_kept, shrinkage, popularity_exponent,
			similar_exponent) OVERRIDING SYSTEM VALUE VALUES (1, '', '', 100, 50, 20, 0.3, 0.1)`,
	},
	"builds_status_check": {newBuild + `'odd', false, NULL, NULL, 100, 50, 20, 0.3, 0.1)`},
	"builds_active_check": {
		newBuild + `'running', true, NULL, NULL, 100, 50, 20, 0.3, 0.1)`, `UPDATE builds SET status = 'pruned'`,
	},
	"builds_built_check": {
		newBuild + `'running', false, now(), NULL, 100, 50, 20, 0.3, 0.1)`, newBuild +
			`'ready', false, NULL, NULL, 100, 50, 20, 0.3, 0.1)`,
	},
	"builds_error_check": {
		newBuild + `'failed', false, NULL, NULL, 100, 50, 20, 0.3, 0.1)`, newBuild +
			`'running', false, NULL, 'why', 100, 50, 20, 0.3, 0.1)`,
	},
	"builds_base_check": {`UPDATE builds SET base_build = build_id`, `UPDATE builds SET changed_orders = -1`},
	"builds_last_check": {`UPDATE builds SET last_order_id = 1`, `UPDATE builds SET last_change_id = 0`},
	"builds_max_basket_check": {
		newBuild + `'running', false, NULL, NULL, 1, 50, 20, 0.3, 0.1)`, newBuild +
			`'running', false, NULL, NULL, 1001, 50, 20, 0.3, 0.1)`,
	},
	"builds_neighbours_kept_check": {
		newBuild + `'running', false, NULL, NULL, 100, 0, 20, 0.3, 0.1)`, newBuild +
			`'running', false, NULL, NULL, 100, 1001, 20, 0.3, 0.1)`,
	},
	"builds_exponents_check": {
		newBuild + `'running', false, NULL, NULL, 100, 50, -1, 0.3, 0.1)`, newBuild +
			`'running', false, NULL, NULL, 100, 50, 20, 1.1, 0.1)`,
		newBuild + `'running', false, NULL, NULL, 100, 50, 20, 0.3, 0.4)`, newBuild +
			`'running', false, NULL, NULL, 100, 50, 'NaN', 0.3, 0.1)`,
	},
	"builds_one_active_idx":    {newBuild + `'ready', true, now(), NULL, 100, 50, 20, 0.3, 0.1)`},
	"builds_window_days_check": {`UPDATE builds SET window_days = 0`, `UPDATE builds SET window_days = 36501`},
	"builds_half_life_days_check": {
		`UPDATE builds SET half_life_days = 0`, `UPDATE builds SET half_life_days = 36501`,
		`UPDATE builds SET half_life_days = 'NaN'`,
	},
	"builds_popularity_prior_check": {
		`UPDATE builds SET popularity_prior = -0.1`, `UPDATE builds SET popularity_prior = 1000001`,
		`UPDATE builds SET popularity_prior = 'NaN'`,
	},
	"builds_chance_share_check": {
		`UPDATE builds SET chance_share = -0.1`, `UPDATE builds SET chance_share = 1.1`,
		`UPDATE builds SET chance_share = 'NaN'`,
	},
	"builds_overlap_discount_check": {
		`UPDATE builds SET overlap_discount = -0.1`, `UPDATE builds SET overlap_discount = 1.1`,
		`UPDATE builds SET overlap_discount = 'NaN'`,
	},
	"item_stats_pkey":                {`INSERT INTO item_stats VALUES (1, 1, 1, 1, 3, 3, 1)`},
	"item_stats_popularity_rank_key": {`INSERT INTO item_stats VALUES (1, 3, 1, 1, 1, 3, 1)`},
	"item_pairs_pkey":                {`INSERT INTO item_pairs VALUES (1, 1, 2, 2, 2)`},
	"item_neighbours_pkey": {
		`INSERT INTO item_neighbours VALUES (1, 1, 1, 3, 0.5, 1, 3, 0, 0, 1, 0.5, 3, 1, 1, 1)`,
	},
	"item_days_pkey":  {`INSERT INTO item_days VALUES (1, '2024-02-29', 1, 2)`},
	"order_days_pkey": {`INSERT INTO order_days VALUES (1, '2024-02-29', 2)`},

	"installed_functions_pkey": {`INSERT INTO installed_functions (hash, signatures) VALUES ('', '{}')`},
	"installed_functions_only_row_check": {
		`INSERT INTO installed_functions (only_row, hash, signatures) VALUES (false, '', '{}')`,
	},
	"installed_roles_pkey":          {`INSERT INTO installed_roles VALUES ('server', 'other')`},
	"installed_roles_purpose_check": {`INSERT INTO installed_roles VALUES ('owner', 'other')`},
	"revisions_pkey":                {`INSERT INTO revisions (subject) VALUES ('rules')`},

	"rules_pkey": {
		`INSERT INTO rules (rule_id, kind, items, reason, author) OVERRIDING SYSTEM VALUE
			VALUES (1, 'hide', '{a}', 'r', 'a')`,
	},
	"rules_kind_check": {newRule + `'boost', NULL, '{a}', 'r', 'a', now(), NULL)`},
	"rules_item_check": {
		newRule + `'hide', '', '{a}', 'r', 'a', now(), NULL)`,
		newRule + `'hide', repeat('é', 1001), '{a}', 'r', 'a', now(), NULL)`,
	},
	"rules_items_check": {
		newRule + `'hide', NULL, '{}', 'r', 'a', now(), NULL)`, newRule + `'apart', NULL, '{a}', 'r', 'a', now(), NULL)`,
		newRule + `'hide', NULL, '{a,NULL}', 'r', 'a', now(), NULL)`,
		newRule + `'hide', NULL, '{a,""}', 'r', 'a', now(), NULL)`,
		newRule + `'hide', NULL, '{{a},{b}}', 'r', 'a', now(), NULL)`,
		newRule + `'hide', NULL, array_fill('a'::text, '{1001}'), 'r', 'a', now(), NULL)`,
	},
	"rules_trimmed_check": {
		newRule + `'hide', 'a ', '{a}', 'r', 'a', now(), NULL)`,
		newRule + `'hide', NULL, '{a,"rolls/buns "}', 'r', 'a', now(), NULL)`,
		newRule + `'hide', NULL, ARRAY[U&'\00A0a'], 'r', 'a', now(), NULL)`,
		newRule + `'hide', 'a', '{" "}', 'r', 'a', now(), NULL)`,
		newRule + `'hide', NULL, ARRAY[E'a\n'], 'r', 'a', now(), NULL)`, `UPDATE rules SET items = ARRAY[' a']`,
	},
	"rules_apart_check": {newRule + `'apart', 'a', '{a,b}', 'r', 'a', now(), NULL)`},
	"rules_texts_check": {
		newRule + `'hide', NULL, '{a}', '', 'a', now(), NULL)`,
		newRule + `'hide', NULL, '{a}', repeat('x', 2001), 'a', now(), NULL)`,
		newRule + `'hide', NULL, '{a}', 'r', '', now(), NULL)`,
		newRule + `'hide', NULL, '{a}', 'r', repeat('x', 2001), now(), NULL)`,
	},
	"rules_valid_check": {newRule + `'hide', NULL, '{a}', 'r', 'a', now(), now() - interval '1 second')`},
	"rules_times_check": {
		newRule + `'hide', NULL, '{a}', 'r', 'a', '-infinity', NULL)`,
		newRule + `'hide', NULL, '{a}', 'r', 'a', 'infinity', NULL)`,
		newRule + `'hide', NULL, '{a}', 'r', 'a', now(), 'infinity')`,
		newRule + `'hide', NULL, '{a}', 'r', 'a', '1999-12-31 23:59:59+00', NULL)`,
	},
	"rules_ended_check": {
		`UPDATE rules SET ended_at = now()`, `UPDATE rules SET ended_by = 'me'`,
		`UPDATE rules SET ended_at = now(), ended_by = ''`,
		`UPDATE rules SET ended_at = now(), ended_by = 'me', valid_until = NULL`,
	},

	"installed_definitions_pkey":         {`INSERT INTO installed_definitions SELECT * FROM installed_definitions`},
	"installed_definitions_sha256_check": {`UPDATE installed_definitions SET sha256 = '\x00'`},

	"idempotency_keys_pkey":            {`INSERT INTO idempotency_keys SELECT * FROM idempotency_keys`},
	"idempotency_keys_body_hash_check": {`UPDATE idempotency_keys SET body_hash = '\x00'`},

	"shop_orders_pkey":         {`INSERT INTO shop_orders SELECT * FROM shop_orders`},
	"shop_refunds_pkey":        {`INSERT INTO shop_refunds SELECT * FROM shop_refunds`},
	"shop_refunds_items_check": {`UPDATE shop_refunds SET items = '[]'`},

	"api_keys_pkey": {
		`INSERT INTO api_keys (key_id, name, scopes, hint, sha256, created_by) OVERRIDING SYSTEM VALUE
			VALUES (1, 'n', '{write}', '', sha256('y'), '')`,
	},
	"api_keys_sha256_key": {newKey + `'other', '{write}', '', sha256('x'), '')`},
	"api_keys_name_idx":   {newKey + `'shop', '{write}', '', sha256('y'), '')`},
	"api_keys_name_check": {
		newKey + `'', '{write}', '', sha256('y'), '')`, newKey + `repeat('é', 101), '{write}', '', sha256('y'), '')`,
	},
	"api_keys_scopes_check": {
		newKey + `'n', '{root}', '', sha256('y'), '')`, newKey + `'n', '{}', '', sha256('y'), '')`,
		newKey + `'n', '{read,NULL}', '', sha256('y'), '')`,
	},
	"api_keys_sha256_check": {newKey + `'n', '{write}', '', '\x00', '')`},
	"api_keys_expires_check": {
		`UPDATE api_keys SET expires_at = created_at`, `UPDATE api_keys SET expires_at = 'infinity'`,
	},
	"api_keys_revoked_check": {`UPDATE api_keys SET revoked_at = now()`, `UPDATE api_keys SET revoked_by = 'me'`},

	"dashboard_sessions_pkey":               {`INSERT INTO dashboard_sessions SELECT * FROM dashboard_sessions`},
	"dashboard_sessions_key_id_fkey":        {`UPDATE dashboard_sessions SET key_id = 4711`},
	"dashboard_sessions_token_sha256_check": {`UPDATE dashboard_sessions SET token_sha256 = '\x00'`},
	"dashboard_sessions_expires_check":      {`UPDATE dashboard_sessions SET expires_at = created_at`},
}

// plain indexes refuse nothing.
var plain = []string{
	"dashboard_sessions_expires_at_idx", "idempotency_keys_created_at_idx", "item_attributes_category_idx",
	"item_attributes_inactive_idx", "item_pairs_item_b_idx", "load_files_sha256_idx", "order_lines_item_id_idx",
	"rules_valid_from_idx", "rules_valid_until_idx", "shop_orders_external_id_idx",
}

// Every constraint refuses what it should.
func TestConstraintsHold(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	for _, name := range constraints(t, pool) {
		if len(violations[name]) == 0 && !slices.Contains(plain, name) {
			t.Errorf("no test violates %s", name)
		}
	}
	for _, f := range fixtures {
		exec(t, pool, f)
	}
	for name, statements := range violations {
		for _, statement := range statements {
			_, err := pool.Exec(t.Context(), statement)
			refused := new(pgconn.PgError)
			// A partition has its own name for the constraint.
			if !errors.As(err, &refused) || refused.ConstraintName != name &&
				strings.Replace(refused.ConstraintName, "_1_", "_", 1) != name {
				t.Errorf("%s: error is %v, want %s", statement, err, name)
			}
		}
	}
}

// The tables have at least the columns of the design. TestReportingContract covers the views.
func TestColumns(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	for relation, columns := range map[string]string{
		"public.items":           "item_id name",
		"public.item_attributes": "item_id category label url image_url price active source changed_at changed_by",
		"public.orders":          "order_id external_id ordered_at customer_id load_id",
		"public.order_lines":     "order_id item_id quantity",
		"public.loads": "load_id source status error started_at finished_at copy_seconds merge_seconds rows_read " +
			"rows_loaded rows_duplicate rows_rejected loaded_by version",
		"public.load_files":      "load_id name sha256 mapping rows_read rows_rejected rows_not_bought",
		"public.load_rejects":    "load_id line_number reason detail raw outcome",
		"public.known_orders":    "order_id load_id ordered_at customer_id",
		"public.known_lines":     "order_id item_id load_id quantity",
		"public.returned_lines":  "order_id item_id load_id quantity",
		"public.order_changes":   "change_id order_id items ordered_at",
		"public.order_deletions": "deletion_id deleted_at orders lines reason deleted_by version",
		"public.builds": "build_id status active error started_at built_at max_basket neighbours_kept shrinkage " +
			"popularity_exponent similar_exponent overlap_discount popularity_prior basket_lines chance_share window_days " +
			"half_life_days newest_ordered_at grades activated_at orders order_lines baskets items pairs stats_seconds " +
			"pairs_seconds neighbours_seconds built_by version base_build changed_orders",
		"public.item_stats":      "build_id item_id orders baskets popularity_rank mass weight_units",
		"public.item_pairs":      "build_id item_a item_b orders_together weight weight_units",
		"public.item_neighbours": "build_id item_id neighbour_rank other_id affinity step overlap",
		"public.item_days":       "build_id day item_id orders",
		"public.order_days":      "build_id day orders",
		"public.rules":           "rule_id kind item items reason author valid_from valid_until created_at ended_at ended_by",
		"public.api_keys": "key_id name scopes hint sha256 created_at created_by expires_at revoked_at " +
			"revoked_by last_used_at",

		"public.dashboard_sessions": "token_sha256 key_id created_at expires_at",
	} {
		has := texts(t, pool,
			`SELECT c.column_name::text FROM information_schema.columns AS c WHERE c.table_schema || '.' || c.table_name = $1`,
			relation)
		for column := range strings.FieldsSeq(columns) {
			if !slices.Contains(has, column) {
				t.Errorf("%s has no column %s: %q", relation, column, has)
			}
		}
	}
}

// The load path has no row-level triggers, and so no foreign keys on the large tables that loads fill.
func TestNoRowTriggersInLoadPath(t *testing.T) {
	t.Parallel()
	const eachRow = 1 // of pg_trigger.tgtype
	got := texts(t, dbtest.New(t), `SELECT g.tgrelid::regclass || ' ' || g.tgname FROM pg_trigger AS g
		WHERE g.tgrelid IN ('items'::regclass, 'orders'::regclass, 'order_lines'::regclass, 'load_rejects'::regclass)
		AND g.tgtype & $1 > 0`, eachRow)
	if len(got) > 0 {
		t.Errorf("triggers: %q", got)
	}
}

// alsobought_reporting can read all of reporting and call its functions, and nothing else.
func TestReportingRole(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	for _, f := range fixtures {
		exec(t, pool, f)
	}
	as := func(statement string) error {
		tx, err := pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := tx.Rollback(t.Context()); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
				t.Error(err)
			}
		}()
		if _, err := tx.Exec(t.Context(), "SET LOCAL ROLE alsobought_reporting"); err != nil {
			t.Fatal(err)
		}
		_, err = tx.Exec(t.Context(), statement)
		return err
	}
	relations := texts(t, pool, `SELECT c.oid::regclass::text FROM pg_class AS c
		JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE `+ours+` AND c.relkind IN ('r', 'p', 'v')`)
	reporting := 0
	for _, relation := range relations {
		err := as("TABLE " + relation)
		if strings.HasPrefix(relation, "reporting.") {
			reporting++
			if err != nil {
				t.Errorf("%s: %v", relation, err)
			}
		} else if !denied(err) {
			t.Errorf("%s may be read: error is %v", relation, err)
		}
		for _, change := range []string{
			"DELETE FROM " + relation, "TRUNCATE " + relation,
			"DROP TABLE IF EXISTS " + relation,
		} {
			if err := as(change); err == nil {
				t.Errorf("it may %s", change)
			}
		}
	}
	if reporting < 6 {
		t.Errorf("%d views: %q", reporting, relations)
	}
	for _, question := range []string{
		"SELECT * FROM reporting.similar_items('a')",
		"SELECT * FROM reporting.basket_recommendations(ARRAY['a', 'unknown'], 3)",
		"SELECT * FROM reporting.similar_items('a', measure => 'lift', exclude => '{b}', categories => '{c}', " +
			"strict => true, build => 1)",
		"SELECT * FROM reporting.explain('a', 'b')", "SELECT * FROM reporting.load_quality(1)",
		"SELECT * FROM reporting.attach_rate('{a}', '{b}')", "SELECT * FROM reporting.items_bought_alone()",
		"SELECT * FROM reporting.bundles('a')", "SELECT * FROM reporting.substitutes('a')",
		"SELECT * FROM reporting.load_baskets()",
	} {
		if err := as(question); err != nil {
			t.Errorf("%s: %v", question, err)
		}
	}
	for _, other := range []string{
		"SELECT * FROM find_context(0)", "SELECT seeds_of(1, '{1}')",
		"SELECT * FROM explain_items('a', 'b', 0)", "SELECT item_ids('{a}')",
		"SELECT r.* FROM builds AS b CROSS JOIN reduced_baskets(b, '{1}') AS r",
		"INSERT INTO loads (source, loaded_by, version) VALUES ('', '', '')", "CREATE TABLE reporting.mine (a int)",
		"UPDATE reporting.builds SET version = ''", "SELECT nextval('loads_load_id_seq')",
	} {
		if err := as(other); !denied(err) {
			t.Errorf("%s: error is %v", other, err)
		}
	}
}

func denied(err error) bool {
	refused := new(pgconn.PgError)
	return errors.As(err, &refused) && refused.Code == "42501"
}

// Nobody else may call the SECURITY DEFINER functions.
func TestReportingFunctionsAreNotPublic(t *testing.T) {
	t.Parallel()
	got := texts(t, dbtest.New(t), `SELECT p.oid::regprocedure::text FROM pg_proc AS p CROSS
		JOIN aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
		WHERE p.prosecdef AND p.pronamespace IN ('public'::regnamespace, 'reporting'::regnamespace) AND a.grantee = 0`)
	if len(got) > 0 {
		t.Errorf("everybody may call %q", got)
	}
}
