package pg_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/pg"
)

// The arguments contain no password and no settings that libpq does not know; those of the session are in the
// environment.
func TestForLibpq(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"postgres://u:s%2Fcret@127.0.0.1:1/db?sslmode=disable":      "postgres://u@127.0.0.1:1/db?sslmode=disable",
		"postgresql://127.0.0.1:1/db?user=u&password=s%2Fcret":      "postgresql://127.0.0.1:1/db?user=u",
		"postgres://u:s%2Fcret@127.0.0.1:1/db?pool_max_conns=3":     "postgres://u@127.0.0.1:1/db",
		"postgres://u:s%2Fcret@/db?host=%2Ftmp&pool_max_conns=3":    "postgres://u@/db?host=%2Ftmp",
		"host=127.0.0.1 port=1 user=u password=s/cret dbname=db":    "host=127.0.0.1 port=1 user=u dbname=db",
		"password = 's/cret' host=127.0.0.1 port=1 user=u dbname=b": "host=127.0.0.1 port=1 user=u dbname=b",
		"host=127.0.0.1 password=s/cret port=1 pool_max_conns = 3":  "host=127.0.0.1 port=1",
	} {
		pool, err := pgxpool.New(t.Context(), given)
		if err != nil {
			t.Fatalf("%s: %v", given, err)
		}
		t.Cleanup(pool.Close)
		database, environment := pg.ForLibpq(pool)
		if database != want || strings.Join(environment, " ") != "PGPASSWORD=s/cret" {
			t.Errorf("%s: database %q, want %q, environment %q", given, database, want, environment)
		}
	}
}

func TestForLibpqSettings(t *testing.T) {
	t.Parallel()
	const withOptions = "-c work_mem=1MB -c lock_timeout=2s -c search_path=a\\ b"
	for given, want := range map[string][2]string{
		"postgres://u@127.0.0.1:1/db?search_path=shop&application_name=x&sslmode=disable": {
			"postgres://u@127.0.0.1:1/db?application_name=x&sslmode=disable", "-c search_path=shop",
		},
		"postgres://u@127.0.0.1:1/db?options=-c%20work_mem%3D1MB&search_path=a%20b&lock_timeout=2s": {
			"postgres://u@127.0.0.1:1/db", withOptions,
		},
		"host=127.0.0.1 port=1 search_path = 'a b' options='-c work_mem=1MB' dbname='d b' lock_timeout=2s": {
			"host=127.0.0.1 port=1 dbname='d b'", withOptions,
		},
	} {
		pool, err := pgxpool.New(t.Context(), given)
		if err != nil {
			t.Fatalf("%s: %v", given, err)
		}
		t.Cleanup(pool.Close)
		database, environment := pg.ForLibpq(pool)
		if database != want[0] || len(environment) != 1 || environment[0] != "PGOPTIONS="+want[1] {
			t.Errorf("%s: database %q, environment %q; want %q", given, database, environment, want)
		}
	}
}
