package pg

import (
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

// ErrPooled says that what was asked for needs a session that is ours until it ends, for locks, snapshots, roles or settings. Behind a pooler
// in transaction mode each transaction may run in another session, and what a session holds stays behind for whoever gets it next.
var ErrPooled = errors.New("the connection leads through a pooler in transaction mode, which keeps no locks of a session: " +
	"name the direct URL of PostgreSQL, or one in session mode (DATABASE_URL; for serve, --load-url)")

// errPooledByStatement is of a pooler that knows no transactions.
var errPooledByStatement = errors.New("the connection leads through a pooler in statement mode, which has no transactions: " +
	"set pool_mode = transaction or session")

// protocolViolation is the SQLSTATE of whatever PgBouncer itself has to say.
const protocolViolation = "08P01"

// IsPooled reports whether the pool's connections lead through a pooler in transaction mode.
func IsPooled(ctx context.Context, pool *pgxpool.Pool) (bool, error) {
	conn, err := Connect(ctx, pool)
	if err != nil {
		return false, err
	}
	defer conn.Close(ctx) //nolint:errcheck // what was to be seen was seen
	return isPooled(ctx, conn)
}

// RequireSessions returns ErrPooled if the pool's connections lead through a pooler in transaction mode.
func RequireSessions(ctx context.Context, pool *pgxpool.Pool) error {
	pooled, err := IsPooled(ctx, pool)
	if err == nil && pooled {
		err = ErrPooled
	}
	return err
}

// A pooler gives away the session that was used last, or the one that was not used for longest. Either way one try shows it, unless other
// clients come in between, and several tries do.
const (
	poolerTries = 8
	placeWait   = 200 * time.Millisecond // for a session, where there may be none left
)

// isPooled reports whether conn leads through a pooler in transaction mode, which gives it another session whenever it likes.
func isPooled(ctx context.Context, conn *pgx.Conn) (bool, error) {
	first := conn.PgConn()
	mine, err := backendOf(ctx, first, "")
	if err != nil || mine == strconv.FormatUint(uint64(first.PID()), 10) {
		return false, err // a pooler makes up the process that its clients are told to cancel
	}
	second, err := pgconn.ConnectConfig(ctx, &conn.Config().Config)
	if err != nil {
		return false, fmt.Errorf("look for a pooler: %w", err)
	}
	defer second.Close(ctx) //nolint:errcheck // what was to be seen was seen
	for range poolerTries {
		moved, err := moves(ctx, first, mine, second)
		if moved || err != nil || second.IsClosed() {
			return moved, err
		}
	}
	return false, nil
}

// moves reports whether first has another session than mine, or second, which begins a transaction, gets mine, or first has another one then.
// In session mode nobody gets the session of a client that is still there: second may wait in vain for one of its own, and is closed.
func moves(ctx context.Context, first *pgconn.PgConn, mine string, second *pgconn.PgConn) (bool, error) {
	if now, err := backendOf(ctx, first, ""); err != nil || now != mine {
		return err == nil, err
	}
	other, err := begin(ctx, first, second)
	if err != nil || other == "" || other == mine {
		return other == mine, err
	}
	now, err := backendOf(ctx, first, "")
	if err == nil {
		_, err = second.Exec(ctx, "ROLLBACK").ReadAll()
	}
	return now != mine, err
}

// begin begins a transaction on second and returns its process; "" if it has to wait for a session while first is answered, which in
// transaction mode would have to line up behind it.
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
		_, firstErr := backendOf(ctx, first, "")
		select {
		case <-begun:
		case <-time.After(placeWait):
			giveUp()
			<-begun
			return "", firstErr
		}
	}
	if refused := new(pgconn.PgError); errors.As(err, &refused) && strings.Contains(refused.Message, "statement pooling mode") {
		err = errPooledByStatement
	}
	return pid, err
}

// backendOf is the process that answers, by the simple protocol: a session may have a statement of any name.
func backendOf(ctx context.Context, conn *pgconn.PgConn, before string) (string, error) {
	results, err := conn.Exec(ctx, before+"SELECT pg_backend_pid()").ReadAll()
	if err != nil {
		return "", fmt.Errorf("look for a pooler: %w", err)
	}
	return string(results[len(results)-1].Rows[0][0]), nil
}

// adapt looks through a first connection at what is between us and the server, and makes cfg fit it. It returns the connection.
func adapt(ctx context.Context, cfg *pgxpool.Config) (*pgx.Conn, error) {
	conn, err := connectConfig(ctx, cfg)
	if err != nil {
		return nil, refusedParameter(cfg.ConnConfig, err)
	}
	pooled, err := isPooled(ctx, conn)
	if err != nil {
		_ = conn.Close(ctx) // the error says more
		return nil, err
	}
	if !pooled {
		// A question takes less than a millisecond, planning it anew takes ten, compiling a plan that looks dear hundreds.
		cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "SET jit = off; SET plan_cache_mode = force_generic_plan")
			return err
		}
		return conn, nil
	}
	// Nor are there prepared statements, unless the pooler knows of them and the URL says so.
	if !strings.Contains(cfg.ConnString(), "default_query_exec_mode") {
		cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	return conn, nil
}

// refusedParameter says what to do about a setting of the URL that a pooler does not take.
func refusedParameter(cfg *pgx.ConnConfig, err error) error {
	server := new(pgconn.PgError)
	if !errors.As(err, &server) || server.Code != protocolViolation {
		return err
	}
	_, name, found := strings.Cut(server.Message, "unsupported startup parameter: ")
	if !found {
		return err
	}
	return fmt.Errorf("connect to PostgreSQL: the pooler does not take %[1]s from the URL: leave it out there, and set what it is for by "+
		"ALTER ROLE %[2]s IN DATABASE %[3]s SET", name, pgx.Identifier{cfg.User}.Sanitize(), pgx.Identifier{cfg.Database}.Sanitize())
}

// isPoolerFull reports whether err says that a pooler takes no further client; those that it has may well go on.
func isPoolerFull(err *pgconn.PgError) bool {
	return err.Code == protocolViolation && strings.Contains(err.Message, "no more connections allowed")
}
