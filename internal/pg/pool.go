// Package pg is what every other package shares of PostgreSQL: the pool, the migrations, advisory locks, and errors told apart by
// SQLSTATE. It knows no orders and no builds.
package pg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// MinimumServer is the oldest server version that works: 14 brought DETACH PARTITION CONCURRENTLY.
const MinimumServer = 140000

// Open connects to the database of url (a libpq URL or key=value string) and checks that the server is new enough. The pool has at most
// conns connections; 0 leaves that to the URL. Errors never show the password.
func Open(ctx context.Context, url string, conns int32) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL cannot be read: %w", err)
	}
	if conns > 0 {
		cfg.MaxConns = conns
	}
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "alsobought"
	}
	// A question takes less than a millisecond, planning it anew takes ten, compiling a plan that looks dear hundreds.
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SET jit = off; SET plan_cache_mode = force_generic_plan")
		return err
	}
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = 10 * time.Second
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	if err := checkServer(ctx, pool); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// Warmed returns a pool like the given one whose connections are all made, and warmed, before they are used: the first statement of a
// session is planned, which takes several times as long as to run it.
func Warmed(ctx context.Context, pool *pgxpool.Pool, warm func(context.Context, *pgx.Conn) error) (*pgxpool.Pool, error) {
	cfg := pool.Config()
	cfg.MinConns = cfg.MaxConns
	connected := cfg.AfterConnect
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if err := connected(ctx, conn); err != nil {
			return err
		}
		return warm(ctx, conn)
	}
	warmed, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	held := make([]*pgxpool.Conn, 0, cfg.MaxConns)
	for range cfg.MaxConns {
		conn, acquireErr := warmed.Acquire(ctx)
		if acquireErr != nil {
			err = fmt.Errorf("connect to PostgreSQL: %w", acquireErr)
			break
		}
		held = append(held, conn)
	}
	for _, conn := range held {
		conn.Release()
	}
	if err != nil {
		warmed.Close()
		return nil, err
	}
	return warmed, nil
}

func checkServer(ctx context.Context, pool *pgxpool.Pool) error {
	var number int
	var version, encoding string
	err := pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_setting('server_encoding')").
		Scan(&number, &version, &encoding)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	if number < MinimumServer {
		return fmt.Errorf("PostgreSQL %s is too old: alsobought needs %d or newer", version, MinimumServer/10000)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database's encoding is %s, which cannot hold every name: make one with ENCODING 'UTF8' TEMPLATE template0", encoding)
	}
	return nil
}

// InTx runs do in a transaction of conn and commits it; an error of do, or of the commit, rolls everything back.
func InTx(ctx context.Context, conn *pgx.Conn, options pgx.TxOptions, do func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, conn, options, do)
}

// Reserve takes a connection out of the pool for as long as do runs, for work that holds session locks. The session ends with it, so that
// no lock can outlive the work.
func Reserve(ctx context.Context, pool *pgxpool.Pool, do func(*pgx.Conn) error) error {
	pooled, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	conn := pooled.Hijack()
	err = do(conn)
	closeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if !conn.IsClosed() {
		// A closed session goes on for a moment, with its locks. If this fails, they go with the session.
		_, _ = conn.Exec(closeCtx, "SELECT pg_advisory_unlock_all()")
	}
	return errors.Join(err, conn.Close(closeCtx))
}
