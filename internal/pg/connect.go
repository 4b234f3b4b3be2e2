package pg

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// tooManyConnections is the SQLSTATE of a server that is out of connections.
const tooManyConnections = "53300"

// Pool is pgxpool's, aliased for packages that only pass it on and must not import the driver.
type Pool = pgxpool.Pool

// Tx is pgx's, aliased for the same reason.
type Tx = pgx.Tx

// Connect opens a connection outside the pool, for queries that must not wait for a free one.
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

// IsFull reports whether err means that the server, or a pooler in front of it, is up but out of connections.
func IsFull(err error) bool {
	server := new(pgconn.PgError)
	return errors.As(err, &server) && (server.Code == tooManyConnections || isPoolerFull(server))
}
