package pg

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Database is what answers requests: a pool or a ServicePool.
type Database interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Config() *pgxpool.Config
	Stat() *pgxpool.Stat
	Reset()
}

// lockPatience is how long a statement of a service waits for a lock. Clients should not have to wait for a migration
// or a manual LOCK TABLE.
const lockPatience = time.Second

// Service configures the sessions that answer requests.
type Service struct {
	Timeout time.Duration                          // of statements and of idle transactions
	Warm    func(context.Context, *pgx.Conn) error // called for each new session; nil: sessions are opened when needed
}

// ServicePool is a pool for answering requests, with limits for its statements.
type ServicePool struct {
	*pgxpool.Pool

	limits string // SQL that sets the limits for one transaction; "" if sessions have them
}

// Serving returns a pool like the given one for answering requests. The server cancels statements that run longer than
// the timeout or wait longer than a second for a lock, even if the client is gone, and acquiring a connection takes a
// second at most. If there is a Warm, all connections are opened and warmed up first: planning the first statement of a
// session takes several times as long as running it.
//
// Behind a pooler in transaction mode, where sessions can be neither configured nor warmed up, each statement carries
// its limits.
func Serving(ctx context.Context, pool *pgxpool.Pool, s Service) (*ServicePool, error) {
	pooled, err := IsPooled(ctx, pool)
	if err != nil {
		return nil, err
	}
	cfg := pool.Config()
	h := new(hurry)
	if t := cfg.ConnConfig.Tracer; t != nil {
		cfg.ConnConfig.Tracer = multitracer.New(h, t)
	} else {
		cfg.ConnConfig.Tracer = h
	}
	serving := new(ServicePool)
	begin := s.begin
	if pooled {
		serving.limits = fmt.Sprintf("SELECT set_config('statement_timeout', '%d', true), "+
			"set_config('lock_timeout', '%d', true), set_config('jit', 'off', true), "+
			"set_config('plan_cache_mode', 'force_generic_plan', true)",
			s.Timeout.Milliseconds(), lockPatience.Milliseconds())
		begin = func(context.Context, *pgx.Conn) error { return nil }
	}
	if s.Warm != nil {
		cfg.MinConns = cfg.MaxConns
	}
	if serving.Pool, err = beginningPool(ctx, cfg, begin); err != nil {
		return nil, err
	}
	if s.Warm != nil {
		if err := fill(ctx, serving.Pool); err != nil {
			serving.Close()
			return nil, err
		}
	}
	h.on.Store(true) // from now on, clients wait
	return serving, nil
}

// begin warms up a session and sets its limits.
func (s Service) begin(ctx context.Context, conn *pgx.Conn) error {
	if s.Warm != nil {
		if err := s.Warm(ctx, conn); err != nil {
			return err
		}
	}
	_, err := conn.Exec(ctx, fmt.Sprintf("SET statement_timeout = %[1]d; "+
		"SET idle_in_transaction_session_timeout = %[1]d; SET lock_timeout = %[2]d",
		s.Timeout.Milliseconds(), lockPatience.Milliseconds()))
	return err
}

// fill opens all connections that the pool may have.
func fill(ctx context.Context, pool *pgxpool.Pool) error {
	for range pool.Config().MaxConns {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return fmt.Errorf("connect to PostgreSQL: %w", err)
		}
		defer conn.Release()
	}
	return nil
}

// Exec is the pool's Exec, with limits.
func (p *ServicePool) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if p.limits == "" {
		return p.Pool.Exec(ctx, sql, args...)
	}
	results, err := p.send(ctx, sql, args)
	var tag pgconn.CommandTag
	if err == nil {
		tag, err = results.Exec()
	}
	return tag, cmp.Or(err, results.Close()) // closing the batch commits
}

// Query is the pool's Query, with limits.
func (p *ServicePool) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if p.limits == "" {
		return p.Pool.Query(ctx, sql, args...)
	}
	results, err := p.send(ctx, sql, args)
	if err != nil {
		return nil, cmp.Or(err, results.Close())
	}
	rows, err := results.Query()
	if err != nil {
		return nil, cmp.Or(err, results.Close())
	}
	return &limitedRows{Rows: rows, results: results}, nil
}

// QueryRow is the pool's QueryRow, with limits.
func (p *ServicePool) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if p.limits == "" {
		return p.Pool.QueryRow(ctx, sql, args...)
	}
	rows, err := p.Query(ctx, sql, args...)
	return limitedRow{rows, err}
}

// send sends the limits and the statement as one batch and so as one transaction.
func (p *ServicePool) send(ctx context.Context, sql string, args []any) (pgx.BatchResults, error) {
	batch := new(pgx.Batch)
	batch.Queue(p.limits)
	batch.Queue(sql, args...)
	results := p.SendBatch(ctx, batch)
	_, err := results.Exec()
	return results, err
}

// limitedRows are the rows of the second statement of a batch. They close the batch when they end.
type limitedRows struct {
	pgx.Rows

	results pgx.BatchResults
	ended   bool
	err     error // of closing the batch
}

// Next is as in pgx.Rows.
func (r *limitedRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

// Close closes the batch.
func (r *limitedRows) Close() {
	r.Rows.Close()
	if !r.ended {
		r.ended, r.err = true, r.results.Close()
	}
}

// Err returns the error of the statement or of its commit.
func (r *limitedRows) Err() error { return cmp.Or(r.Rows.Err(), r.err) }

// limitedRow is the first row of limitedRows.
type limitedRow struct {
	rows pgx.Rows
	err  error
}

// Scan reads the row, or returns pgx.ErrNoRows.
func (r limitedRow) Scan(to ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		return cmp.Or(r.rows.Err(), pgx.ErrNoRows)
	}
	err := r.rows.Scan(to...)
	r.rows.Close()
	return cmp.Or(err, r.rows.Err())
}
