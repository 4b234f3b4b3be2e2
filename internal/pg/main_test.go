package pg_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/localpg"
	"github.com/alsobought/alsobought/internal/pg"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// ownServer starts a PostgreSQL server that the test may stop and kill.
func ownServer(t *testing.T) *localpg.Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "pg") //nolint:usetesting // the parents of t.TempDir are closed to others
	if err == nil {
		err = os.Chmod(dir, 0o755) // as root, the server runs as another user
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	server, err := localpg.Start(t.Context(), localpg.Config{
		Dir: filepath.Join(dir, "server"), Throwaway: true, BinDir: os.Getenv("ALSOBOUGHT_PG_BIN"), Logf: t.Logf,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func open(t *testing.T, databaseURL string, conns int32) *pgxpool.Pool {
	t.Helper()
	pool, err := pg.Open(t.Context(), databaseURL, conns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func connect(t *testing.T, databaseURL string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func mustExec(t *testing.T, pool *pgxpool.Pool, statement string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
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
