// Package recommend answers the questions: what is popular, what goes with an item, with a basket, with an order, and why.
//
// A Question is one value and its answer one statement: the SQL function answer(), which the command line, the API and the reporting schema
// share. It finds the build and the names, ranks, applies rules and adds the evidence, all in one snapshot of the database, so that an
// answer is of exactly one build. The package checks questions and shapes answers. It never ranks, and knows nothing of HTTP.
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

// What can be unknown. Each is wrapped with the name that was asked for.
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
	active   atomic.Pointer[version] // as the last answer had it
}

// New returns a Recommender that asks database, a pool or a connection.
func New(database db.DBTX) *Recommender {
	return &Recommender{database: database, queries: db.New(database)}
}

// Ask answers a question. A wrong one is an InvalidError. An item of Similar or an order of Order that is not known is ErrUnknownItem or
// ErrUnknownOrder; of a basket, unknown items are listed in the metadata, and when all of them are, popular items answer.
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

// finish is the answer to one question.
func finish(q Question, f found) (Answer, error) {
	if f.version == nil {
		return Answer{}, noBuild(q.BuildID)
	}
	if err := q.unknown(f); err != nil {
		return Answer{}, err
	}
	return newAnswer(q, f), nil
}

// AskEach answers a question of Similar about each of 1 to MaxBatch items, by one statement and so from one build. An item that is unknown
// is no error here: its answer is empty and says so.
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

// Warm asks questions of each kind through conn, so that their statements are planned before somebody waits for them.
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

// Explain returns the counts and every measure behind two items, by the build of the id, 0 being the active one. Either unknown is
// ErrUnknownItem; two that never met are all zeros.
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

// noBuild says that the build of the id is not there, or for 0 that none is active.
func noBuild(id int64) error {
	if id == 0 {
		return ErrNoBuild
	}
	return fmt.Errorf("%w: %d is not kept, see alsobought builds list", ErrUnknownBuild, id)
}

func unknownItem(name string, buildID int64) error {
	return fmt.Errorf("%w: %q is in no order of build %d", ErrUnknownItem, name, buildID)
}
