package evaluate_test

import (
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/evaluate"
	"github.com/alsobought/alsobought/internal/oracle"
	"github.com/alsobought/alsobought/internal/recommend"
)

// TestRandomOrders compares every figure with the protocol in plain Go. Recommendations come from a separate
// database with only the orders that are not held out: a trial must be equivalent.
func TestRandomOrders(t *testing.T) {
	t.Parallel()
	for _, shape := range oracle.Shapes() {
		if shape.MaxSize == 1 {
			continue // nothing to hide
		}
		for seed := range uint64(2) {
			t.Run(fmt.Sprintf("%s/seed %d", shape.Name, seed), func(t *testing.T) {
				t.Parallel()
				orders := drawOrders(seed, shape)
				pool := loaded(t, orders, seed)
				opts := options(func(o *evaluate.Options) {
					o.Measures = append(o.Measures, recommend.Lift, recommend.Cosine)
					o.Protocol.Seed = fmt.Sprintf("seed %d/ä", seed)
					o.Protocol.Cases = 0
					switch seed {
					case 1:
						o.Protocol.Split, o.Protocol.Share = evaluate.Time, 0.35
						o.Settings.HalfLifeDays = 20
					case 2:
						o.Protocol.Share, o.Protocol.Cases = 0.5, 7
						s := builds.Settings(oracle.RandomSettings(random(seed)))
						s.OverlapDiscount, s.PopularityPrior, s.WindowDays, s.HalfLifeDays = 0.7, 0, 0, 0
						o.Settings = s
					}
				})
				want := naive(t, orders, opts)
				got := mustEvaluate(t, pool, opts)
				if diff := gocmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if got.Cases == 0 || got.Grades[0].MPR <= 0 {
					t.Errorf("graded %d cases: %+v", got.Cases, got.Grades)
				}
			})
		}
	}
}

// question is a held-out order with one item hidden.
type question struct {
	basket []string
	hidden string
}

func naive(t *testing.T, orders dated, opts evaluate.Options) evaluate.Report {
	t.Helper()
	held := heldOut(orders, opts.Protocol)
	questions := draw(orders, held, opts.Protocol)
	training := loaded(t, orders.without(held), 99)
	built := mustBuild(t, training, opts.Settings)
	r := recommend.New(training)
	report := evaluate.Report{
		Protocol: opts.Protocol, Settings: opts.Settings, HeldOut: int64(len(held)), Cases: int64(len(questions)),
	}
	for _, measure := range opts.Measures {
		report.Grades = append(report.Grades, gradeOf(t, string(measure), questions, built.Items,
			func(basket []string) (recommend.Answer, error) {
				return tenAndTheRest(t, r, basket, measure)
			}))
	}
	report.Grades = append(report.Grades, gradeOf(t, evaluate.Popularity, questions, built.Items,
		func(basket []string) (recommend.Answer, error) {
			return r.Ask(t.Context(), recommend.Popular(recommend.Options{Exclude: basket, Limit: recommend.MaxLimit}))
		}))
	return report
}

// tenAndTheRest returns the ten items served, followed by those that share orders with the basket and then by
// popular ones.
func tenAndTheRest(
	t *testing.T, r *recommend.Recommender, basket []string, measure recommend.Measure,
) (recommend.Answer, error) {
	t.Helper()
	answer, err := r.Ask(t.Context(), recommend.Basket(basket, recommend.Options{Measure: measure, Limit: 10}))
	if err != nil {
		return answer, err
	}
	paired, err := r.Ask(t.Context(), recommend.Basket(basket, recommend.Options{
		Measure: measure, Limit: recommend.MaxLimit, Strict: true,
	}))
	if err != nil {
		return answer, err
	}
	popular, err := r.Ask(t.Context(), recommend.Popular(recommend.Options{Exclude: basket, Limit: recommend.MaxLimit}))
	for _, rest := range [][]recommend.Recommendation{paired.Recommendations, popular.Recommendations} {
		for _, item := range rest {
			if !slices.ContainsFunc(answer.Recommendations,
				func(r recommend.Recommendation) bool { return r.ItemName == item.ItemName }) {
				answer.Recommendations = append(answer.Recommendations, item)
			}
		}
	}
	return answer, err
}

func heldOut(orders dated, p evaluate.Protocol) []string {
	if p.Split == evaluate.Time {
		newest := slices.SortedFunc(maps.Keys(orders.at), func(a, b string) int {
			return cmp.Or(orders.at[b].Compare(orders.at[a]), cmp.Compare(a, b))
		})
		return newest[:int(math.RoundToEven(float64(len(newest))*p.Share))]
	}
	below := fmt.Sprintf("%08x", uint32(p.Share*(1<<32)))
	var held []string
	for id := range orders.items {
		if drawn(p.Seed, id)[:8] < below {
			held = append(held, id)
		}
	}
	return held
}

func draw(orders dated, held []string, p evaluate.Protocol) []question {
	held = slices.Clone(held)
	slices.SortFunc(held, func(a, b string) int {
		return cmp.Or(cmp.Compare(drawn(p.Seed, "case", a), drawn(p.Seed, "case", b)), cmp.Compare(a, b))
	})
	var questions []question
	for _, id := range held {
		items := slices.SortedFunc(maps.Keys(orders.items[id]), func(a, b string) int {
			return cmp.Or(cmp.Compare(drawn(p.Seed, id, a), drawn(p.Seed, id, b)), cmp.Compare(a, b))
		})
		if len(items) >= 2 && (p.Cases == 0 || len(questions) < p.Cases) {
			questions = append(questions, question{basket: items[1:], hidden: items[0]})
		}
	}
	return questions
}

func drawn(parts ...string) string {
	sum := md5.Sum([]byte(strings.Join(parts, "/")))
	return hex.EncodeToString(sum[:])
}

// gradeOf asks every question. Answers contain all items, because there are fewer than the limit.
func gradeOf(
	t *testing.T, method string, questions []question, items int64, ask func([]string) (recommend.Answer, error),
) evaluate.Grade {
	t.Helper()
	g := evaluate.Grade{Method: method, Cases: int64(len(questions))}
	shown := map[string]bool{}
	places, popular := 0, 0
	for _, q := range questions {
		answer, err := ask(q.basket)
		if err != nil {
			t.Fatal(err)
		}
		place := 1 + slices.IndexFunc(answer.Recommendations,
			func(r recommend.Recommendation) bool { return r.ItemName == q.hidden })
		switch others := float64(len(answer.Recommendations)); {
		case place == 0: // unknown
			g.MPR++
		case others > 1:
			g.MPR += float64(place-1) / (others - 1)
		}
		if place >= 1 && place <= 5 {
			g.HR5++
		}
		if place >= 1 && place <= 10 {
			g.HR10++
			g.MRR10 += 1 / float64(place)
			g.NDCG10 += 1 / math.Log2(1+float64(place))
		}
		for _, r := range answer.Recommendations[:min(10, len(answer.Recommendations))] {
			shown[r.ItemName] = true
			places++
			if float64(r.PopularityRank) <= max(10, math.Ceil(float64(items)/100)) {
				popular++
			}
		}
	}
	n := float64(len(questions))
	for _, sum := range []*float64{&g.HR5, &g.HR10, &g.MRR10, &g.NDCG10, &g.MPR} {
		*sum /= n
	}
	g.HR10Error = math.Sqrt(g.HR10 * (1 - g.HR10) / n)
	g.Coverage = float64(len(shown)) / float64(items)
	if places > 0 {
		g.PopularityShare = float64(popular) / float64(places)
	}
	return g
}
