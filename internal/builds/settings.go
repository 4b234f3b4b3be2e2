package builds

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/alsobought/alsobought/db"
)

// Settings are the parameters of a build and are stored with it; SettingTable describes each. The zero value is
// not always valid: start from DefaultSettings.
type Settings struct {
	MaxBasket          int32   `json:"max_basket"`
	NeighboursKept     int32   `json:"neighbours_kept"`
	Shrinkage          float64 `json:"shrinkage"`
	PopularityExponent float64 `json:"popularity_exponent"`
	SimilarExponent    float64 `json:"similar_exponent"`
	OverlapDiscount    float64 `json:"overlap_discount"`
	PopularityPrior    float64 `json:"popularity_prior"`
	WindowDays         int32   `json:"window_days"`
	HalfLifeDays       float64 `json:"half_life_days"`
}

// Setting describes one field of Settings. Flags, validation, storage, diffs and docs/scoring.md are derived
// from it.
type Setting struct {
	Name     string // in errors and diffs, and with dashes on the command line
	Column   string // of table builds
	Default  float64
	Min, Max float64
	Off      string // meaning of 0 if it is valid besides Min to Max; stored as NULL
	Unit     string // placeholder of the flag
	Help     string
	Field    func(*Settings) any // pointer to the field

	stored func(*db.Build) any // pointer to the column, nil for NULL
}

// SettingTable lists every setting in the order of Settings. The defaults did well on twelve data sets.
var SettingTable = []Setting{
	{
		Name: "max_basket", Column: "max_basket", Default: 100, Min: 2, Max: 1000, Unit: "ITEMS",
		Help:   "Ignore larger orders when counting pairs",
		Field:  func(s *Settings) any { return &s.MaxBasket },
		stored: func(b *db.Build) any { return &b.MaxBasket },
	},
	{
		Name: "neighbours", Column: "neighbours_kept", Default: 50, Min: 1, Max: 1000, Unit: "N",
		Help:   "Neighbours kept per item",
		Field:  func(s *Settings) any { return &s.NeighboursKept },
		stored: func(b *db.Build) any { return &b.NeighboursKept },
	},
	{
		Name: "shrinkage", Column: "shrinkage", Default: 20, Min: 0, Max: 1e6, Unit: "ORDERS",
		Help:   "Discount for rare pairs",
		Field:  func(s *Settings) any { return &s.Shrinkage },
		stored: func(b *db.Build) any { return &b.Shrinkage },
	},
	{
		Name: "popularity_exponent", Column: "popularity_exponent", Default: 0.3, Min: 0, Max: 1, Unit: "0..1",
		Help:   "Discount for bestsellers",
		Field:  func(s *Settings) any { return &s.PopularityExponent },
		stored: func(b *db.Build) any { return &b.PopularityExponent },
	},
	{
		Name: "similar_exponent", Column: "similar_exponent", Default: 0.1, Min: 0, Max: 1, Unit: "0..1",
		Help:   "Part of the bestseller discount to undo for similar items; at most the popularity exponent",
		Field:  func(s *Settings) any { return &s.SimilarExponent },
		stored: func(b *db.Build) any { return &b.SimilarExponent },
	},
	{
		Name: "overlap_discount", Column: "overlap_discount", Default: 1, Min: 0, Max: 1, Unit: "0..1",
		Help:   "Discount for overlapping evidence in baskets",
		Field:  func(s *Settings) any { return &s.OverlapDiscount },
		stored: func(b *db.Build) any { return &b.OverlapDiscount },
	},
	{
		Name: "popularity_prior", Column: "popularity_prior", Default: 20, Min: 0, Max: 1e6, Unit: "N",
		Help:   "Weight of popularity when there is little evidence about a basket",
		Field:  func(s *Settings) any { return &s.PopularityPrior },
		stored: func(b *db.Build) any { return &b.PopularityPrior },
	},
	{
		Name: "window_days", Column: "window_days", Min: 1, Max: 36500, Off: "all orders", Unit: "DAYS",
		Help:   "Count only orders of the last N days, up to the newest order",
		Field:  func(s *Settings) any { return &s.WindowDays },
		stored: func(b *db.Build) any { return b.WindowDays },
	},
	{
		Name: "half_life_days", Column: "half_life_days", Min: 0.01, Max: 36500, Off: "no decay", Unit: "DAYS",
		Help:   "Half-life of an order's weight in affinity",
		Field:  func(s *Settings) any { return &s.HalfLifeDays },
		stored: func(b *db.Build) any { return b.HalfLifeDays },
	},
}

// Flag returns the name of the setting's flag, without the dashes.
func (s Setting) Flag() string { return strings.ReplaceAll(s.Name, "_", "-") }

// Bounds describes the valid values.
func (s Setting) Bounds() string {
	bounds := number(s.Min) + " to " + number(s.Max)
	if s.Off != "" {
		bounds += ", or 0 for " + s.Off
	}
	return bounds
}

// Value returns the setting's value in settings.
func (s Setting) Value(settings Settings) float64 {
	return reflect.ValueOf(s.Field(&settings)).Elem().Convert(reflect.TypeFor[float64]()).Float()
}

// Set assigns the number that value points to. A nil pointer changes nothing.
func (s Setting) Set(settings *Settings, value any) {
	if v := reflect.ValueOf(value); !v.IsNil() {
		field := reflect.ValueOf(s.Field(settings)).Elem()
		field.Set(v.Elem().Convert(field.Type()))
	}
}

// DefaultSettings returns the default of every setting.
func DefaultSettings() Settings {
	var settings Settings
	for _, s := range SettingTable {
		s.Set(&settings, &s.Default)
	}
	return settings
}

// SettingsOf returns the settings of a build.
func SettingsOf(b db.Build) Settings {
	var settings Settings
	for _, s := range SettingTable {
		s.Set(&settings, s.stored(&b))
	}
	return settings
}

// Validate returns everything that is wrong with the settings.
func (s Settings) Validate() error {
	var errs []error
	for _, setting := range SettingTable {
		v := setting.Value(s)
		if !(v >= setting.Min && v <= setting.Max) && (setting.Off == "" || v != 0) {
			errs = append(errs, fmt.Errorf("%s is %s: choose %s", setting.Name, number(v), setting.Bounds()))
		}
	}
	if s.SimilarExponent > s.PopularityExponent && s.SimilarExponent <= 1 {
		errs = append(errs, fmt.Errorf("similar_exponent is %s: choose at most popularity_exponent, %s",
			number(s.SimilarExponent), number(s.PopularityExponent)))
	}
	return errors.Join(errs...)
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
