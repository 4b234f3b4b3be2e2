package pg_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/pg"
)

// While a migration (up, down or of the functions) waits for a long transaction, readers of the same table do not wait
// for the migration. It finishes once the transaction ends.
func TestMigrateLetsReadersPass(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		read    string
		prepare func(*testing.T, *pgxpool.Pool)
		migrate func(context.Context, *pgxpool.Pool, ...func(string)) ([]pg.Migration, error)
	}{
		"up": {
			read: "SELECT count(*) FROM orders",
			prepare: func(t *testing.T, pool *pgxpool.Pool) {
				t.Helper()
				downBelow(t, pool, 13) // adds a column to orders
			},
			migrate: pg.MigrateUp,
		},
		"down": {
			read: "SELECT count(*) FROM orders",
			migrate: func(ctx context.Context, pool *pgxpool.Pool, notices ...func(string)) ([]pg.Migration, error) {
				return pg.MigrateDown(ctx, pool, true, notices...)
			},
		},
		"functions": {
			read: "SELECT count(*) FROM reporting.builds",
			prepare: func(t *testing.T, pool *pgxpool.Pool) {
				t.Helper()
				mustExec(t, pool, "UPDATE installed_functions SET hash = 'other'")
			},
			migrate: pg.MigrateUp,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := dbtest.NewURL(t)
			pool := open(t, url, 4)
			if c.prepare != nil {
				c.prepare(t, pool)
			}
			long := connect(t, url)
			for _, statement := range []string{"BEGIN", c.read} {
				if _, err := long.Exec(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}

			var waitingSince atomic.Int64
			migrated := make(chan error, 1)
			go func() {
				applied, err := c.migrate(t.Context(), pool, func(string) { waitingSince.Store(time.Now().UnixNano()) })
				if err == nil && len(applied) == 0 {
					err = errors.New("nothing was migrated")
				}
				migrated <- err
			}()
			const several = time.Second // attempts
			longest := readWhile(t, url, c.read, func() bool {
				since := waitingSince.Load()
				return since == 0 || time.Since(time.Unix(0, since)) < several
			})
			t.Logf("the longest read took %s", longest)
			select {
			case err := <-migrated:
				t.Fatalf("the migration did not wait for the transaction: %v", err)
			default:
			}
			if _, err := long.Exec(t.Context(), "COMMIT"); err != nil {
				t.Fatal(err)
			}
			if err := <-migrated; err != nil {
				t.Error(err)
			}
			if got := texts(t, pool, "SHOW lock_timeout"); got[0] != "0" {
				t.Errorf("lock_timeout is left at %s", got[0])
			}
		})
	}
}

// downBelow reverts the migrations from version on.
func downBelow(t *testing.T, pool *pgxpool.Pool, version int64) {
	t.Helper()
	for {
		reverted, err := pg.MigrateDown(t.Context(), pool, false)
		if err != nil || len(reverted) != 1 {
			t.Fatalf("%v, %v", reverted, err)
		}
		if reverted[0].Version <= version {
			return
		}
	}
}

// readWhile reads over two connections whose statements fail if a lock blocks them for a second, and returns the
// duration of the slowest statement.
func readWhile(t *testing.T, url, read string, going func() bool) time.Duration {
	t.Helper()
	var readers sync.WaitGroup
	var longest [2]time.Duration
	for i := range longest {
		conn := connect(t, dbtest.As(t, url, "", "", "lock_timeout", "1s"))
		readers.Go(func() {
			for n := 0; going(); n++ {
				began := time.Now()
				if _, err := conn.Exec(t.Context(), read); err != nil {
					t.Errorf("read %d: %v", n, err)
					return
				}
				longest[i] = max(longest[i], time.Since(began))
			}
		})
	}
	readers.Wait()
	return max(longest[0], longest[1])
}
