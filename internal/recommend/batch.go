package recommend

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
)

// Batch is the answer to many questions about one item each.
type Batch struct {
	Answers  []Answer      `json:"answers" doc:"one for each item, in the order asked: what similar-items answers; an unknown item has no recommendations"`
	Metadata BatchMetadata `json:"metadata"`
}

// BatchMetadata says what was asked and what answered.
type BatchMetadata struct {
	TotalAnswers int      `json:"total_answers"`
	BuildID      int64    `json:"build_id"`
	UnknownItems []string `json:"unknown_items,omitempty" doc:"asked about, but not in any order of the build"`
}

// SimilarBatch answers what Similar does for each of 1 to MaxBatch items, all by one statement and from one build. An item that is unknown is no
// error here: its answer is empty and says so.
func (r *Recommender) SimilarBatch(ctx context.Context, items []string, opts Options) (Batch, error) {
	opts = opts.aboutItems(SimilarLimit)
	if err := opts.validate(); err != nil {
		return Batch{}, err
	}
	if len(items) < 1 || len(items) > MaxBatch {
		return Batch{}, &InvalidError{"items", fmt.Sprintf("has %d names: choose 1 to %d", len(items), MaxBatch)}
	}
	rows, err := db.New(planned{r.database}).RecommendPerItem(ctx, db.RecommendPerItemParams{
		Names:         orNothing(items),
		BuildID:       opts.BuildID,
		Measure:       string(opts.Measure),
		MinSupport:    opts.MinSupport,
		MinConfidence: opts.MinConfidence,
		Exclude:       texts(opts.Exclude),
		Categories:    orNothing(opts.Categories),
		Fill:          !opts.Strict,
		Lim:           int64(opts.Limit),
	})
	if err != nil {
		return Batch{}, fmt.Errorf("recommend: %w", err)
	}
	if len(rows) == 0 {
		return Batch{}, noBuild(opts.BuildID)
	}
	return newBatch(items, rows, opts)
}

func newBatch(items []string, rows []db.RecommendPerItemRow, opts Options) (Batch, error) {
	build := db.Build{BuildID: rows[0].BuildID, BuiltAt: rows[0].BuiltAt, WindowDays: rows[0].WindowDays}
	perItem := make([][]db.RecommendRow, len(items))
	known := make([]bool, len(items))
	for _, row := range rows {
		i := row.Position - 1
		known[i] = row.Known
		if row.Known {
			perItem[i] = append(perItem[i], db.RecommendRow{
				Place: row.Place, ItemName: row.ItemName, Score: row.Score, Reason: row.Reason, Source: row.Source,
				PopularityRank: row.PopularityRank, OrdersTogether: row.OrdersTogether, Confidence: row.Confidence, Lift: row.Lift,
				Rules: row.Rules, LeftOut: row.LeftOut, Attributes: row.Attributes,
			})
		}
	}
	batch := Batch{Answers: make([]Answer, 0, len(items)), Metadata: BatchMetadata{TotalAnswers: len(items), BuildID: build.BuildID}}
	for i, name := range items {
		answer, err := newAnswer(perItem[i], build, opts)
		if err != nil {
			return Batch{}, err
		}
		answer.Metadata.ItemName = name
		if !known[i] {
			answer.Metadata.UnknownItems = []string{name}
			batch.Metadata.UnknownItems = append(batch.Metadata.UnknownItems, name)
		}
		batch.Answers = append(batch.Answers, answer)
	}
	return batch, nil
}

// planned has every statement planned when it is asked, for statements that find their build themselves: see perBuild. What that takes does not
// matter beside a thousand answers.
type planned struct{ db.DBTX }

// Query is DBTX's.
func (p planned) Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error) {
	return p.DBTX.Query(ctx, sql, slices.Insert(arguments, 0, any(pgx.QueryExecModeExec))...)
}
