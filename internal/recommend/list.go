package recommend

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
)

// version identifies the data that answers depend on: equal texts mean equal answers. The other fields follow from
// text.
type version struct {
	text       string
	plain      bool // no rules or inactive items remove anything
	buildID    int64
	builtAt    time.Time
	windowDays int
	dated      bool // at least one order of the build has a time
}

// found is the database's answer to a question.
type found struct {
	version         *version // nil: no such build
	known           int64    // number of known items asked about; -1: unknown order
	unknown         []string
	rules           []int64
	inactiveLeftOut int
	recommendations []Recommendation
}

// list answers all questions from the same build.
func (r *Recommender) list(ctx context.Context, buildID int64, questions []Question) ([]found, error) {
	return pg.Retried(ctx, r.database, func() ([]found, error) { return r.listOnce(ctx, buildID, questions) })
}

// listOnce is list without the retry.
//
// Questions that the stored neighbors may answer go first, in a statement that returns rows only if the version is
// still that of the last answer. So the build id is a parameter, and partitions are pruned before execution. AnswerList
// answers the rest.
func (r *Recommender) listOnce(ctx context.Context, buildID int64, questions []Question) ([]found, error) {
	list := make([]found, len(questions))
	v := r.active.Load()
	if buildID == 0 && v != nil && v.plain {
		if err := r.listKept(ctx, v, questions, list); err != nil {
			return nil, fmt.Errorf("recommend: %w", err)
		}
	}
	var rest []Question
	var places []int
	for i, q := range questions {
		if list[i].version == nil {
			rest, places = append(rest, q), append(places, i)
		}
	}
	if len(rest) == 0 {
		return list, nil
	}
	others, err := r.listAny(ctx, buildID, rest[0].WithoutRules, rest)
	if err != nil {
		return nil, fmt.Errorf("recommend: %w", err)
	}
	if o := others[0].version; len(rest) < len(questions) && (o == nil || o.text != v.text) {
		return r.listOnce(ctx, buildID, questions) // the active build changed between the statements
	}
	for i, place := range places {
		list[place] = others[i]
	}
	return list, nil
}

// listKept answers from the stored neighbors where they suffice.
func (r *Recommender) listKept(ctx context.Context, v *version, questions []Question, list []found) error {
	var similar, baskets []int
	for i, q := range questions {
		if q.Kind == KindSimilar && q.byDefault() {
			similar = append(similar, i)
		} else if q.Kind == KindBasket && q.byDefault() {
			baskets = append(baskets, i)
		}
	}
	if len(similar) > 0 {
		if err := r.listKeptSimilar(ctx, v, questions, similar, list); err != nil {
			return err
		}
	}
	if len(baskets) > 0 {
		if err := r.listKeptBaskets(ctx, v, questions, baskets, list); err != nil {
			return err
		}
	}
	for i, f := range list {
		if len(f.recommendations) < questions[i].Limit {
			list[i] = found{}
		}
	}
	return nil
}

func (r *Recommender) listKeptSimilar(
	ctx context.Context, v *version, questions []Question, places []int, list []found,
) error {
	params := db.KeptSimilarListParams{Version: v.text, BuildID: v.buildID}
	for _, place := range places {
		q := questions[place]
		params.Items, params.Lims = append(params.Items, text(q.Items[0])), append(params.Lims, int64(q.Limit))
	}
	rows, err := r.queries.KeptSimilarList(ctx, params)
	for _, row := range rows {
		list[places[row.Position-1]].add(v, row)
	}
	return err
}

func (r *Recommender) listKeptBaskets(
	ctx context.Context, v *version, questions []Question, places []int, list []found,
) error {
	params := db.KeptBasketListParams{Version: v.text, BuildID: v.buildID}
	for _, place := range places {
		q := questions[place]
		params.Firsts = append(params.Firsts, int32(len(params.Items)+1))
		params.Items = append(params.Items, texts(q.Items)...)
		params.Lasts = append(params.Lasts, int32(len(params.Items)))
		params.Lims = append(params.Lims, int64(q.Limit))
	}
	rows, err := r.queries.KeptBasketList(ctx, params)
	for _, row := range rows {
		list[places[row.Position-1]].add(v, db.KeptSimilarListRow(row))
	}
	return err
}

// add appends a recommendation from the stored neighbors.
func (f *found) add(v *version, row db.KeptSimilarListRow) {
	f.version, f.known = v, 1
	f.recommendations = append(f.recommendations, Recommendation{
		ItemName:        row.ItemName,
		SimilarityScore: row.Score,
		Reason:          row.Reason,
		PopularityRank:  row.PopularityRank,
		OrdersTogether:  row.OrdersTogether,
		Confidence:      row.Confidence,
		Lift:            row.Lift,
		Source:          SourcePair,
		Attributes:      newAttributes(row.Category, row.Label, row.URL, row.ImageURL, row.Price),
	})
}

// listAny answers any questions, all of them with rules or all without.
func (r *Recommender) listAny(
	ctx context.Context, buildID int64, withoutRules bool, questions []Question,
) ([]found, error) {
	values := make([]sqlQuestion, len(questions))
	for i, q := range questions {
		values[i] = q.sql()
	}
	text, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("encode questions: %w", err)
	}
	rows, err := r.queries.AnswerList(ctx, buildID, text, withoutRules)
	if err != nil {
		return nil, err
	}
	list := make([]found, len(questions))
	for _, row := range rows {
		f := &list[row.Position-1]
		if f.version == nil {
			*f = newFound(row)
		}
		if row.Place > 0 {
			f.recommendations = append(f.recommendations, newRecommendation(row))
		}
	}
	if buildID == 0 {
		r.active.Store(list[0].version)
	}
	return list, nil
}

func newFound(row db.AnswerListRow) found {
	return found{
		version: &version{
			text: row.Version, plain: row.Plain, buildID: row.BuildID, builtAt: row.BuiltAt.UTC(),
			windowDays: int(row.WindowDays), dated: row.Dated,
		},
		known:           row.Known,
		unknown:         row.Unknown,
		rules:           row.Rules,
		inactiveLeftOut: int(row.InactiveLeftOut),
		recommendations: []Recommendation{},
	}
}

func newRecommendation(row db.AnswerListRow) Recommendation {
	return Recommendation{
		ItemName:        row.ItemName,
		SimilarityScore: row.Score,
		Reason:          row.Reason,
		PopularityRank:  row.PopularityRank,
		OrdersTogether:  row.OrdersTogether,
		Confidence:      row.Confidence,
		Lift:            row.Lift,
		Source:          row.Source,
		Attributes:      newAttributes(row.Category, row.Label, row.URL, row.ImageURL, row.Price),
	}
}

func newAttributes(category, label, url, imageURL string, price float64) Attributes {
	a := Attributes{Category: category, Label: label, URL: url, ImageURL: imageURL}
	if price >= 0 {
		a.Price = &price
	}
	return a
}
