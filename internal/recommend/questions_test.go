package recommend_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/recommend"
)

// all asks every question about an item with the same options.
func all(t *testing.T, r *recommend.Recommender, item string, opts recommend.Options) map[string]error {
	t.Helper()
	_, similar := r.Ask(t.Context(), recommend.Similar(item, opts))
	_, basket := r.Ask(t.Context(), recommend.Basket([]string{item}, opts))
	_, order := r.Ask(t.Context(), recommend.Order("1", opts))
	_, popular := r.Ask(t.Context(), recommend.Popular(opts))
	return map[string]error{"similar": similar, "basket": basket, "order": order, "popular": popular}
}

func TestNoBuild(t *testing.T) {
	t.Parallel()
	r := recommend.New(dbtest.New(t))
	errs := all(t, r, "bread", recommend.Options{})
	_, errs["explain"] = r.Explain(t.Context(), "bread", "butter", 0)
	for name, err := range errs {
		if !errors.Is(err, recommend.ErrNoBuild) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInvalid(t *testing.T) {
	t.Parallel()
	s := bread(t)
	names := make([]string, 101)
	for name, c := range map[string]struct {
		opts    recommend.Options
		field   string
		popular bool // valid for popular items too
	}{
		"limit below":            {recommend.Options{Limit: -1}, "limit", true},
		"limit above":            {recommend.Options{Limit: 101}, "limit", true},
		"measure":                {recommend.Options{Measure: "pmi"}, "measure", false},
		"measure in capitals":    {recommend.Options{Measure: "Lift"}, "measure", false},
		"support below":          {recommend.Options{MinSupport: -1}, "min_support", false},
		"confidence below":       {recommend.Options{MinConfidence: -0.01}, "min_confidence", false},
		"confidence above":       {recommend.Options{MinConfidence: 1.01}, "min_confidence", false},
		"confidence is no value": {recommend.Options{MinConfidence: math.NaN()}, "min_confidence", false},
		"confidence is endless":  {recommend.Options{MinConfidence: math.Inf(1)}, "min_confidence", false},
		"exclude":                {recommend.Options{Exclude: names}, "exclude", true},
		"category":               {recommend.Options{Categories: names}, "category", true},
		"build below":            {recommend.Options{BuildID: -1}, "build_id", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for question, err := range all(t, s.Recommender, "bread", c.opts) {
				invalid := new(recommend.InvalidError)
				switch {
				case question == "popular" && !c.popular:
					if err != nil {
						t.Errorf("popular: %v", err)
					}
				case !errors.As(err, &invalid) || invalid.Field != c.field || !strings.HasPrefix(invalid.Error(), c.field+" "):
					t.Errorf("%s: %v, want one about %s", question, err, c.field)
				}
			}
		})
	}
	for name, basket := range map[string][]string{"none": nil, "too many": names} {
		invalid := new(recommend.InvalidError)
		if _, err := s.Ask(t.Context(), recommend.Basket(basket, recommend.Options{})); !errors.As(err, &invalid) ||
			invalid.Field != "items" {
			t.Errorf("basket of %s: %v", name, err)
		}
	}
	invalid := new(recommend.InvalidError)
	if _, err := s.Explain(t.Context(), "bread", "bread", 0); !errors.As(err, &invalid) || invalid.Field != "other" {
		t.Errorf("explain of one item: %v", err)
	}
}

// TestBoundsAreInside asks with every field at its limits.
func TestBoundsAreInside(t *testing.T) {
	t.Parallel()
	s := bread(t)
	names := make([]string, 100)
	for i := range names {
		names[i] = "bread"
	}
	for _, opts := range []recommend.Options{
		{Limit: 1},
		{Limit: 100, Exclude: names},
		{Categories: names, Days: 365},
		{MinSupport: math.MaxInt64, MinConfidence: 1},
	} {
		for question, err := range all(t, s.Recommender, "bread", opts) {
			if err != nil {
				t.Errorf("%s with %+v: %v", question, opts, err)
			}
		}
	}
	answer, err := s.Ask(t.Context(), recommend.Basket(names, recommend.Options{}))
	if err != nil || !slices.Equal(answer.Metadata.BasketItems, names) || answer.Recommendations[0].ItemName != "butter" {
		t.Errorf("%+v, %v", answer, err)
	}
}

func TestDefaultLimits(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("order_id,item_name\n")
	for n := range 30 {
		text.WriteString("1,item " + string(rune('A'+n)) + "\n2,item " + string(rune('A'+n)) + "\n2,one\n")
	}
	pool := dbtest.New(t)
	loadText(t, pool, text.String())
	mustBuild(t, pool, builds.DefaultSettings())
	r := recommend.New(pool)
	similar, _ := r.Ask(t.Context(), recommend.Similar("one", recommend.Options{}))
	basket, _ := r.Ask(t.Context(), recommend.Basket([]string{"one"}, recommend.Options{}))
	order, _ := r.Ask(t.Context(), recommend.Order("1", recommend.Options{}))
	popular, _ := r.Ask(t.Context(), recommend.Popular(recommend.Options{}))
	got := []int{
		len(similar.Recommendations), len(basket.Recommendations), len(order.Recommendations), len(popular.Recommendations),
	}
	// The order contains all items but one.
	if want := []int{5, 10, 1, 20}; !slices.Equal(got, want) || order.Metadata.Limit != 10 {
		t.Errorf("%v answers, want %v; the order's limit is %d", got, want, order.Metadata.Limit)
	}
}

// notText are names that PostgreSQL cannot store.
var notText = []string{"\x00", "bread\x00", "\xff", "bread\xc3", "\xed\xa0\x80"}

func TestUnknown(t *testing.T) {
	t.Parallel()
	s := bread(t)
	for _, name := range append(notText, "", "Bread", "bread.", "brea", "jam\\red") {
		if _, err := s.Ask(t.Context(), recommend.Similar(name, recommend.Options{})); !errors.Is(err,
			recommend.ErrUnknownItem) {
			t.Errorf("similar to %q: %v", name, err)
		}
		if _, err := s.Explain(t.Context(), "bread", name, 0); !errors.Is(err, recommend.ErrUnknownItem) {
			t.Errorf("explain bread with %q: %v", name, err)
		}
		if _, err := s.Explain(t.Context(), name, "bread", 0); !errors.Is(err, recommend.ErrUnknownItem) {
			t.Errorf("explain %q with bread: %v", name, err)
		}
		if _, err := s.Ask(t.Context(), recommend.Order(name, recommend.Options{})); !errors.Is(err,
			recommend.ErrUnknownOrder) {
			t.Errorf("order %q: %v", name, err)
		}
		answer, err := s.Ask(t.Context(), recommend.Similar("bread",
			recommend.Options{Exclude: []string{name}, Strict: true}))
		if err != nil || !slices.Equal(items(answer), []string{"butter", "jam/red", "jam"}) {
			t.Errorf("similar to bread without %q: %q, %v", name, items(answer), err)
		}
	}
	answer, err := s.Ask(t.Context(), recommend.Similar("jam/red", recommend.Options{Strict: true}))
	if err != nil || !slices.Equal(items(answer), []string{"bread"}) || answer.Metadata.ItemName != "jam/red" {
		t.Errorf("similar to jam/red: %+v, %v", answer, err)
	}
}

// Unknown items are listed once each and do not affect the rest.
func TestBasketsOfUnknownItems(t *testing.T) {
	t.Parallel()
	s := bread(t)
	known, err := s.Ask(t.Context(), recommend.Basket([]string{"bread", "jam"}, recommend.Options{}))
	if err != nil || known.Metadata.UnknownItems != nil {
		t.Fatalf("%+v, %v", known.Metadata, err)
	}
	basket := []string{"tea", "jam", "\x00", "bread", "tea", "jam", "\xff"}
	mixed, err := s.Ask(t.Context(), recommend.Basket(basket, recommend.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(known.Recommendations, mixed.Recommendations); diff != "" {
		t.Errorf("without and with unknown items (-without +with):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"tea", "\x00", "\xff"}, mixed.Metadata.UnknownItems); diff != "" {
		t.Errorf("unknown items (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(basket, mixed.Metadata.BasketItems); diff != "" {
		t.Errorf("basket (-want +got):\n%s", diff)
	}

	none, err := s.Ask(t.Context(), recommend.Basket([]string{"tea"}, recommend.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	popular, err := s.Ask(t.Context(), recommend.Popular(recommend.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(popular.Recommendations, none.Recommendations); diff != "" {
		t.Errorf("nothing known is not popular items (-popular +basket):\n%s", diff)
	}
	if none.Metadata.FilledByPopularity != 5 {
		t.Errorf("%+v", none.Metadata)
	}
	strict, err := s.Ask(t.Context(), recommend.Basket([]string{"tea"}, recommend.Options{Strict: true}))
	if err != nil || strict.Recommendations == nil || len(strict.Recommendations) != 0 {
		t.Errorf("strict: %+v, %v: want an empty list", strict, err)
	}
}

// An order loaded after the build is answered from what the build knows about its items.
func TestOrdersAfterTheBuild(t *testing.T) {
	t.Parallel()
	s := bread(t)
	loadText(t, s.pool, "order_id,item_name\nlate/6,bread\nlate/6,tea\nonly new,tea\n")
	answer, err := s.Ask(t.Context(), recommend.Order("late/6", recommend.Options{Strict: true}))
	if err != nil || !slices.Equal(items(answer), []string{"butter", "jam/red", "jam"}) ||
		answer.Metadata.OrderID != "late/6" || !slices.Equal(answer.Metadata.UnknownItems, []string{"tea"}) {
		t.Errorf("%+v, %v", answer, err)
	}
	if _, err := s.Ask(t.Context(), recommend.Similar("tea", recommend.Options{})); !errors.Is(err,
		recommend.ErrUnknownItem) {
		t.Errorf("similar to an item that came after the build: %v", err)
	}
	filled, err := s.Ask(t.Context(), recommend.Order("only new", recommend.Options{Limit: 1}))
	if err != nil || !slices.Equal(items(filled), []string{"bread"}) ||
		filled.Recommendations[0].Source != recommend.SourcePopular {
		t.Errorf("%+v, %v", filled, err)
	}
}
