package load_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
)

// keys returns the definitions of the indexes and constraints of the tables that a load fills.
func keys(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	return texts(t, pool, `
		SELECT i.indexdef || CASE WHEN x.indisvalid THEN '' ELSE ' not valid' END
		FROM pg_indexes AS i
		JOIN pg_index AS x ON x.indexrelid = i.indexname::regclass
		WHERE i.tablename IN ('items', 'orders', 'order_lines')
		UNION ALL
		SELECT k.conrelid::regclass || ' ' || k.conname || ' ' || pg_get_constraintdef(k.oid)
		FROM pg_constraint AS k
		WHERE k.conrelid IN ('items'::regclass, 'orders'::regclass, 'order_lines'::regclass)
		ORDER BY 1`)
}

// The first load drops the keys of the tables it fills and recreates them exactly as the migrations did, even if it
// fails midway. The exception is the index of order_lines by item, which the next build creates.
func TestKeysAreMadeAgain(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	want := keys(t, pool)
	for _, name := range []string{"orders_pkey", "orders_external_id_key", "order_lines_pkey", "order_lines_item_id_idx"} {
		if !strings.Contains(strings.Join(want, "\n"), " "+name+" ") {
			t.Fatalf("there is no %s: %q", name, want)
		}
	}
	same := func(when string) {
		t.Helper()
		if diff := cmp.Diff(want, keys(t, pool)); diff != "" {
			t.Errorf("%s (-before +after):\n%s", when, diff)
		}
	}
	errGone := errors.New("gone")
	broken := reading("orders.csv", io.MultiReader(strings.NewReader("order,item\no1,a\no1,b\n"), failing{errGone}))
	if _, err := load.Run(t.Context(), pool, []load.Source{broken}, options); !errors.Is(err, errGone) {
		t.Fatalf("error is %v, want %v", err, errGone)
	}
	same("a first load that failed")
	mustRun(t, pool, content("orders.csv", []byte("order,item\no1,a\no1,b\no2,a\n")))
	without := slices.DeleteFunc(slices.Clone(want),
		func(key string) bool { return strings.Contains(key, "order_lines_item_id_idx") })
	if diff := cmp.Diff(without, keys(t, pool)); diff != "" {
		t.Errorf("the first load (-want +got):\n%s", diff)
	}
	if _, err := builds.Run(t.Context(), pool, builds.Options{
		Settings: builds.DefaultSettings(),
		BuiltBy:  "test",
	}); err != nil {
		t.Fatal(err)
	}
	same("a build")
	mustRun(t, pool, content("more.csv", []byte("order,item\no1,c\no3,a\n")))
	same("the second load")
}

// failing is a reader that always fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Builds see a first load completely or not at all, although its rows are frozen: a build waits for it.
func TestBuildDuringAFirstLoad(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	done := make(chan error, 1)
	rows := manyRows(60_000)
	begin := func() {
		go func() {
			_, err := builds.Run(t.Context(), pool, builds.Options{Settings: builds.DefaultSettings(), BuiltBy: "test"})
			done <- err
		}()
		dbtest.Eventually(t, "the build waits for the load",
			func(ctx context.Context) bool { return len(waiting(ctx, t, pool)) > 0 })
	}
	result, err := load.Run(t.Context(), pool,
		[]load.Source{reading("orders.csv", hooked(bytes.NewReader(rows), 1<<20, begin))}, options)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprint(result.OrdersAdded, " ", result.RowsLoaded)
	if got := texts(t, pool, "SELECT b.orders || ' ' || b.order_lines FROM builds AS b WHERE b.active"); len(got) != 1 ||
		got[0] != want {
		t.Errorf("the build counted %q orders and lines, want %s", got, want)
	}
}
