// Package evaluate measures how well a build's settings predict held-out orders. It holds out some orders,
// builds from the others, hides one item of each held-out order and asks for recommendations for the rest. The
// grade is how highly the hidden item ranks.
//
// The build is a trial (package builds): it is made and queried in a transaction that is rolled back, by the
// same SQL that serves, while the active build keeps answering. Rules and the catalogue are ignored: only the
// counting is graded. The package itself ranks nothing. The measures are the usual ones, see docs/scoring.md.
package evaluate

import (
	"context"
	_ "embed" // the tables
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/recommend"
)

//go:embed tables.sql
var tables string

// ErrNoCases is returned if there is nothing to grade.
var ErrNoCases = errors.New("nothing to grade")

// The ways to hold out orders.
const (
	Random = "random" // a random sample
	Time   = "time"   // the newest orders
)

// Popularity is the baseline method: it recommends the most popular items for every basket.
const Popularity = "popularity"

// Protocol defines which orders are held out and tested. Equal orders and equal protocols give equal grades.
type Protocol struct {
	Split string  `json:"split"` // Random or Time
	Share float64 `json:"share"` // share of orders held out, 0.01 to 0.9
	Seed  string  `json:"seed"`  // of the random choices
	Cases int     `json:"cases"` // maximum number of held-out orders to test; 0 is all
}

// DefaultProtocol holds out a fifth of the orders at random.
func DefaultProtocol() Protocol {
	return Protocol{Split: Random, Share: 0.2, Seed: "1", Cases: 5000}
}

// Validate returns everything that is wrong with the protocol.
func (p Protocol) Validate() error {
	var errs []error
	if p.Split != Random && p.Split != Time {
		errs = append(errs, fmt.Errorf("split is %q: choose %s or %s", p.Split, Random, Time))
	}
	if !(p.Share >= 0.01 && p.Share <= 0.9) {
		errs = append(errs, fmt.Errorf("share is %v: choose 0.01 to 0.9", p.Share))
	}
	if p.Cases < 0 || p.Cases > math.MaxInt32 {
		errs = append(errs, fmt.Errorf("cases is %d: choose 1 or more, or 0 for all", p.Cases))
	}
	if !utf8.ValidString(p.Seed) || strings.ContainsRune(p.Seed, 0) {
		errs = append(errs, fmt.Errorf("seed is %q: choose any text in UTF-8", p.Seed))
	}
	return errors.Join(errs...)
}

// Options of an evaluation.
type Options struct {
	Protocol Protocol
	Settings builds.Settings
	Measures []recommend.Measure // to grade besides Popularity; default Affinity and Count

	// Progress is called with the completed share of the ranking, 0 to 1.
	Progress func(done float64)
}

// Grade holds the results of one method. Every value is a mean over the cases.
type Grade struct {
	Method string `json:"method"`
	Cases  int64  `json:"cases"`
	// HR5 and HR10 are the shares of cases whose hidden item is among the first five or ten; HR10Error is the
	// standard error of HR10.
	HR5       float64 `json:"hr_5"`
	HR10      float64 `json:"hr_10"`
	HR10Error float64 `json:"hr_10_error"`
	// MRR10 is the mean of 1/rank within the first ten, NDCG10 the mean of 1/log2(1 + rank).
	MRR10  float64 `json:"mrr_10"`
	NDCG10 float64 `json:"ndcg_10"`
	// MPR is the mean percentile rank of the hidden item among all items: 0 is first, 0.5 is chance, 1 is last or unknown.
	MPR float64 `json:"mpr"`
	// Coverage is the share of all items that were recommended at least once. PopularityShare is the share of
	// recommendations that went to the most popular 1% of items, at least ten items.
	Coverage        float64 `json:"coverage"`
	PopularityShare float64 `json:"popularity_share"`
}

// Report is the result of an evaluation. It is stored with a build as it is.
type Report struct {
	Protocol Protocol        `json:"protocol"`
	Settings builds.Settings `json:"settings"`
	HeldOut  int64           `json:"held_out"` // orders
	Cases    int64           `json:"cases"`    // held-out orders that were tested
	Grades   []Grade         `json:"grades"`   // in the order of the measures, Popularity last
}

// Of returns the grade of a method and whether there is one.
func (r Report) Of(method string) (Grade, bool) {
	i := slices.IndexFunc(r.Grades, func(g Grade) bool { return g.Method == method })
	if i < 0 {
		return Grade{}, false
	}
	return r.Grades[i], true
}

