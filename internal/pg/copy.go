package pg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Copy streams rows into a table with COPY and returns the number copied. An error of rows takes precedence over the
// COPY error it causes, and ctx's error over pgx's error about the connection that it then closes.
func Copy(ctx context.Context, tx pgx.Tx, table string, columns []string, rows pgx.CopyFromSource) (int64, error) {
	copied, err := tx.CopyFrom(ctx, pgx.Identifier{table}, columns, rows)
	switch {
	case rows.Err() != nil:
		return 0, rows.Err()
	case err != nil && ctx.Err() != nil:
		err = ctx.Err()
	}
	if err != nil {
		return 0, fmt.Errorf("copy rows: %w", err)
	}
	return copied, nil
}
