// Package recommend answers what is popular, what is bought together with an item, a basket or an order, and why.
//
// A Question is answered by one statement, the SQL function answer(), which the command line, the API and the reporting
// schema share. It finds the build and the items, ranks, applies rules and adds the evidence in one snapshot of the
// database, so every answer comes from exactly one build. This package validates questions and shapes answers. It never
// ranks, and knows nothing of HTTP.
package recommend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
)

// Errors about unknown things. Each is wrapped with the name in question.
var (
	ErrNoBuild      = errors.New("there is no active build yet: load orders first (alsobought load FILE)")
	ErrUnknownItem  = errors.New("unknown item")
	ErrUnknownOrder = errors.New("unknown order")
	ErrUnknownBuild = errors.New("unknown build")
)

// Recommender answers questions from one database.
type Recommender struct {
	database db.DBTX
	queries  *db.Queries
	active   atomic.Pointer[version] // of the last answer
}

// New returns a Recommender on a pool or a connection.
func New(database db.DBTX) *Recommender {
	return &Recommender{database: database, queries: db.New(database)}
}

// Ask answers a question. An invalid question is an InvalidError. An unknown item of Similar is ErrUnknownItem and an
// unknown order of Order ErrUnknownOrder. Unknown items of a basket are listed in the metadata; if all are unknown, the
// answer is popular items.
func (r *Recommender) Ask(ctx context.Context, q Question) (Answer, error) {
	q, err := q.normal()
	if err != nil {
		return Answer{}, err
	}
	found, err := r.list(ctx, q.BuildID, []Question{q})
	if err != nil {
		return Answer{}, err
	}
	return finish(q, found[0])
}

// finish turns what was found into an answer, or the error of an unknown build, item or order.
func finish(q Question, f found) (Answer, error) {
	if f.version == nil {
		return Answer{}, noBuild(q.BuildID)
	}
	if err := q.unknown(f); err != nil {
		return Answer{}, err
	}
	return newAnswer(q, f), nil
}

// AskEach answers a Similar question about each of 1 to MaxBatch items, from the same build. An unknown item is not an
// error: its answer is empty and says so.
func (r *Recommender) AskEach(ctx context.Context, items []string, opts Options) (Batch, error) {
	if len(items) < 1 || len(items) > MaxBatch {
		return Batch{}, &InvalidError{"items", fmt.Sprintf("has %d names: choose 1 to %d", len(items), MaxBatch)}
	}
	questions := make([]Question, len(items))
	for i, item := range items {
		q, err := Similar(item, opts).normal()
		if err != nil {
			return Batch{}, err
		}
		questions[i] = q
	}
	found, err := r.list(ctx, opts.BuildID, questions)
	if err != nil {
		return Batch{}, err
	}
	if found[0].version == nil {
		return Batch{}, noBuild(opts.BuildID)
	}
	b := Batch{
		Answers:  make([]Answer, len(items)),
		Metadata: BatchMetadata{TotalAnswers: len(items), BuildID: found[0].version.buildID},
	}
	for i, q := range questions {
		b.Answers[i] = newAnswer(q, found[i])
		b.Metadata.UnknownItems = append(b.Metadata.UnknownItems, b.Answers[i].Metadata.UnknownItems...)
	}
	return b, nil
}

// Warm asks questions of each kind on conn, so that their statements are planned before the first request.
func Warm(ctx context.Context, conn *pgx.Conn) error {
	r := New(conn)
	popular, err := r.Ask(ctx, Popular(Options{Limit: 2}))
	if errors.Is(err, ErrNoBuild) {
		return nil
	}
	for _, item := range popular.Recommendations {
		if err == nil {
			_, err = r.Ask(ctx, Similar(item.ItemName, Options{Limit: MaxLimit}))
		}
		if err == nil {
			_, err = r.Ask(ctx, Basket([]string{item.ItemName}, Options{Limit: MaxLimit}))
		}
	}
	return err
}

// Explain returns the counts and all measures of a pair of items in a build; id 0 is the active one. An unknown item is
// ErrUnknownItem. If the two were never bought together, the counts of the pair are 0.
func (r *Recommender) Explain(ctx context.Context, item, other string, buildID int64) (Explanation, error) {
	if text(item) == text(other) {
		return Explanation{}, &InvalidError{"other", "is the item itself: name another one"}
	}
	p, err := pg.Retried(ctx, r.database, func() (db.PairExplainRow, error) {
		return r.queries.PairExplain(ctx, text(item), text(other), buildID)
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Explanation{}, noBuild(buildID)
	case err != nil:
		return Explanation{}, fmt.Errorf("explain: %w", err)
	case !p.ItemKnown:
		return Explanation{}, unknownItem(item, p.BuildID)
	case !p.OtherKnown:
		return Explanation{}, unknownItem(other, p.BuildID)
	}
	e := newExplanation(item, other, p)
	if err := json.Unmarshal(p.NewestOrders, &e.NewestOrders); err != nil {
		return Explanation{}, fmt.Errorf("newest orders: %w", err)
	}
	for _, o := range e.NewestOrders {
		if o.OrderedAt != nil {
			*o.OrderedAt = o.OrderedAt.UTC()
		}
	}
	return e, nil
}

// noBuild returns the error of a missing build; id 0 is the active one.
func noBuild(id int64) error {
	if id == 0 {
		return ErrNoBuild
	}
	return fmt.Errorf("%w: %d is not kept; see alsobought builds list", ErrUnknownBuild, id)
}

func unknownItem(name string, buildID int64) error {
	return fmt.Errorf("%w: %q is in no order of build %d", ErrUnknownItem, name, buildID)
}