// Run evaluates the settings. It waits for running builds, and other builds wait for it. If there are too few
// orders, the error is ErrNoCases.
func Run(ctx context.Context, pool *pgxpool.Pool, opts Options) (Report, error) {
	measures := []recommend.Measure{}
	for _, m := range opts.Measures {
		if err := m.Validate(); err != nil {
			return Report{}, err
		}
		if !slices.Contains(measures, m) {
			measures = append(measures, m)
		}
	}
	opts.Measures = measures
	if len(measures) == 0 {
		opts.Measures = []recommend.Measure{recommend.Affinity, recommend.Count}
	}
	if err := opts.Protocol.Validate(); err != nil {
		return Report{}, err
	}
	report := Report{Protocol: opts.Protocol, Settings: opts.Settings}
	err := builds.Trial(ctx, pool, builds.Options{Settings: opts.Settings, BuiltBy: "evaluate", Version: "trial"},
		func(tx pgx.Tx) (err error) {
			report.HeldOut, err = holdOut(ctx, tx, opts.Protocol)
			return err
		},
		func(tx pgx.Tx, _ db.Build) error { return grade(ctx, tx, opts, &report) })
	return report, err
}

func holdOut(ctx context.Context, tx pgx.Tx, p Protocol) (orders int64, err error) {
	if _, err := tx.Exec(ctx, tables); err != nil {
		return 0, fmt.Errorf("make tables: %w", err)
	}
	if p.Split == Time {
		orders, err = db.New(tx).HeldOutTakeNewest(ctx, p.Share)
	} else {
		orders, err = db.New(tx).HeldOutDraw(ctx, p.Seed, fmt.Sprintf("%08x", uint32(p.Share*(1<<32))))
	}
	if err != nil {
		return 0, fmt.Errorf("hold out: %w", err)
	}
	if orders == 0 && p.Split == Time {
		return 0, fmt.Errorf("%w: no order has a time, so there are no newest ones; split at random instead", ErrNoCases)
	}
	if _, err := tx.Exec(ctx, "ANALYZE held_out"); err != nil {
		return 0, fmt.Errorf("analyze: %w", err)
	}
	return orders, nil
}

// pairsCases limits the cases of measures other than affinity, unless all cases are wanted: these measures read
// every pair of a basket. Cases are in random order, so the first ones are a fair sample.
const pairsCases = 1000

// grade draws the cases, ranks each of them by every method and reads the grades.
func grade(ctx context.Context, tx pgx.Tx, opts Options, report *Report) error {
	const step = 100 // cases per statement
	q := db.New(tx)
	limit := opts.Protocol.Cases
	if limit == 0 {
		limit = math.MaxInt32
	}
	var err error
	if report.Cases, err = q.CaseDraw(ctx, opts.Protocol.Seed, int32(limit)); err != nil {
		return fmt.Errorf("draw cases: %w", err)
	}
	if report.Cases == 0 {
		return fmt.Errorf("%w: no held-out order has two items; load more orders", ErrNoCases)
	}
	for n, measure := range opts.Measures {
		cases := report.Cases
		if measure != recommend.Affinity && opts.Protocol.Cases > 0 {
			cases = min(cases, pairsCases)
		}
		for first := int64(1); first <= cases; first += step {
			last := min(first+step-1, cases)
			if _, err := q.CaseRank(ctx, string(measure), first, last); err != nil {
				return fmt.Errorf("rank by %s: %w", measure, err)
			}
			if opts.Progress != nil {
				part := float64(last) / float64(cases)
				opts.Progress((float64(n) + part) / float64(len(opts.Measures)))
			}
		}
	}
	if _, err := q.CaseRankByPopularity(ctx); err != nil {
		return fmt.Errorf("rank by popularity: %w", err)
	}
	rows, err := q.GradeList(ctx)
	if err != nil {
		return fmt.Errorf("read grades: %w", err)
	}
	for _, r := range rows {
		report.Grades = append(report.Grades, Grade{
			Method: r.Method, Cases: r.Cases, HR5: r.Hr5, HR10: r.Hr10,
			HR10Error: math.Sqrt(r.Hr10 * (1 - r.Hr10) / float64(r.Cases)),
			MRR10:     r.Mrr10, NDCG10: r.Ndcg10, MPR: r.Mpr, Coverage: r.Coverage, PopularityShare: r.PopularityShare,
		})
	}
	place := func(g Grade) int {
		if i := slices.Index(opts.Measures, recommend.Measure(g.Method)); i >= 0 {
			return i
		}
		return len(opts.Measures)
	}
	slices.SortFunc(report.Grades, func(a, b Grade) int { return place(a) - place(b) })
	return nil
}
