package builds_test

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/buildtest"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/oracle"
	"github.com/alsobought/alsobought/internal/sample"
)

const (
	pid    = "PID"
	calKit = "Cal Kit - Std - 34L Regulator 100PPM/Tedlar Bag"
)

// TestSample counts half a million lines, for which the planner chooses other plans than for a few.
func TestSample(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	if _, err := sample.Write(&text, sample.Config{Scale: 1, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	pool := dbtest.New(t)
	loadText(t, pool, text.String())
	orders, times := oracle.Orders{}, oracle.Times{}
	records, err := csv.NewReader(strings.NewReader(text.String())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range records[1:] {
		orders.Add(line[0], line[1])
		if times[line[0]], err = time.Parse(time.RFC3339, line[3]); err != nil {
			t.Fatal(err)
		}
	}

	built := mustBuild(t, pool, defaults())
	buildtest.WantCounts(t, pool, built, oracle.CountTimed(orders, times, oracle.Settings(builds.DefaultSettings())))
	got := fmt.Sprintf("orders %d, lines %d, items %d, pairs %d", built.Orders, built.OrderLines, built.Items, built.Pairs)
	if want := "orders 154167, lines 486620, items 15105, pairs 133632"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for item, want := range map[string]int64{pid: 30245, "Water Level Meter": 29558, calKit: 22975} {
		var got int64
		query(t, pool, &got, "SELECT orders FROM reporting.popular_items WHERE item_name = $1", item)
		if got != want {
			t.Errorf("%q in %d orders, want %d", item, got, want)
		}
	}
	for other, want := range map[string]int64{calKit: 17951, "Water Level Meter": 8124, "Gloves": 3609} {
		var got int64
		query(t, pool, &got,
			"SELECT orders_together FROM reporting.item_pairs WHERE (item_a, item_b) IN (($1, $2), ($2, $1))", pid, other)
		if got != want {
			t.Errorf("PID with %q in %d orders, want %d", other, got, want)
		}
	}
	wantHealthy(t, pool)
}

func query(t *testing.T, pool *pgxpool.Pool, into any, sql string, args ...any) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(into); err != nil {
		t.Fatal(err)
	}
}
