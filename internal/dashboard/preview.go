package dashboard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/recommend"
	"github.com/alsobought/alsobought/internal/rules"
)

const (
	previewed     = 1000            // items that a preview asks about
	previewTime   = 6 * time.Second // at most, for both
	previewStep   = 25              // items a statement
	previewShown  = 10
	previewPlaces = places
)

// preview is what a rule would change.
type preview struct {
	Compared int   // items, from the most popular on
	Items    int64 // of the build
	Cut      bool  // there was no time for more
	Changed  int
	First    []changedAnswer
	Unknown  []string // names of the rule that no item has
	Seconds  float64
}

// changedAnswer is that about one item.
type changedAnswer struct {
	Item          string
	Before, After []placed
}

// placed is an item of an answer.
type placed struct {
	Name   string
	Source string
	Other  bool // the other answer does not have it
}

// preview asks about the most popular items, adds the rule, asks again, and takes the rule back: all by what answers
// questions, in a transaction that nobody else sees. Others who change rules wait for it meanwhile, so its time is
// bounded; the first half of it is for the answers before.
func (d *Dashboard) preview(ctx context.Context, draft rules.Draft) (*preview, error) {
	began := time.Now()
	build, err := d.queries.BuildActive(ctx)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, recommend.ErrNoBuild
	}
	if err != nil {
		return nil, fmt.Errorf("find active build: %w", err)
	}
	names, err := d.queries.ItemSpreadList(ctx, build.BuildID, 1, previewed)
	if err != nil {
		return nil, fmt.Errorf("list items: %w", err)
	}
	opts := recommend.Options{Limit: previewPlaces} // of the active build, which is the quickest to ask
	before, err := askUntil(ctx, d.recommender, names, build.BuildID, opts, began.Add(previewTime/2))
	if err != nil {
		return nil, err
	}
	p := &preview{Items: build.Items}
	var after []recommend.Answer
	draft.ValidFrom = nil // what it changes when it is in force
	if draft.ValidUntil != nil && !draft.ValidUntil.After(time.Now()) {
		draft.ValidUntil = nil
	}
	errDone := errors.New("previewed")
	err = pgx.BeginFunc(ctx, d.Pool, func(tx pgx.Tx) error {
		added, err := rules.Add(ctx, tx, draft)
		if err != nil {
			return err
		}
		p.Unknown = added.UnknownItems
		after, err = askUntil(ctx, recommend.New(tx), names[:len(before)], build.BuildID, opts, began.Add(previewTime))
		if err != nil {
			return err
		}
		return errDone
	})
	if !errors.Is(err, errDone) {
		return nil, err
	}
	p.Compared, p.Cut = len(after), len(after) < len(names)
	for i := range after {
		p.compare(names[i], before[i].Recommendations, after[i].Recommendations)
	}
	p.Seconds = time.Since(began).Seconds()
	return p, nil
}

// askUntil asks about the items, a few at a time, until there is no time for more. All answers are of the build.
func askUntil(
	ctx context.Context, r *recommend.Recommender, names []string, buildID int64, opts recommend.Options, until time.Time,
) (answers []recommend.Answer, err error) {
	for part := range slices.Chunk(names, previewStep) {
		if len(answers) > 0 && time.Now().After(until) {
			break
		}
		batch, err := r.AskEach(ctx, part, opts)
		if err != nil {
			return nil, err
		}
		if batch.Metadata.BuildID != buildID {
			return nil, invalid{"Another build became active meanwhile: preview the rule again."}
		}
		answers = append(answers, batch.Answers...)
	}
	return answers, nil
}

func (p *preview) compare(item string, before, after []recommend.Recommendation) {
	same := slices.EqualFunc(before, after, func(a, b recommend.Recommendation) bool {
		return a.ItemName == b.ItemName && a.Source == b.Source
	})
	if same {
		return
	}
	p.Changed++
	if len(p.First) < previewShown {
		p.First = append(p.First, changedAnswer{item, placesOf(before, after), placesOf(after, before)})
	}
}

func placesOf(list, other []recommend.Recommendation) []placed {
	places := make([]placed, 0, len(list))
	for _, r := range list {
		known := slices.ContainsFunc(other, func(o recommend.Recommendation) bool { return o.ItemName == r.ItemName })
		places = append(places, placed{r.ItemName, r.Source, !known})
	}
	return places
}
