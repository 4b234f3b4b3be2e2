package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/evaluate"
)

// guard validates the flags of the guard.
func (c *buildCommand) guard(term *terminal) (evaluate.Guard, error) {
	g := evaluate.Guard{
		Margin: evaluate.DefaultMargin,
		Evaluate: func(ctx context.Context, pool *pgxpool.Pool, opts evaluate.Options) (evaluate.Report, error) {
			return runEvaluation(ctx, term, pool, opts, c.JSON)
		},
	}
	set(&g.Margin, c.Margin)
	switch {
	case !c.Guard && c.Margin != nil:
		return g, usageError{errors.New("--margin requires --guard")}
	case !(g.Margin >= 0 && g.Margin <= 1):
		return g, usageError{fmt.Errorf("--margin is %v: choose 0 to 1", g.Margin)}
	}
	return g, nil
}
