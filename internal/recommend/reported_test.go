package recommend_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/oracle"
	"github.com/alsobought/alsobought/internal/recommend"
)

// Without a rule that the metadata lists, the answer would differ; without one it does not list, it would not. This
// holds unless two rules do the same to an item (then both are listed, though either suffices), while hidden items do
// not let others into the stored neighbors of a build, and within twice the limit plus a hundred items.
func TestRulesTold(t *testing.T) {
	t.Parallel()
	for _, shape := range oracle.Shapes()[:4] {
		t.Run(shape.Name, func(t *testing.T) {
			t.Parallel()
			settings := builds.DefaultSettings()
			settings.NeighboursKept = 1000
			s := newScene(t, shape, 41, settings)
			rnd := random(41)
			names := s.names()
			reported, unreported := 0, 0
			for n := range 60 {
				s.repeal(t)
				alone := n%2 == 0
				for range 1 + 3*(n%2) {
					s.drawRule(t, rnd, names)
				}
				ask := s.drawAsk(rnd, names)
				whole := ask(t)
				for _, r := range s.rules {
					s.exec(t, "UPDATE rules SET valid_until = valid_from WHERE rule_id = $1", r.ID)
					same := cmp.Equal(shown(whole), shown(ask(t)))
					s.exec(t, "UPDATE rules SET valid_until = NULL WHERE rule_id = $1", r.ID)
					switch tells := slices.Contains(whole.Metadata.Rules, r.ID); {
					case !tells && !same:
						t.Errorf("without %+v the answer is another, and only %d are reported of %+v", r, whole.Metadata.Rules, s.rules)
					case tells && same && alone:
						t.Errorf("without %+v the answer is the same, but it is reported", r)
					case tells:
						reported++
					default:
						unreported++
					}
				}
			}
			if reported < 10 || unreported < 10 {
				t.Errorf("%d rules reported, %d not: they show nothing", reported, unreported)
			}
		})
	}
}

// drawAsk draws a question that can be asked repeatedly.
func (s *scene) drawAsk(rnd *rand.Rand, names []string) func(*testing.T) recommend.Answer {
	opts := s.drawn(rnd, recommend.Measures()[rnd.IntN(6)], names)
	opts.MinConfidence, opts.Limit = 0, 1+rnd.IntN(8)
	basket, kind := drawBasket(rnd, names, 3), rnd.IntN(3)
	return func(t *testing.T) recommend.Answer {
		t.Helper()
		var answer recommend.Answer
		var err error
		switch kind {
		case 0:
			answer, err = s.Ask(t.Context(), recommend.Similar(basket[0], opts))
		case 1:
			answer, err = s.Ask(t.Context(), recommend.Basket(basket, opts))
		default:
			answer, err = s.Ask(t.Context(), recommend.Popular(opts))
		}
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
}

// shown is the visible part of an answer: items and sources.
func shown(answer recommend.Answer) [][2]string {
	list := [][2]string{}
	for _, r := range answer.Recommendations {
		list = append(list, [2]string{r.ItemName, r.Source})
	}
	return list
}

// Rules that only affect items far below the answer are neither searched for nor listed.
func TestManyRules(t *testing.T) {
	t.Parallel()
	s := newScene(t, oracle.Shape{Name: "wide", Orders: 400, Items: 400, MaxSize: 8}, 42, builds.DefaultSettings())
	popular, err := s.Ask(t.Context(), recommend.Popular(recommend.Options{Limit: 100}))
	if err != nil {
		t.Fatal(err)
	}
	names := items(popular)
	first := s.rule(t, "hide", "", names[:90]...)
	answer, err := s.Ask(t.Context(), recommend.Popular(recommend.Options{Limit: 10}))
	if err != nil || !slices.Equal(items(answer), names[90:]) || !slices.Equal(answer.Metadata.Rules, []int64{first}) {
		t.Errorf("%q by rules %d, want %q (%v)", items(answer), answer.Metadata.Rules, names[90:], err)
	}
	// Only 120 places before the answer's are searched, so a rule about the next place is not listed.
	deep, err := s.Ask(t.Context(), recommend.Popular(recommend.Options{Limit: 100, Exclude: names}))
	if err != nil {
		t.Fatal(err)
	}
	names = append(names, items(deep)...)
	s.repeal(t)
	first = s.rule(t, "hide", "", names[:102]...)
	second := s.rule(t, "hide", "", names[102:104]...)
	answer, err = s.Ask(t.Context(), recommend.Popular(recommend.Options{Limit: 1}))
	if err != nil || !slices.Equal(items(answer), names[104:105]) || !slices.Equal(answer.Metadata.Rules, []int64{first}) {
		t.Errorf("%q by rules %d, want %q by %d, and not by %d, which nobody looks for (%v)",
			items(answer), answer.Metadata.Rules, names[104:105], first, second, err)
	}
}
