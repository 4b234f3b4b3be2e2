package rules

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
)

// State is where a rule stands in its life.
type State string

// The states. A rule that was ended before it began has ended.
const (
	InForce State = "in_force"
	ToCome  State = "to_come"
	Ended   State = "ended"
)

// State is where the rule stands at a moment.
func (r *Rule) State(now time.Time) State {
	switch {
	case r.ValidUntil != nil && (!r.ValidUntil.After(now) || !r.ValidUntil.After(r.ValidFrom)):
		return Ended
	case r.ValidFrom.After(now):
		return ToCome
	}
	return InForce
}

// Counts is how many rules there are of each state.
type Counts = db.RuleCountByStateRow

// Count counts the rules that name an item like about; "" is all.
func Count(ctx context.Context, database db.DBTX, about string) (Counts, error) {
	counts, err := pg.Retried(ctx, database,
		func() (Counts, error) { return db.New(database).RuleCountByState(ctx, about) })
	if err != nil {
		return Counts{}, fmt.Errorf("count rules: %w", err)
	}
	return counts, nil
}

// ListByState returns at most limit rules of a state ("" is any) that name an item like about ("" is any), newest
// first, those before a rule; 0 is all.
func ListByState(
	ctx context.Context, database db.DBTX, state State, about string, before int64, limit int32,
) ([]Rule, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	rows, err := pg.Retried(ctx, database, func() ([]db.Rule, error) {
		return db.New(database).RuleListByState(ctx, db.RuleListByStateParams{
			State: string(state), About: about, Before: before, Lim: limit,
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", err)
	}
	list := make([]Rule, 0, len(rows))
	for _, r := range rows {
		list = append(list, ruleOf(r))
	}
	return list, nil
}

// Get returns a rule.
//
// Errors: ErrNotFound; database errors.
func Get(ctx context.Context, database db.DBTX, ruleID int64) (Rule, error) {
	row, err := pg.Retried(ctx, database, func() (db.Rule, error) { return db.New(database).RuleGet(ctx, ruleID) })
	if errors.Is(err, pgx.ErrNoRows) {
		return Rule{}, fmt.Errorf("rule %d %w", ruleID, ErrNotFound)
	}
	if err != nil {
		return Rule{}, fmt.Errorf("find rule %d: %w", ruleID, err)
	}
	return ruleOf(row), nil
}
