package recommend

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alsobought/alsobought/internal/spelling"
)

// Limits of all questions, and the default limit of each.
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

// Measure ranks pairs. With c orders that contain both items, n_i and n_j baskets counted for each item, and N baskets
// counted in all, the values are as below.
type Measure string

// Measures.
const (
	Affinity   Measure = "affinity"   // default; see docs/scoring.md
	Count      Measure = "count"      // c
	Confidence Measure = "confidence" // c / n_i
	Cosine     Measure = "cosine"     // c / sqrt(n_i n_j)
	Jaccard    Measure = "jaccard"    // c / (n_i + n_j - c)
	Lift       Measure = "lift"       // c N / (n_i n_j)
)

// Measures lists all measures, the default first.
func Measures() []Measure { return []Measure{Affinity, Count, Confidence, Cosine, Jaccard, Lift} }

// Validate returns an InvalidError if the measure is unknown.
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

// Options of a question. The zero value is the default: the question's default limit, affinity, no threshold, filled up
// by popularity.
type Options struct {
	Limit         int      // 1 to MaxLimit; 0: the question's default
	Measure       Measure  // "": Affinity
	MinSupport    int64    // minimum orders together for a pair to count; 0 and 1: no threshold
	MinConfidence float64  // minimum confidence for a pair to count, 0 to 1
	Exclude       []string // items not to recommend, at most MaxExclude; may be unknown
	Categories    []string // recommend only these categories, at most MaxCategory; empty: all
	Strict        bool     // do not fill up by popularity
	BuildID       int64    // past build to ask; 0: the active one
	WithoutRules  bool     // ignore rules and inactive items
	Days          int      // popular items only: last days before the newest order, at most MaxDays; 0: all
}

// InvalidError says which field of a question is invalid and what is valid.
type InvalidError struct {
	Field   string
	Problem string
}

func (e *InvalidError) Error() string { return e.Field + " " + e.Problem }

// Kind is the kind of a question.
type Kind string

// Kinds of questions.
const (
	KindPopular Kind = "popular"
	KindSimilar Kind = "similar"
	KindBasket  Kind = "basket"
	KindOrder   Kind = "order"
)

// Question is everything an answer depends on besides the data. Create one with Popular, Similar, Basket or Order.
type Question struct {
	Kind    Kind
	Items   []string // the item of Similar, or the 1 to MaxBasket items of Basket
	OrderID string   // of Order
	Options

	maxItems     int
	defaultLimit int
}

// Popular asks for the items in the most orders. It ignores Measure, MinSupport, MinConfidence and Strict.
func Popular(opts Options) Question {
	opts.Measure, opts.MinSupport, opts.MinConfidence, opts.Strict = "", 0, 0, false
	return Question{Kind: KindPopular, Options: opts, defaultLimit: PopularLimit}
}

// Similar asks for the items bought with one item. Like all questions but Popular, it ignores Days.
func Similar(item string, opts Options) Question {
	return Question{Kind: KindSimilar, Items: []string{item}, Options: opts, maxItems: 1, defaultLimit: SimilarLimit}
}

// Basket asks for the items bought with all items of a basket together. The answer contains none of them.
func Basket(items []string, opts Options) Question {
	return Question{Kind: KindBasket, Items: items, Options: opts, maxItems: MaxBasket, defaultLimit: BasketLimit}
}

// Order asks for the items bought with those of one order. The answer contains none of them.
func Order(id string, opts Options) Question {
	return Question{Kind: KindOrder, OrderID: id, Options: opts, defaultLimit: OrderLimit}
}

// normal applies the defaults and validates the question. Its error is an InvalidError.
func (q Question) normal() (Question, error) {
	if q.Limit == 0 {
		q.Limit = q.defaultLimit
	}
	if q.Measure == "" {
		q.Measure = Affinity
	}
	if q.Kind != KindPopular {
		q.Days = 0
	}
	if err := q.validate(); err != nil {
		return q, err
	}
	if q.maxItems > 0 && (len(q.Items) < 1 || len(q.Items) > q.maxItems) {
		return q, &InvalidError{"items", fmt.Sprintf("has %d names: choose 1 to %d", len(q.Items), q.maxItems)}
	}
	return q, nil
}

// sqlQuestion is the SQL type question.
type sqlQuestion struct {
	Kind          Kind     `json:"kind"`
	Items         []string `json:"items"`
	OrderID       string   `json:"order_id"`
	Measure       Measure  `json:"measure"`
	MinSupport    int64    `json:"min_support"`
	MinConfidence float64  `json:"min_confidence"`
	Exclude       []string `json:"exclude"`
	Categories    []string `json:"categories"`
	Days          int      `json:"days"`
	Fill          bool     `json:"fill"`
	Limit         int      `json:"lim"`
}

func (q Question) sql() sqlQuestion {
	return sqlQuestion{
		Kind:          q.Kind,
		Items:         texts(q.Items),
		OrderID:       text(q.OrderID),
		Measure:       q.Measure,
		MinSupport:    q.MinSupport,
		MinConfidence: q.MinConfidence,
		Exclude:       texts(q.Exclude),
		Categories:    texts(q.Categories),
		Days:          q.Days,
		Fill:          !q.Strict,
		Limit:         q.Limit,
	}
}

// byDefault reports whether the stored neighbors of the active build may answer the question.
func (q Question) byDefault() bool {
	return q.Measure == Affinity && q.MinSupport <= 1 && q.MinConfidence == 0 && len(q.Exclude) == 0 &&
		len(q.Categories) == 0 && q.BuildID == 0 &&
		!q.WithoutRules
}

// quick reports whether the question is cheap enough to be batched with others.
func (q Question) quick() bool {
	return q.byDefault() && q.Kind != KindOrder && q.Days == 0 && len(q.Items) <= 10 && q.Limit <= 20
}

// texts applies text to each name.
func texts(names []string) []string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = text(name)
	}
	return list
}

// text returns the name as loads store it, or "", which no item is called, if PostgreSQL cannot store it.
func text(name string) string {
	if !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return ""
	}
	return spelling.CleanString(name)
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
		return &InvalidError{"exclude", fmt.Sprintf("names %d items: the maximum is %d", len(o.Exclude), MaxExclude)}
	}
	if len(o.Categories) > MaxCategory {
		return &InvalidError{
			"category", fmt.Sprintf("names %d categories: the maximum is %d", len(o.Categories), MaxCategory),
		}
	}
	if o.BuildID < 0 {
		return &InvalidError{"build_id", fmt.Sprintf("is %d: see alsobought builds list", o.BuildID)}
	}
	if o.Days < 0 || o.Days > MaxDays {
		return &InvalidError{"days", fmt.Sprintf("is %d: choose 1 to %d", o.Days, MaxDays)}
	}
	return nil
}
