package recommend_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/build"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/recommend"
	"github.com/alsobought/alsobought/internal/sample"
)

// plan is what EXPLAIN says of one step.
type plan struct {
	NodeType string `json:"Node Type"`     //nolint:tagliatelle // PostgreSQL's
	Relation string `json:"Relation Name"` //nolint:tagliatelle // PostgreSQL's
	Plans    []plan `json:"Plans"`         //nolint:tagliatelle // PostgreSQL's
}

// scans lists the steps that read a table, as "Seq Scan item_pairs_1".
func (p plan) scans() (list []string) {
	if p.Relation != "" {
		list = append(list, p.NodeType+" "+p.Relation)
	}
	for _, inner := range p.Plans {
		list = append(list, inner.scans()...)
	}
	return list
}

// TestPlans: a question about one item looks things up and reads no table whole, whether the planner knows the item or has to plan for any.
func TestPlans(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	if _, err := sample.Write(&text, sample.Config{Scale: 1, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	pool := dbtest.New(t)
	// A fifth of the orders is enough to plan for.
	fifth := text.String()[:text.Len()/5]
	loadText(t, pool, fifth[:strings.LastIndex(fifth, "\n")+1])
	built := mustBuild(t, pool, build.DefaultSettings())
	answer, err := recommend.New(pool).Similar(t.Context(), "PID", recommend.Options{})
	if err != nil || answer.Recommendations[0].ItemName != "Cal Kit - Std - 34L Regulator 100PPM/Tedlar Bag" {
		t.Fatalf("%+v, %v", answer, err)
	}
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		for _, measure := range recommend.Measures() {
			t.Run(mode+" "+string(measure), func(t *testing.T) {
				t.Parallel()
				tx, err := pool.Begin(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer tx.Rollback(t.Context())
				for _, sql := range []string{
					"SET LOCAL plan_cache_mode = " + mode,
					`PREPARE question (bigint, bigint[], boolean, text, bigint, float8, bigint[], boolean, bigint) AS
						SELECT r.* FROM recommend($1, $2, $3, $4, $5, $6, $7, $8, $9) AS r ORDER BY r.place`,
				} {
					if _, err := tx.Exec(t.Context(), sql); err != nil {
						t.Fatal(err)
					}
				}
				var id int64
				if err := tx.QueryRow(t.Context(), "SELECT item_id FROM items WHERE name = 'PID'").Scan(&id); err != nil {
					t.Fatal(err)
				}
				var raw []byte
				err = tx.QueryRow(t.Context(), fmt.Sprintf(
					"EXPLAIN (FORMAT JSON) EXECUTE question (%d, ARRAY[%d], true, '%s', 1, 0, '{}', true, 5)", built.BuildID, id, measure),
					pgx.QueryExecModeSimpleProtocol).Scan(&raw)
				if _, drop := tx.Exec(t.Context(), "DEALLOCATE question"); drop != nil {
					t.Error(drop)
				}
				if err != nil {
					t.Fatal(err)
				}
				var plans []struct{ Plan plan }
				if err := json.Unmarshal(raw, &plans); err != nil {
					t.Fatal(err)
				}
				wantIndexed(t, measure, plans[0].Plan.scans())
			})
		}
	}
}

func wantIndexed(t *testing.T, measure recommend.Measure, scans []string) {
	t.Helper()
	read := "item_neighbours_"
	// Other measures look at all pairs of the item, which may be so many that the statistics of all items are the shorter way.
	spared := []string{"item_pairs", "item_neighbours"}
	if measure == recommend.Affinity {
		spared = append(spared, "item_stats", "items")
	} else {
		read = "item_pairs_"
	}
	found := false
	for _, scan := range scans {
		table := scan[strings.LastIndex(scan, " ")+1:]
		found = found || strings.HasPrefix(table, read)
		for _, prefix := range spared {
			if strings.HasPrefix(scan, "Seq Scan") && strings.HasPrefix(table, prefix) {
				t.Errorf("reads all of %s: %q", table, scans)
			}
		}
	}
	if !found {
		t.Errorf("no %s is read at all: %q", read, scans)
	}
}
