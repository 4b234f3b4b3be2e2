package recommend_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/alsobought/alsobought/internal/build"
	"github.com/alsobought/alsobought/internal/oracle"
	"github.com/alsobought/alsobought/internal/recommend"
)

// drawn draws options: every measure, threshold, limit and fill alike.
func drawn(rnd *rand.Rand, measure recommend.Measure, names []string) recommend.Options {
	opts := recommend.Options{Measure: measure, Limit: []int{1, 2, 5, 17, 100}[rnd.IntN(5)], Strict: rnd.IntN(2) == 0}
	if rnd.IntN(2) == 0 {
		opts.MinSupport = []int64{0, 1, 2, 3, 1000}[rnd.IntN(5)]
	}
	if rnd.IntN(2) == 0 {
		opts.MinConfidence = []float64{0.05, 0.07, 0.1, 0.25, 0.5, 1}[rnd.IntN(6)]
	}
	if rnd.IntN(2) == 0 {
		for range 1 + rnd.IntN(4) {
			opts.Exclude = append(opts.Exclude, names[rnd.IntN(len(names))])
		}
		opts.Exclude = append(opts.Exclude, "nobody ever bought it")
	}
	return opts
}

// TestRandomQuestions asks random questions of random orders and compares every answer, and what stands behind it, with the oracle.
func TestRandomQuestions(t *testing.T) {
	t.Parallel()
	for _, shape := range oracle.Shapes() {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s/seed %d", shape.Name, seed), func(t *testing.T) {
				t.Parallel()
				rnd := random(seed)
				settings := build.DefaultSettings()
				if seed > 0 {
					settings = build.Settings(oracle.RandomSettings(rnd))
				}
				s := newScene(t, shape, seed, settings)
				names := slices.Sorted(maps.Keys(s.counts.Items))
				ids := slices.Sorted(maps.Keys(s.orders))
				for _, measure := range recommend.Measures() {
					for range 6 {
						opts := drawn(rnd, measure, names)
						one := names[rnd.IntN(len(names))]
						similar, err := s.Similar(t.Context(), one, opts)
						s.wantAnswer(t, similar, err, opts, true, []string{one})

						// Repeats and unknown items are part of it.
						basket := []string{one, one, "nobody ever bought it"}
						for range rnd.IntN(6) {
							basket = append(basket, names[rnd.IntN(len(names))])
						}
						together, err := s.Basket(t.Context(), basket, opts)
						s.wantAnswer(t, together, err, opts, false, basket)

						id := ids[rnd.IntN(len(ids))]
						order, err := s.Order(t.Context(), id, opts)
						s.wantAnswer(t, order, err, opts, false, slices.Collect(maps.Keys(s.orders[id])))
					}
				}
				popular, err := s.Popular(t.Context(), recommend.Options{Limit: 7, Exclude: names[:1]})
				s.wantAnswer(t, popular, err, recommend.Options{Measure: recommend.Affinity, Limit: 7, Exclude: names[:1]}, false, nil)
			})
		}
	}
}

func (s scene) wantAnswer(t *testing.T, got recommend.Answer, err error, opts recommend.Options, boosted bool, asked []string) {
	t.Helper()
	if err != nil {
		t.Fatalf("%q with %+v: %v", asked, opts, err)
	}
	question := oracle.Question{
		Asked: asked, Boosted: boosted, Measure: string(opts.Measure), MinSupport: opts.MinSupport, MinConfidence: opts.MinConfidence,
		Exclude: opts.Exclude, Strict: opts.Strict, Limit: opts.Limit,
	}
	if err := s.counts.Check(question, rowsOf(got)); err != nil {
		t.Fatalf("%q with %+v under %+v: %v", asked, opts, s.counts.Settings, err)
	}
	filled := 0
	for _, r := range got.Recommendations {
		if r.Source == recommend.SourcePopular {
			filled++
		}
	}
	m := got.Metadata
	if m.Limit != opts.Limit || m.TotalRecommendations != len(got.Recommendations) || m.FilledByPopularity != filled ||
		m.BuildID != s.built.BuildID || !m.BuiltAt.Equal(*s.built.BuiltAt) || m.Measure != opts.Measure {
		t.Fatalf("%q with %+v: metadata %+v of %d recommendations, %d filled", asked, opts, m, len(got.Recommendations), filled)
	}
}
