package build

import (
	"errors"
	"fmt"

	"github.com/alsobought/alsobought/db"
)

// Settings of a build, stored with it. The symbols are SCORING's (docs/scoring.md). The zero value of a field is not a setting: start from
// DefaultSettings.
type Settings struct {
	MaxBasket          int32   // largest order that counts for pairs, in distinct items; 2 to 1000
	NeighboursKept     int32   // neighbours kept per item; 1 to 1000
	Shrinkage          float64 // orders together by which rare pairs are shrunk; 0 to 1,000,000
	PopularityExponent float64 // how much bestsellers are curbed; 0 (not at all) to 1
	SimilarExponent    float64 // how much of that similar items give back; 0 to PopularityExponent
}

// DefaultSettings are the ones that were measured to be good on twelve data sets.
func DefaultSettings() Settings {
	return Settings{MaxBasket: 100, NeighboursKept: 50, Shrinkage: 20, PopularityExponent: 0.3, SimilarExponent: 0.1}
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
	return errors.Join(errs...)
}

// SettingsOf returns the settings that a build was made with.
func SettingsOf(b db.Build) Settings {
	return Settings{
		MaxBasket:          b.MaxBasket,
		NeighboursKept:     b.NeighboursKept,
		Shrinkage:          b.Shrinkage,
		PopularityExponent: b.PopularityExponent,
		SimilarExponent:    b.SimilarExponent,
	}
}
