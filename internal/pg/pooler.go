package pg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrPooled means that the operation needs a session of its own, for locks, snapshots, roles or settings. Behind a
// pooler in transaction mode, each transaction may run in another session, and session state leaks to other clients.
var ErrPooled = errors.New("the connection goes through a pooler in transaction mode, which does not support " +
	"session locks: use a direct URL of PostgreSQL, or a pooler in session mode (DATABASE_URL; for serve, --load-url)")

// errPooledByStatement is the error for a pooler in statement mode, which has no transactions.
var errPooledByStatement = errors.New("the connection goes through a pooler in statement mode, which does not " +
	"support transactions: set pool_mode = transaction or session")

// protocolViolation is the SQLSTATE of PgBouncer's own errors.
const protocolViolation = "08P01"

// IsPooled reports whether the pool's connections go through a pooler in transaction mode.
func IsPooled(ctx context.Context, pool *pgxpool.Pool) (bool, error) {
	conn, err := Connect(ctx, pool)
	if err != nil {
		return false, err
	}
	defer conn.Close(ctx) //nolint:errcheck // best-effort close
	return isPooled(ctx, conn)
}

// RequireSessions returns ErrPooled if the pool's connections go through a pooler in transaction mode.
func RequireSessions(ctx context.Context, pool *pgxpool.Pool) error {
	pooled, err := IsPooled(ctx, pool)
	if err == nil && pooled {
		err = ErrPooled
	}
	return err
}

// A pooler reuses either the most or the least recently used session. Either way one try detects it unless other
// clients interfere, hence several.
const (
	poolerTries = 8
	placeWait   = 200 * time.Millisecond // for a session, when the pooler may have none left
)

// isPooled reports whether conn goes through a pooler in transaction mode, which may switch its session between
// transactions.
func isPooled(ctx context.Context, conn *pgx.Conn) (bool, error) {
	first := conn.PgConn()
	mine, err := backendOf(ctx, first, "")
	if err != nil || mine == strconv.FormatUint(uint64(first.PID()), 10) {
		return false, err // poolers invent the process id of the cancel key
	}
	second, err := pgconn.ConnectConfig(ctx, &conn.Config().Config)
	if err != nil {
		return false, fmt.Errorf("detect pooler: %w", err)
	}
	defer second.Close(ctx) //nolint:errcheck // best-effort close
	for range poolerTries {
		moved, err := moves(ctx, first, mine, second)
		if moved || err != nil || second.IsClosed() {
			return moved, err
		}
	}
	return false, nil
}

// moves reports whether first is no longer on session mine, or second gets mine for a transaction, or first is then
// moved elsewhere. In session mode, a client's session is never given away: second may wait for one in vain, and is
// then closed.
func moves(ctx context.Context, first *pgconn.PgConn, mine string, second *pgconn.PgConn) (bool, error) {
	if now, err := backendOf(ctx, first, ""); err != nil || now != mine {
		return err == nil, err
	}
	other, err := begin(ctx, first, second)
	if err != nil || other == "" || other == mine {
		return other == mine, err
	}
	asked := ask(ctx, first)
	select {
	case <-asked.done:
	case <-time.After(placeWait): // it may be waiting for the session of second
	}
	err = rollback(ctx, second)
	<-asked.done
	return asked.pid != mine, cmp.Or(asked.err, err)
}

// begin begins a transaction on second and returns its process id. It returns "" if second still waits for a session
// while first gets answers; in transaction mode, first would have to queue behind it. If first does, the transaction is
// ended, as there may be no other session for it.
func begin(ctx context.Context, first, second *pgconn.PgConn) (pid string, err error) {
	beginCtx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	begun := make(chan struct{})
	go func() {
		defer close(begun)
		pid, err = backendOf(beginCtx, second, "BEGIN;")
	}()
	select {
	case <-begun:
	case <-time.After(placeWait):
		asked := ask(ctx, first)
		select {
		case <-begun:
			err = cmp.Or(err, rollback(ctx, second))
			<-asked.done
		case <-asked.done:
			select {
			case <-begun:
			case <-time.After(placeWait):
				giveUp()
				<-begun
				return "", asked.err
			}
		}
	}
	if refused := new(pgconn.PgError); errors.As(err, &refused) &&
		strings.Contains(refused.Message, "statement pooling mode") {
		err = errPooledByStatement
	}
	return pid, err
}

// asked is the session of a connection, once done is closed.
type asked struct {
	pid  string
	err  error
	done chan struct{}
}

func ask(ctx context.Context, conn *pgconn.PgConn) *asked {
	a := &asked{done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.pid, a.err = backendOf(ctx, conn, "")
	}()
	return a
}

func rollback(ctx context.Context, conn *pgconn.PgConn) error {
	_, err := conn.Exec(ctx, "ROLLBACK").ReadAll()
	return err
}

// backendOf returns the process id of the session. It uses the simple protocol, because prepared statement names may
// collide in a pooled session.
func backendOf(ctx context.Context, conn *pgconn.PgConn, before string) (string, error) {
	results, err := conn.Exec(ctx, before+"SELECT pg_backend_pid()").ReadAll()
	if err != nil {
		return "", fmt.Errorf("detect pooler: %w", err)
	}
	return string(results[len(results)-1].Rows[0][0]), nil
}

// adapt detects a pooler with a first connection, which it returns, and adjusts cfg accordingly.
func adapt(ctx context.Context, cfg *pgxpool.Config) (*pgx.Conn, error) {
	conn, err := connectConfig(ctx, cfg)
	if err != nil {
		return nil, refusedParameter(cfg.ConnConfig, err)
	}
	pooled, err := isPooled(ctx, conn)
	if err != nil {
		_ = conn.Close(ctx) // the error above matters more
		return nil, err
	}
	if !pooled {
		// A query runs in under a millisecond. Planning it each time takes ten, and JIT compilation hundreds.
		cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "SET jit = off; SET plan_cache_mode = force_generic_plan")
			return err
		}
		return conn, nil
	}
	// No prepared statements either, unless the URL asks for them because the pooler supports them.
	if !strings.Contains(cfg.ConnString(), "default_query_exec_mode") {
		cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	return conn, nil
}

// refusedParameter says what to do about a URL setting that the pooler refuses.
func refusedParameter(cfg *pgx.ConnConfig, err error) error {
	server := new(pgconn.PgError)
	if !errors.As(err, &server) || server.Code != protocolViolation {
		return err
	}
	_, name, found := strings.Cut(server.Message, "unsupported startup parameter: ")
	if !found {
		return err
	}
	return fmt.Errorf("connect to PostgreSQL: the pooler rejects %[1]s in the URL: remove it, and use "+
		"ALTER ROLE %[2]s IN DATABASE %[3]s SET", name, pgx.Identifier{cfg.User}.Sanitize(),
		pgx.Identifier{cfg.Database}.Sanitize())
}

// isPoolerFull reports whether err means that a pooler accepts no more clients. Existing ones may continue to work.
func isPoolerFull(err *pgconn.PgError) bool {
	return err.Code == protocolViolation && strings.Contains(err.Message, "no more connections allowed")
}
