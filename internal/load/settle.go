package load

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
)

// step is one of several statements, and its description for errors.
type step struct {
	what string
	do   func(context.Context) (int64, error)
}

func runSteps(ctx context.Context, steps ...step) error {
	for _, s := range steps {
		if _, err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
	}
	return nil
}

// applyReturns applies the returns of the merged load and settles the known lines with returns that it contains. A load
// that has no returns and touches none costs nothing here.
func applyReturns(ctx context.Context, tx pgx.Tx, s *stage, m *merged) error {
	if s.returns == 0 && m.disputedLines == 0 {
		return nil
	}
	q := db.New(tx)
	of := func(statement func(context.Context, int64) (int64, error)) func(context.Context) (int64, error) {
		return func(ctx context.Context) (int64, error) { return statement(ctx, s.loadID) }
	}
	err := runSteps(ctx,
		step{"merge returns", of(q.StagedReturnMerge)},
		step{"find lines with returns", of(q.StagedReturnUnsettle)})
	if err != nil {
		return err
	}
	back, err := settleLines(ctx, tx, q)
	if err != nil {
		return err
	}
	m.knownLines += m.disputedLines - back
	m.lines += back
	return runSteps(ctx, step{"settle orders", q.SettledOrderUpdate})
}

// settleLines updates order_lines to what is left of the unsettled lines after returns, and returns how many lines it
// inserted.
func settleLines(ctx context.Context, tx pgx.Tx, q *db.Queries) (back int64, err error) {
	if _, err := tx.Exec(ctx, "ANALYZE unsettled_lines"); err != nil {
		return 0, fmt.Errorf("analyze unsettled lines: %w", err)
	}
	err = runSteps(ctx, step{"delete returned lines", q.SettledLineDelete}, step{"settle lines", q.SettledLineUpdate})
	if err != nil {
		return 0, err
	}
	if back, err = q.SettledLineInsert(ctx); err != nil {
		return 0, fmt.Errorf("restore lines: %w", err)
	}
	return back, nil
}
