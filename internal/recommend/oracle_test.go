package recommend_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/oracle"
	"github.com/alsobought/alsobought/internal/recommend"
)

var categories = []string{"tools", "toys", "Tools", "ä/b"}

// drawn draws options: thresholds, limit, categories, build and so on.
func (s *scene) drawn(rnd *rand.Rand, measure recommend.Measure, names []string) recommend.Options {
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
	if rnd.IntN(4) == 0 {
		for range 1 + rnd.IntN(2) {
			opts.Categories = append(opts.Categories, categories[rnd.IntN(len(categories))])
		}
		opts.Categories = append(opts.Categories, "no such category")
	}
	if len(s.older) > 0 && rnd.IntN(3) == 0 {
		opts.BuildID = s.built.BuildID - int64(rnd.IntN(len(s.older)+1))
	}
	return opts
}

// draw draws a catalog: a third of the items is missing, and some of the others are inactive.
func (s *scene) draw(t *testing.T, rnd *rand.Rand, names []string) {
	t.Helper()
	for _, name := range names {
		if rnd.IntN(3) > 0 {
			a := oracle.Attributes{Inactive: rnd.IntN(8) == 0}
			if rnd.IntN(4) > 0 {
				a.Category = categories[rnd.IntN(len(categories))]
			}
			s.describe(t, name, a)
		}
	}
}

// drawRule adds a random rule of any kind, for all questions or for one item. Its items may be unknown.
func (s *scene) drawRule(t *testing.T, rnd *rand.Rand, names []string) {
	t.Helper()
	kind := []string{"hide", "pin", "apart", "hide", "pin", "apart", "allow"}[rnd.IntN(7)]
	size := 1 + rnd.IntN(4)
	item := ""
	switch {
	case kind == "apart":
		size++
	case rnd.IntN(2) == 0:
		item = names[rnd.IntN(min(len(names), 5))]
	}
	if kind == "allow" {
		size = 1 + len(names)/2
	}
	var about []string
	for range size {
		about = append(about, names[rnd.IntN(len(names))])
	}
	if rnd.IntN(3) == 0 {
		about = append(about, "nobody ever bought it")
	}
	s.rule(t, kind, item, about...)
}

// drawBasket draws up to n items after the first, including repeats and unknown items.
func drawBasket(rnd *rand.Rand, names []string, n int) []string {
	one := names[rnd.IntN(min(len(names), 5))]
	basket := []string{one, one, "nobody ever bought it"}
	for range rnd.IntN(n) {
		basket = append(basket, names[rnd.IntN(len(names))])
	}
	return basket
}

// TestRandomQuestions asks random questions on random orders, under random rules, and compares every answer and its
// evidence with the oracle.
func TestRandomQuestions(t *testing.T) {
	t.Parallel()
	for _, shape := range oracle.Shapes() {
		for seed := range uint64(2) {
			t.Run(fmt.Sprintf("%s/seed %d", shape.Name, seed), func(t *testing.T) {
				t.Parallel()
				rnd := random(seed)
				settings := []builds.Settings{builds.DefaultSettings()}
				if seed > 0 {
					settings = []builds.Settings{
						builds.Settings(oracle.RandomSettings(rnd)), builds.DefaultSettings(),
						builds.Settings(oracle.RandomSettings(rnd)),
					}
				}
				s := newScene(t, shape, seed, settings...)
				names := s.names()
				if seed > 0 {
					s.draw(t, rnd, names)
				}
				for _, measure := range recommend.Measures() {
					for range 3 {
						s.repeal(t)
						for range rnd.IntN(4) * min(int(seed), 1) {
							s.drawRule(t, rnd, names)
						}
						s.askAll(t, rnd, measure, names)
						s.askAll(t, rnd, measure, names)
					}
				}
			})
		}
	}
}

// names returns the items of all orders, counted or not.
func (s *scene) names() []string {
	all := map[string]bool{}
	for _, items := range s.orders {
		maps.Copy(all, items)
	}
	return slices.Sorted(maps.Keys(all))
}

