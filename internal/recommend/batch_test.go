package recommend_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/oracle"
	"github.com/alsobought/alsobought/internal/recommend"
)

// Each answer of a batch equals that of Similar, bit for bit. Unknown, repeated and invalid names do not affect the
// others.
func TestBatch(t *testing.T) {
	t.Parallel()
	for _, shape := range oracle.Shapes() {
		t.Run(shape.Name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, shape, 51, builds.DefaultSettings(), builds.DefaultSettings())
			rnd := random(51)
			names := s.names()
			s.draw(t, rnd, names)
			for n := range 12 {
				s.repeal(t)
				for range n % 3 {
					s.drawRule(t, rnd, names)
				}
				opts := s.drawn(rnd, recommend.Measures()[n%6], names)
				batched := append([]string{names[0], names[0], "nobody ever bought it", ""}, notText...)
				for range 1 + rnd.IntN(8) {
					batched = append(batched, names[rnd.IntN(len(names))])
				}
				rnd.Shuffle(len(batched), func(i, j int) { batched[i], batched[j] = batched[j], batched[i] })
				batch, err := s.AskEach(t.Context(), batched, opts)
				if err != nil || len(batch.Answers) != len(batched) || batch.Metadata.TotalAnswers != len(batched) {
					t.Fatalf("%d answers to %d, %+v, %v", len(batch.Answers), len(batched), batch.Metadata, err)
				}
				var unknown []string
				for i, item := range batched {
					want, err := s.Ask(t.Context(), recommend.Similar(item, opts))
					got := batch.Answers[i]
					if errors.Is(err, recommend.ErrUnknownItem) {
						unknown = append(unknown, item)
						if m := got.Metadata; len(got.Recommendations) > 0 || !slices.Equal(m.UnknownItems, []string{item}) ||
							m.ItemName != item {
							t.Fatalf("%q is unknown: %+v", item, got)
						}
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Fatalf("%q with %+v (-similar +batch):\n%s", item, opts, diff)
					}
				}
				if m := batch.Metadata; !slices.Equal(m.UnknownItems, unknown) || m.BuildID != s.of(opts.BuildID).built.BuildID {
					t.Fatalf("%+v, want unknown %q", m, unknown)
				}
			}
		})
	}
}

func TestBatchInvalid(t *testing.T) {
	t.Parallel()
	s := bread(t)
	many := slices.Repeat([]string{"bread"}, recommend.MaxBatch+1)
	for name, c := range map[string]struct {
		items []string
		opts  recommend.Options
		field string
	}{
		"none":     {nil, recommend.Options{}, "items"},
		"too many": {many, recommend.Options{}, "items"},
		"limit":    {many[:1], recommend.Options{Limit: 101}, "limit"},
		"measure":  {many[:1], recommend.Options{Measure: "pmi"}, "measure"},
	} {
		invalid := new(recommend.InvalidError)
		if _, err := s.AskEach(t.Context(), c.items, c.opts); !errors.As(err, &invalid) || invalid.Field != c.field {
			t.Errorf("%s: %v, want one about %s", name, err, c.field)
		}
	}
	batch, err := s.AskEach(t.Context(), many[1:], recommend.Options{})
	if err != nil || len(batch.Answers) != recommend.MaxBatch ||
		!slices.Equal(items(batch.Answers[999]), []string{"butter", "jam/red", "jam", "milk"}) {
		t.Errorf("%d answers, %v", len(batch.Answers), err)
	}
}
