package recommend

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Bounds of every question, and the defaults of each.
const (
	MaxLimit     = 100
	MaxBasket    = 100
	MaxExclude   = 100
	MaxCategory  = 100
	MaxDays      = 365
	MaxBatch     = 1000
	PopularLimit = 20
	SimilarLimit = 5
	BasketLimit  = 10
	OrderLimit   = 10
)

// Measure is what pairs are ranked by. With c orders that hold both items, n_i and n_j counted baskets that hold either, and N
// counted baskets, the values of two items are as said below.
type Measure string

// The measures.
const (
	Affinity   Measure = "affinity"   // the default; docs/scoring.md
	Count      Measure = "count"      // c
	Confidence Measure = "confidence" // c / n_i
	Cosine     Measure = "cosine"     // c / sqrt(n_i n_j)
	Jaccard    Measure = "jaccard"    // c / (n_i + n_j - c)
	Lift       Measure = "lift"       // c N / (n_i n_j)
)

// Measures lists every measure, the default first.
func Measures() []Measure { return []Measure{Affinity, Count, Confidence, Cosine, Jaccard, Lift} }

// Validate returns an InvalidError for a measure that there is not.
func (m Measure) Validate() error {
	if slices.Contains(Measures(), m) {
		return nil
	}
	names := make([]string, 0, len(Measures()))
	for _, known := range Measures() {
		names = append(names, string(known))
	}
	return &InvalidError{"measure", fmt.Sprintf("is %q: choose one of %s", m, strings.Join(names, ", "))}
}

// Options of a question. The zero value asks for the default: as many answers as the question's default limit, by affinity, with no
// threshold, filled up by popularity.
type Options struct {
	Limit         int      // answers wanted, 1 to MaxLimit; 0 is the question's default
	Measure       Measure  // "" is Affinity
	MinSupport    int64    // orders together that a pair needs to count; 0 and 1 are no threshold
	MinConfidence float64  // confidence that a pair needs to count, 0 to 1
	Exclude       []string // items not to recommend, at most MaxExclude; unknown ones do no harm
	Categories    []string // recommend items of these categories only, at most MaxCategory; none is no filter
	Strict        bool     // leave places empty instead of filling them up by popularity
	BuildID       int64    // the kept build to ask; 0 is the active one
	Days          int      // popular items only: popularity of the last days before the newest order, at most MaxDays; 0 is of all orders
}

// InvalidError says which field of a question is wrong and what it may be.
type InvalidError struct {
	Field   string
	Problem string
}

func (e *InvalidError) Error() string { return e.Field + " " + e.Problem }

func (o Options) withDefaults(limit int) Options {
	if o.Limit == 0 {
		o.Limit = limit
	}
	if o.Measure == "" {
		o.Measure = Affinity
	}
	return o
}

// aboutItems are the options of a question about items, for which Days has no meaning.
func (o Options) aboutItems(limit int) Options {
	o.Days = 0
	return o.withDefaults(limit)
}

func (o Options) validate() error {
	if o.Limit < 1 || o.Limit > MaxLimit {
		return &InvalidError{"limit", fmt.Sprintf("is %d: choose 1 to %d", o.Limit, MaxLimit)}
	}
	if err := o.Measure.Validate(); err != nil {
		return err
	}
	if o.MinSupport < 0 {
		return &InvalidError{"min_support", fmt.Sprintf("is %d: choose 0 or more orders together", o.MinSupport)}
	}
	if math.IsNaN(o.MinConfidence) || o.MinConfidence < 0 || o.MinConfidence > 1 {
		return &InvalidError{"min_confidence", fmt.Sprintf("is %v: choose 0 to 1", o.MinConfidence)}
	}
	if len(o.Exclude) > MaxExclude {
		return &InvalidError{"exclude", fmt.Sprintf("names %d items: at most %d are possible", len(o.Exclude), MaxExclude)}
	}
	if len(o.Categories) > MaxCategory {
		return &InvalidError{"category", fmt.Sprintf("names %d categories: at most %d are possible", len(o.Categories), MaxCategory)}
	}
	if o.BuildID < 0 {
		return &InvalidError{"build_id", fmt.Sprintf("is %d: choose one of alsobought builds list", o.BuildID)}
	}
	if o.Days < 0 || o.Days > MaxDays {
		return &InvalidError{"days", fmt.Sprintf("is %d: choose 1 to %d", o.Days, MaxDays)}
	}
	return nil
}