// askAll asks one random question of each kind.
func (s *scene) askAll(t *testing.T, rnd *rand.Rand, measure recommend.Measure, names []string) {
	t.Helper()
	opts := s.drawn(rnd, measure, names)
	counts := s.of(opts.BuildID).counts
	one := names[rnd.IntN(len(names))]
	similar, err := s.Ask(t.Context(), recommend.Similar(one, opts))
	if _, known := counts.Items[one]; known {
		s.wantAnswer(t, similar, err, opts, true, []string{one})
	} else if !errors.Is(err, recommend.ErrUnknownItem) {
		t.Fatalf("similar to an item that the build does not count: %v", err)
	}

	basket := drawBasket(rnd, names, 6)
	together, err := s.Ask(t.Context(), recommend.Basket(basket, opts))
	s.wantAnswer(t, together, err, opts, false, basket)

	ids := slices.Sorted(maps.Keys(s.orders))
	id := ids[rnd.IntN(len(ids))]
	order, err := s.Ask(t.Context(), recommend.Order(id, opts))
	s.wantAnswer(t, order, err, opts, false, slices.Collect(maps.Keys(s.orders[id])))

	opts = recommend.Options{
		Limit: opts.Limit, Exclude: opts.Exclude, Categories: opts.Categories, BuildID: opts.BuildID,
		Days: []int{0, 1, 2, 30, 31, 365}[rnd.IntN(6)],
	}
	popular, err := s.Ask(t.Context(), recommend.Popular(opts))
	s.wantAnswer(t, popular, err, opts, false, nil)
}

// question converts a question to the oracle's type.
func (s *scene) question(opts recommend.Options, boosted bool, seeds []string) oracle.Question {
	return oracle.Question{
		Seeds: seeds, Boosted: boosted, Measure: string(opts.Measure), MinSupport: opts.MinSupport,
		MinConfidence: opts.MinConfidence,
		Exclude:       opts.Exclude, Categories: opts.Categories, Days: opts.Days, Strict: opts.Strict, Limit: opts.Limit,
		Rules: s.rules, Catalogue: s.catalogue,
	}
}

func (s *scene) wantAnswer(
	t *testing.T, got recommend.Answer, err error, opts recommend.Options, boosted bool, seeds []string,
) {
	t.Helper()
	if err != nil {
		t.Fatalf("%q with %+v: %v", seeds, opts, err)
	}
	v, question := s.of(opts.BuildID), s.question(opts, boosted, seeds)
	if err := v.counts.Check(question, rowsOf(got)); err != nil {
		t.Fatalf("%q with %+v under %+v and %+v: %v", seeds, opts, v.counts.Settings, s.rules, err)
	}
	filled := 0
	for _, r := range got.Recommendations {
		if r.Source == recommend.SourcePopular {
			filled++
		}
		if a := s.catalogue[r.ItemName]; r.Category != a.Category || r.Label != labelOf(a) {
			t.Fatalf("%q is shown with %+v, want %+v", r.ItemName, r.Attributes, a)
		}
	}
	m := got.Metadata
	if m.Limit != opts.Limit || m.TotalRecommendations != len(got.Recommendations) || m.FilledByPopularity != filled ||
		m.BuildID != v.built.BuildID || !m.BuiltAt.Equal(*v.built.BuiltAt) ||
		m.Measure != opts.Measure || m.Days != opts.Days {
		t.Fatalf("%q with %+v: metadata %+v of %d recommendations, %d filled", seeds, opts, m,
			len(got.Recommendations), filled)
	}
	if rules, inactive := v.counts.LeftOut(question); !slices.Equal(m.Rules, rules) || m.InactiveLeftOut != inactive {
		t.Fatalf("%q with %+v under %+v: rules %d and %d inactive left out, want %d and %d; %q",
			seeds, opts, s.rules, m.Rules, m.InactiveLeftOut, rules, inactive, items(got))
	}
}
