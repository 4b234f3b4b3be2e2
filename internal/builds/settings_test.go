package builds_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/alsobought/alsobought/internal/builds"
)

// otherSettings differs from the defaults in every setting.
func otherSettings() builds.Settings {
	return builds.Settings{
		MaxBasket: 3, NeighboursKept: 2, Shrinkage: 0.125, PopularityExponent: 0.1 + 0.4, SimilarExponent: 0.1 + 0.2,
		OverlapDiscount: 0.7, PopularityPrior: 2.5, WindowDays: 14, HalfLifeDays: 0.1 + 0.2,
	}
}

// TestSettingTable: every field has its row in the table, with its JSON name and in the same order.
func TestSettingTable(t *testing.T) {
	t.Parallel()
	fields := reflect.TypeFor[builds.Settings]()
	if fields.NumField() != len(builds.SettingTable) {
		t.Fatalf("%d fields, %d rows in the table", fields.NumField(), len(builds.SettingTable))
	}
	var settings builds.Settings
	for i, s := range builds.SettingTable {
		if key := fields.Field(i).Tag.Get("json"); key != s.Column {
			t.Errorf("field %s is %s in JSON, and column %s", fields.Field(i).Name, key, s.Column)
		}
		if s.Field(&settings) != reflect.ValueOf(&settings).Elem().Field(i).Addr().Interface() {
			t.Errorf("%s is not field %s", s.Name, fields.Field(i).Name)
		}
	}
}

// TestSettingBounds: validation and the constraints of table builds allow exactly what the table allows.
func TestSettingBounds(t *testing.T) {
	t.Parallel()
	pool, _ := small(t, 3)
	opts := defaults()
	opts.Settings.PopularityExponent, opts.Settings.SimilarExponent = 1, 0 // neither limits the other
	mustBuild(t, pool, opts)
	for _, s := range builds.SettingTable {
		validate := func(v float64) error {
			settings := opts.Settings
			s.Set(&settings, &v)
			return settings.Validate()
		}
		store := func(v any) error {
			_, err := pool.Exec(t.Context(), "UPDATE builds SET "+s.Column+" = $1::float8", v)
			return err
		}
		for _, v := range []float64{s.Min, s.Max} {
			if err := errors.Join(validate(v), store(v)); err != nil {
				t.Errorf("%s %v: %v", s.Name, v, err)
			}
		}
		for _, v := range outside(s) {
			got := fmt.Sprint(validate(v))
			if !strings.HasPrefix(got, s.Name+" is ") && (s.Off == "" || v != 0) {
				t.Errorf("%s %v: %s", s.Name, v, got)
			}
			refused := new(pgconn.PgError)
			if err := store(v); !errors.As(err, &refused) || refused.Code != "23514" {
				t.Errorf("%s %v in the database: %v, want a check violation", s.Column, v, err)
			}
		}
		if s.Off != "" {
			if err := errors.Join(validate(0), store(nil)); err != nil {
				t.Errorf("%s off: %v", s.Name, err)
			}
		}
	}
}

// outside returns values just outside the bounds.
func outside(s builds.Setting) []float64 {
	if _, whole := s.Field(new(builds.Settings)).(*int32); whole {
		return []float64{-1, s.Min - 1, s.Max + 1}
	}
	return []float64{-1, math.Nextafter(s.Min, -1), math.Nextafter(s.Max, math.Inf(1)), math.NaN()}
}

func TestSettingsValidateAll(t *testing.T) {
	t.Parallel()
	const want = `max_basket is 0: choose 2 to 1000
neighbours is 0: choose 1 to 1000
shrinkage is 1000001: choose 0 to 1000000
half_life_days is 0.009: choose 0.01 to 36500, or 0 for no decay
similar_exponent is 0.31: choose at most popularity_exponent, 0.3`
	bad := builds.Settings{Shrinkage: 1e6 + 1, PopularityExponent: 0.3, SimilarExponent: 0.31, HalfLifeDays: 0.009}
	if diff := gocmp.Diff(want, fmt.Sprint(bad.Validate())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCompareSettings(t *testing.T) {
	t.Parallel()
	pool, _ := small(t, 3)
	before, after := defaults(), defaults()
	after.Settings = otherSettings()
	mustBuild(t, pool, before)
	mustBuild(t, pool, after)
	got, err := builds.Compare(t.Context(), pool, 1, 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	var want []builds.SettingChange
	for _, s := range builds.SettingTable {
		want = append(want, builds.SettingChange{s.Name, s.Value(before.Settings), s.Value(after.Settings)})
	}
	if diff := gocmp.Diff(want, got.Settings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSettingsInDocs: docs/scoring.md has the current table.
func TestSettingsInDocs(t *testing.T) {
	t.Parallel()
	var want strings.Builder
	want.WriteString("| setting of `alsobought build` | default | values | |\n|---|--:|---|---|\n")
	for _, s := range builds.SettingTable {
		fmt.Fprintf(&want, "| `--%s` | %v | %s | %s |\n", s.Flag(), s.Default, s.Bounds(), s.Help)
	}
	page, err := os.ReadFile("../../docs/scoring.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "\n\n"+want.String()+"\n") {
		t.Errorf("the table of settings should be:\n%s", want.String())
	}
}
