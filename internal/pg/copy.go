package pg

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Copy streams rows into a table by COPY and returns how many arrived. Of several errors it returns the one that says most: what is wrong with
// the rows, before that COPY was abandoned for it; that ctx has ended, before what pgx says of the connection that it closed for that.
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
