package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Chosen is a Database that forwards each call to the one the function returns at that moment.
type Chosen func() Database

// Exec forwards to the chosen database.
func (c Chosen) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return c().Exec(ctx, sql, args...)
}

// Query forwards to the chosen database.
func (c Chosen) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return c().Query(ctx, sql, args...)
}

// QueryRow forwards to the chosen database.
func (c Chosen) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return c().QueryRow(ctx, sql, args...)
}

// Reset resets the chosen database's connections.
func (c Chosen) Reset() { c().Reset() }
