// Package pg is the shared PostgreSQL layer: connection pools, migrations, advisory locks, and the classification of
// errors by SQLSTATE. It knows nothing of orders and builds.
package pg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// MinimumServer is the oldest supported server version: 14 introduced DETACH PARTITION CONCURRENTLY.
const MinimumServer = 140000

// ErrURL means that the URL of a database cannot be parsed.
var ErrURL = errors.New("invalid database URL")

// Option changes how Open connects.
type Option func(*pgxpool.Config) error

// PasswordFile reads the password from a file, which overrides the URL's. It reads the file for each new connection,
// because the password may be rotated.
func PasswordFile(path string) Option {
	read := func(cfg *pgx.ConnConfig) error {
		content, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read the password of the database: %w", err)
		}
		password := strings.TrimRight(string(content), "\r\n")
		if password == "" || strings.ContainsAny(password, "\r\n\x00") {
			return fmt.Errorf("read the password of the database: %s must contain one line: the password", path)
		}
		cfg.Password = password
		return nil
	}
	return func(cfg *pgxpool.Config) error {
		cfg.BeforeConnect = func(_ context.Context, conn *pgx.ConnConfig) error { return read(conn) }
		return read(cfg.ConnConfig)
	}
}

// Open connects to the database of url (a libpq URL or key=value string) and checks the server version. The pool has at
// most conns connections; 0 leaves that to the URL. Errors never contain the password.
func Open(ctx context.Context, url string, conns int32, options ...Option) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	for _, option := range options {
		if err := option(cfg); err != nil {
			return nil, err
		}
	}
	if conns > 0 {
		cfg.MaxConns = conns
	}
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "alsobought"
	}
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = 10 * time.Second
	}
	conn, err := adapt(ctx, cfg)
	if err != nil {
		return nil, err
	}
	err = checkServer(ctx, conn)
	if closeErr := conn.Close(ctx); err != nil || closeErr != nil {
		return nil, cmp.Or(err, closeErr)
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	return pool, nil
}

// Beside returns another pool for the same database, with at most conns connections.
func Beside(ctx context.Context, pool *pgxpool.Pool, conns int32) (*pgxpool.Pool, error) {
	cfg := pool.Config()
	cfg.MaxConns, cfg.MinConns = conns, 0
	beside, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	return beside, nil
}

// Traced returns another pool for the same database whose statements are traced.
func Traced(ctx context.Context, pool *pgxpool.Pool, tracer pgx.QueryTracer) (*pgxpool.Pool, error) {
	cfg := pool.Config()
	cfg.ConnConfig.Tracer = tracer
	traced, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	return traced, nil
}

// settingPool returns a pool like the given one whose sessions run the statements first.
func settingPool(ctx context.Context, pool *pgxpool.Pool, statements string) (*pgxpool.Pool, error) {
	return beginningPool(ctx, pool.Config(), func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, statements)
		return err
	})
}

// beginningPool returns a pool of cfg that calls begin for each new session.
func beginningPool(
	ctx context.Context, cfg *pgxpool.Config, begin func(context.Context, *pgx.Conn) error,
) (*pgxpool.Pool, error) {
	connected := cfg.AfterConnect
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if connected != nil {
			if err := connected(ctx, conn); err != nil {
				return err
			}
		}
		return begin(ctx, conn)
	}
	beginning, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	return beginning, nil
}

func checkServer(ctx context.Context, conn *pgx.Conn) error {
	var number int
	var version, encoding string
	err := conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int, current_setting('server_version'), "+
		"current_setting('server_encoding')",
		pgx.QueryExecModeExec). // prepare nothing: there may be a pooler
		Scan(&number, &version, &encoding)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	if number < MinimumServer {
		return fmt.Errorf("PostgreSQL %s is too old: alsobought needs %d or newer", version, MinimumServer/10000)
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database's encoding is %s, which cannot store every name: "+
			"create one with ENCODING 'UTF8' TEMPLATE template0", encoding)
	}
	return nil
}

// Look runs do in a read-only transaction, after the settings, which are SQL statements.
func Look(ctx context.Context, pool *pgxpool.Pool, settings string, do func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, settings); err != nil {
			return err
		}
		return do(tx)
	})
}

// Reserve takes a connection out of the pool while do runs, for work that holds session locks, and closes it
// afterwards, so that no lock outlives the work. Behind a transaction pooler it returns ErrPooled.
func Reserve(ctx context.Context, pool *pgxpool.Pool, do func(*pgx.Conn) error) error {
	acquired, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	conn := acquired.Hijack()
	pooled, err := isPooled(ctx, conn)
	switch {
	case err != nil:
	case pooled:
		err = ErrPooled
	default:
		err = do(conn)
	}
	closeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if !conn.IsClosed() && !pooled {
		// A closed session holds its locks for a moment longer. If this fails, they are released with the session.
		_, _ = conn.Exec(closeCtx, "SELECT pg_advisory_unlock_all()")
	}
	return errors.Join(err, conn.Close(closeCtx))
}
