package build

import (
	"errors"
	"fmt"

	"github.com/alsobought/alsobought/db"
)

// Settings of a build, stored with it. The symbols are SCORING's (docs/scoring.md). The zero value of a field is not a setting: start from
// DefaultSettings.
type Settings struct {
	MaxBasket          int32   `json:"max_basket"`          // largest order that counts for pairs, in distinct items; 2 to 1000
	NeighboursKept     int32   `json:"neighbours_kept"`     // neighbours kept per item; 1 to 1000
	Shrinkage          float64 `json:"shrinkage"`           // orders together by which rare pairs are shrunk; 0 to 1,000,000
	PopularityExponent float64 `json:"popularity_exponent"` // how much bestsellers are curbed; 0 (not at all) to 1
	SimilarExponent    float64 `json:"similar_exponent"`    // how much of that similar items give back; 0 to PopularityExponent
	OverlapDiscount    float64 `json:"overlap_discount"`    // how much of what basket items say by way of each other is taken off; 0 (nothing) to 1
	WindowDays         int32   `json:"window_days"`         // only orders of so many days, back from the newest order; 0 is all orders, else 1 to 36,500
	HalfLifeDays       float64 `json:"half_life_days"`      // age at which an order weighs half in affinity; 0 is no decay, else 0.01 to 36,500
}

// DefaultSettings are the ones that were measured to be good on twelve data sets.
func DefaultSettings() Settings {
	return Settings{MaxBasket: 100, NeighboursKept: 50, Shrinkage: 20, PopularityExponent: 0.3, SimilarExponent: 0.1, OverlapDiscount: 1}
}

// Validate returns all that is wrong with the settings at once.
func (s Settings) Validate() error {
	var errs []error
	if s.MaxBasket < 2 || s.MaxBasket > 1000 {
		errs = append(errs, fmt.Errorf("max basket is %d: choose 2 to 1000", s.MaxBasket))
	}
	if s.NeighboursKept < 1 || s.NeighboursKept > 1000 {
		errs = append(errs, fmt.Errorf("neighbours kept are %d: choose 1 to 1000", s.NeighboursKept))
	}
	if !(s.Shrinkage >= 0 && s.Shrinkage <= 1e6) {
		errs = append(errs, fmt.Errorf("shrinkage is %v: choose 0 to 1000000", s.Shrinkage))
	}
	if !(s.PopularityExponent >= 0 && s.PopularityExponent <= 1) {
		errs = append(errs, fmt.Errorf("popularity exponent is %v: choose 0 to 1", s.PopularityExponent))
	}
	if !(s.SimilarExponent >= 0 && s.SimilarExponent <= s.PopularityExponent) {
		errs = append(errs, fmt.Errorf("similar exponent is %v: choose 0 to the popularity exponent", s.SimilarExponent))
	}
	if !(s.OverlapDiscount >= 0 && s.OverlapDiscount <= 1) {
		errs = append(errs, fmt.Errorf("overlap discount is %v: choose 0 to 1", s.OverlapDiscount))
	}
	if s.WindowDays < 0 || s.WindowDays > 36500 {
		errs = append(errs, fmt.Errorf("window is %d days: choose 1 to 36500, or 0 for all orders", s.WindowDays))
	}
	if s.HalfLifeDays != 0 && !(s.HalfLifeDays >= 0.01 && s.HalfLifeDays <= 36500) {
		errs = append(errs, fmt.Errorf("half-life is %v days: choose 0.01 to 36500, or 0 for none", s.HalfLifeDays))
	}
	return errors.Join(errs...)
}

// SettingsOf returns the settings that a build was made with.
func SettingsOf(b db.Build) Settings {
	s := Settings{
		MaxBasket:          b.MaxBasket,
		NeighboursKept:     b.NeighboursKept,
		Shrinkage:          b.Shrinkage,
		PopularityExponent: b.PopularityExponent,
		SimilarExponent:    b.SimilarExponent,
		OverlapDiscount:    b.OverlapDiscount,
	}
	if b.WindowDays != nil {
		s.WindowDays = *b.WindowDays
	}
	if b.HalfLifeDays != nil {
		s.HalfLifeDays = *b.HalfLifeDays
	}
	return s
}
