package migrations_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/pg"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// empty returns a pool on an empty database.
func empty(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := pg.Open(t.Context(), dbtest.NewEmptyURL(t), 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func exec(t *testing.T, pool *pgxpool.Pool, statement string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func texts(t *testing.T, pool *pgxpool.Pool, query string, args ...any) []string {
	t.Helper()
	rows, err := pool.Query(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// ours selects the project's schemas; PostgreSQL's and goose's table are not ours.
const ours = `n.nspname IN ('public', 'reporting')`

// schema returns everything that the migrations create in a database, in PostgreSQL's own words.
func schema(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	return texts(t, pool, `
		SELECT line FROM (
			SELECT 'schema ' || n.nspname || ' ' || coalesce(n.nspacl::text, '') AS line FROM pg_namespace AS n WHERE `+ours+`
			UNION ALL
			SELECT concat_ws(' ', 'relation', c.oid::regclass, c.relkind, c.relpersistence, c.relacl, c.reloptions,
			pg_get_partkeydef(c.oid),
				obj_description(c.oid, 'pg_class'), pg_get_viewdef(c.oid))
			FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
			WHERE `+ours+` AND c.relkind IN ('r', 'p', 'S', 'm', 'f')
			UNION ALL
			SELECT concat_ws(' ', 'view', c.oid::regclass, c.relacl, c.reloptions, obj_description(c.oid, 'pg_class'),
			pg_get_viewdef(c.oid))
			FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
			WHERE `+ours+` AND c.relkind = 'v'
			UNION ALL
			SELECT concat_ws(' ', 'column', a.attrelid::regclass, a.attnum, a.attname, format_type(a.atttypid,
			a.atttypmod), a.attnotnull,
				a.attidentity, a.attgenerated, a.attcollation::regcollation, a.attacl, pg_get_expr(d.adbin, d.adrelid),
				col_description(c.oid, a.attnum))
			FROM pg_attribute AS a
			JOIN pg_class AS c ON c.oid = a.attrelid
			JOIN pg_namespace AS n ON n.oid = c.relnamespace
			LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
			WHERE `+ours+` AND a.attnum > 0
			UNION ALL
			SELECT concat_ws(' ', 'constraint', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
			FROM pg_constraint AS k JOIN pg_namespace AS n ON n.oid = k.connamespace WHERE `+ours+`
			UNION ALL
			SELECT 'index ' || i.indexdef FROM pg_indexes AS i JOIN pg_namespace AS n ON n.nspname = i.schemaname WHERE `+ours+`
			UNION ALL
			SELECT concat_ws(' ', 'function', p.oid::regprocedure, p.prokind, p.proacl, p.prosecdef,
			obj_description(p.oid, 'pg_proc'),
				CASE WHEN p.prokind = 'f' THEN pg_get_functiondef(p.oid)
				     ELSE (SELECT concat_ws(' ', g.aggtransfn, g.aggcombinefn, g.agginitval, p.proparallel) FROM pg_aggregate AS g
				WHERE g.aggfnoid = p.oid) END)
			FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE `+ours+`
			UNION ALL
			SELECT concat_ws(' ', 'trigger', g.tgrelid::regclass, g.tgname) FROM pg_trigger AS g WHERE NOT g.tgisinternal
			UNION ALL
			SELECT concat_ws(' ', 'type', y.oid::regtype, y.typtype) FROM pg_type AS y
			JOIN pg_namespace AS n ON n.oid = y.typnamespace
			WHERE `+ours+` AND y.typtype IN ('d', 'e', 'r')
		) AS all_of_it
		WHERE line NOT LIKE '%goose_db_version%'
		ORDER BY line`)
}
