package pg

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// tooManyConnections is the SQLSTATE of a server that answers, but has no place left.
const tooManyConnections = "53300"

// Pool is pgxpool's, named here for packages that pass it on and know no driver.
type Pool = pgxpool.Pool

// Tx is pgx's, likewise.
type Tx = pgx.Tx

// Connect opens a connection to the pool's database beside the pool, for a question that must not wait until the pool has a place.
func Connect(ctx context.Context, pool Database) (*pgx.Conn, error) {
	return connectConfig(ctx, pool.Config())
}

func connectConfig(ctx context.Context, cfg *pgxpool.Config) (*pgx.Conn, error) {
	if cfg.BeforeConnect != nil {
		if err := cfg.BeforeConnect(ctx, cfg.ConnConfig); err != nil {
			return nil, err
		}
	}
	conn, err := pgx.ConnectConfig(ctx, cfg.ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	return conn, nil
}

// IsFull reports whether err says that the server, or a pooler before it, runs but takes no further connection.
func IsFull(err error) bool {
	server := new(pgconn.PgError)
	return errors.As(err, &server) && (server.Code == tooManyConnections || isPoolerFull(server))
}
