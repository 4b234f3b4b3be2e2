package recommend

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alsobought/alsobought/internal/spelling"
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
	WithoutRules  bool     // as if there were no rules and no inactive items
	Days          int      // popular items only: popularity of the last days before the newest order, at most MaxDays; 0 is of all orders
}

// InvalidError says which field of a question is wrong and what it may be.
type InvalidError struct {
	Field   string
	Problem string
}

func (e *InvalidError) Error() string { return e.Field + " " + e.Problem }

// Kind is what a question asks for.
type Kind string

// The kinds of question.
const (
	KindPopular Kind = "popular"
	KindSimilar Kind = "similar"
	KindBasket  Kind = "basket"
	KindOrder   Kind = "order"
)

// Question is all that an answer depends on beside the data. Popular, Similar, Basket and Order make one.
type Question struct {
	Kind    Kind
	Items   []string // seed items: the item of Similar, the 1 to MaxBasket items of Basket
	OrderID string   // of Order
	Options

	maxItems     int
	defaultLimit int
}

// Popular asks for the items in the most orders. Measure, MinSupport, MinConfidence and Strict have no meaning here.
func Popular(opts Options) Question {
	opts.Measure, opts.MinSupport, opts.MinConfidence, opts.Strict = "", 0, 0, false
	return Question{Kind: KindPopular, Options: opts, defaultLimit: PopularLimit}
}

// Similar asks for the items that go with one item. Days has no meaning here, as for all questions but Popular.
func Similar(item string, opts Options) Question {
	return Question{Kind: KindSimilar, Items: []string{item}, Options: opts, maxItems: 1, defaultLimit: SimilarLimit}
}

// Basket asks for the items that go with all of a basket's items together, none of them in it.
func Basket(items []string, opts Options) Question {
	return Question{Kind: KindBasket, Items: items, Options: opts, maxItems: MaxBasket, defaultLimit: BasketLimit}
}

// Order asks for the items that go with those of one order, none of them in it.
func Order(id string, opts Options) Question {
	return Question{Kind: KindOrder, OrderID: id, Options: opts, defaultLimit: OrderLimit}
}

// normal returns the question with its defaults, or an InvalidError.
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

// byDefault reports whether the question may be answered from the kept neighbours of the active build.
func (q Question) byDefault() bool {
	return q.Measure == Affinity && q.MinSupport <= 1 && q.MinConfidence == 0 && len(q.Exclude) == 0 && len(q.Categories) == 0 && q.BuildID == 0 &&
		!q.WithoutRules
}

// quick reports whether the question takes about as long as any other quick one: those are asked together.
func (q Question) quick() bool {
	return q.byDefault() && q.Kind != KindOrder && q.Days == 0 && len(q.Items) <= 10 && q.Limit <= 20
}

// texts are the names as PostgreSQL can hold them: see text.
func texts(names []string) []string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = text(name)
	}
	return list
}

// text is the name as loads store it, and "" if PostgreSQL cannot hold it: nothing is called that.
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
		return &InvalidError{"category", fmt.Sprintf("names %d categories: the maximum is %d", len(o.Categories), MaxCategory)}
	}
	if o.BuildID < 0 {
		return &InvalidError{"build_id", fmt.Sprintf("is %d: choose one of alsobought builds list", o.BuildID)}
	}
	if o.Days < 0 || o.Days > MaxDays {
		return &InvalidError{"days", fmt.Sprintf("is %d: choose 1 to %d", o.Days, MaxDays)}
	}
	return nil
}
