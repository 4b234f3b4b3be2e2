package recommend_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/oracle"
	"github.com/alsobought/alsobought/internal/recommend"
)

// The contributions of a basket's items add up to the score, with any rules. Without rules, answers are unchanged.
func TestContributions(t *testing.T) {
	t.Parallel()
	for _, shape := range oracle.Shapes()[:4] {
		t.Run(shape.Name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, shape, 43, builds.DefaultSettings())
			rnd := random(43)
			names := s.names()
			summed := 0
			for n := range 40 {
				s.repeal(t)
				basket := []string{names[rnd.IntN(len(names))], names[rnd.IntN(len(names))], names[rnd.IntN(len(names))]}
				if basket[0] == basket[1] || basket[1] == basket[2] || basket[0] == basket[2] {
					continue
				}
				opts := recommend.Options{Limit: 10, Measure: []recommend.Measure{recommend.Affinity, recommend.Confidence}[n%2]}
				before, err := s.Ask(t.Context(), recommend.Basket(basket, opts))
				if err != nil {
					t.Fatal(err)
				}
				for range 2 {
					s.drawRule(t, rnd, names)
				}
				summed += s.checkSums(t, recommend.Basket(basket, opts))
				opts.WithoutRules = true
				summed += s.checkSums(t, recommend.Basket(basket, opts))
				without, err := s.Ask(t.Context(), recommend.Basket(basket, opts))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(before.Recommendations, without.Recommendations); diff != "" {
					t.Errorf("before rules -, without them +:\n%s", diff)
				}
			}
			if summed < 20 {
				t.Errorf("only %d sums", summed)
			}
		})
	}
}

// checkSums compares the scores of an answer with the sums of its contributions and returns the number of
// contributions.
func (s *scene) checkSums(t *testing.T, q recommend.Question) (n int) {
	t.Helper()
	answer, err := s.Ask(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	contributions, err := s.Contributions(t.Context(), q, items(answer))
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]float64{}
	for _, c := range contributions {
		sums[c.ItemName] += c.Value
	}
	for _, r := range answer.Recommendations {
		if r.Source == recommend.SourcePinned {
			continue
		}
		if r.Source == recommend.SourcePair {
			n++
		}
		score := math.Min(sums[r.ItemName]/float64(len(q.Items)), 1)
		if math.Abs(score-r.SimilarityScore) > 1e-12 {
			t.Errorf("%v: %s (%s) has score %v, contributions %v", q.Items, r.ItemName, r.Source, r.SimilarityScore, score)
		}
	}
	return n
}
