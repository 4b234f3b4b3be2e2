package pg

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Chosen asks, each time, the database that it returns then.
type Chosen func() Database

// Exec is that database's.
func (c Chosen) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return c().Exec(ctx, sql, args...)
}

// Query is that database's.
func (c Chosen) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return c().Query(ctx, sql, args...)
}

// QueryRow is that database's.
func (c Chosen) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return c().QueryRow(ctx, sql, args...)
}

// Reset is that database's.
func (c Chosen) Reset() { c().Reset() }
