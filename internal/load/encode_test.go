package load

import (
	"bytes"
	"io"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/orderfile"
)

// TestCopyRows checks that PostgreSQL reads back what was written, at the bounds of every type.
func TestCopyRows(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	const create = `CREATE TEMPORARY TABLE copied (n bigint, i integer, t text, o text, b bytea, j jsonb, at timestamptz,
		q numeric, list bigint[])`
	if _, err := conn.Exec(t.Context(), create); err != nil {
		t.Fatal(err)
	}
	quantities := map[orderfile.Quantity]string{
		{Whole: 1}:                               "1",
		{Whole: 9999}:                            "9999",
		{Whole: 10_000}:                          "10000",
		{Whole: 100_000_000}:                     "100000000",
		{Whole: math.MaxInt64}:                   "9223372036854775807",
		{Micros: 1}:                              "0.000001",
		{Micros: 999_999}:                        "0.999999",
		{Whole: 2, Micros: 500_000}:              "2.500000",
		{Whole: math.MaxInt64, Micros: 1}:        "9223372036854775807.000001",
		{Whole: 12_345_678_901, Micros: 234_500}: "12345678901.234500",
	}
	times := []time.Time{
		{},
		time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC),
		time.Date(1999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
	}
	for quantity, want := range quantities {
		for _, at := range times {
			var rows copyRows
			rows.begin(9)
			rows.bigint(math.MinInt64)
			rows.integer(math.MaxInt32)
			rows.text("é\t\\.")
			rows.textOrNull("")
			rows.bytea([]byte{0, 255})
			rows.jsonb([]byte(`{"a":1}`))
			rows.timestamp(at)
			rows.quantity(quantity)
			rows.bigints([]int64{1, math.MaxInt64})
			from := io.MultiReader(bytes.NewReader(rows.bytes), bytes.NewReader(copyTrailer))
			if _, err := conn.Conn().PgConn().CopyFrom(t.Context(), from, "COPY copied FROM STDIN (FORMAT BINARY)"); err != nil {
				t.Fatal(err)
			}
			var ok bool
			var got string
			var gotAt *time.Time
			var list []int64
			err := conn.QueryRow(t.Context(), `SELECT n = -9223372036854775808 AND i = 2147483647 AND t = E'é\t\\.' AND o IS NULL
				AND b = '\x00ff' AND j = '{"a": 1}', q::text, at, list FROM copied`).Scan(&ok, &got, &gotAt, &list)
			if err != nil || !ok || got != want || !slices.Equal(list, []int64{1, math.MaxInt64}) {
				t.Errorf("%v: %t, %s, %v, %v", quantity, ok, got, list, err)
			}
			if (gotAt == nil) != at.IsZero() || gotAt != nil && !gotAt.Equal(at) {
				t.Errorf("%v is read as %v", at, gotAt)
			}
			if _, err := conn.Exec(t.Context(), "TRUNCATE copied"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestOrderIsCut checks that an order that is too large to hold, or whose quantities are too large to add up, continues
// in another row.
func TestOrderIsCut(t *testing.T) {
	t.Parallel()
	var o order
	if !o.put(1, orderfile.Quantity{Whole: math.MaxInt64 - 1, Micros: 600_000}) ||
		!o.put(1, orderfile.Quantity{Micros: 400_000}) {
		t.Fatal("what fits is cut")
	}
	if o.put(1, orderfile.Quantity{Whole: 1}) {
		t.Error("a sum above 2^63 is not cut")
	}
	for item := int64(2); item <= mostLines; item++ {
		for range 2 {
			if !o.put(item, orderfile.Quantity{Whole: 1}) {
				t.Fatalf("item %d is cut", item)
			}
		}
	}
	if o.put(mostLines+1, orderfile.Quantity{Whole: 1}) {
		t.Error("one more item is not cut")
	}
	if got := o.lines[mostLines-1]; got.item != mostLines || got.quantity.Whole != 2 ||
		o.lines[0].quantity != (orderfile.Quantity{Whole: math.MaxInt64}) {
		t.Errorf("lines end with %+v and begin with %+v", got, o.lines[0])
	}
}
