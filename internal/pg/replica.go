package pg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrReadOnly means that the database accepts no writes.
var ErrReadOnly = errors.New("the database is read-only: send writes to the primary")

// Replica is the replication state of a hot standby.
type Replica struct {
	// Streaming means that the standby is connected to its primary. Otherwise it may read archived WAL or have lost its
	// primary.
	Streaming bool
	// Lag is 0 if the standby streams and has replayed everything it received. Otherwise it is the age of the last
	// replayed commit, an upper bound of the delay, or nil if none was replayed since the start.
	Lag *time.Duration
}

// Access is what a session may do with the database.
type Access struct {
	ReadOnly bool     // a standby, or default_transaction_read_only
	Replica  *Replica // nil on a primary
}

// String describes the access in a few words.
func (a Access) String() string {
	switch {
	case a.Replica == nil && !a.ReadOnly:
		return "reads and writes"
	case a.Replica == nil:
		return "read only"
	case a.Replica.Lag == nil:
		return "a replica that has replayed no commit since it started"
	case !a.Replica.Streaming:
		return fmt.Sprintf("a replica without its primary, up to %s behind", a.Replica.Lag.Round(time.Second))
	case *a.Replica.Lag == 0:
		return "a replica, up to date"
	}
	return fmt.Sprintf("a replica, up to %s behind", a.Replica.Lag.Round(time.Millisecond))
}

// FindAccess returns what a session may do with the database. It works for any role. The result changes on promotion.
func FindAccess(ctx context.Context, database querier) (Access, error) {
	var standby, streaming, current bool
	var age *float64
	a := Access{}
	// Any role sees whether there is a WAL receiver; only pg_monitor sees its state.
	err := database.QueryRow(ctx, `
		SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::boolean,
		       EXISTS (SELECT FROM pg_stat_wal_receiver),
		       coalesce(pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn(), false),
		       extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8`).
		Scan(&standby, &a.ReadOnly, &streaming, &current, &age)
	if err != nil {
		return Access{}, fmt.Errorf("check access to the database: %w", err)
	}
	if !standby {
		return a, nil
	}
	a.Replica = &Replica{Streaming: streaming}
	if streaming && current {
		age = new(float64)
	}
	if age != nil {
		lag := time.Duration(max(0, *age) * float64(time.Second))
		a.Replica.Lag = &lag
	}
	return a, nil
}

// IsReadOnly reports whether err means that the database accepts no writes.
func IsReadOnly(err error) bool {
	server := new(pgconn.PgError)
	return errors.Is(err, ErrReadOnly) || errors.As(err, &server) && server.Code == readOnlyTransaction
}

// IsConflict reports whether err means that a standby canceled a query that conflicted with recovery: rows were
// vacuumed, a table was dropped, or a build was pruned while it was read.
func IsConflict(err error) bool {
	server := new(pgconn.PgError)
	return errors.As(err, &server) && server.Code == serializationFailure
}

// Retried calls read, and once more if it fails with a recovery conflict or a lost connection. read must not change
// anything.
func Retried[T any](ctx context.Context, database any, read func() (T, error)) (T, error) {
	value, err := read()
	lost := IsLost(err)
	if !lost && !IsConflict(err) || ctx.Err() != nil {
		return value, err
	}
	if pool, ok := database.(interface{ Reset() }); ok && lost {
		pool.Reset() // what ended one connection probably ended all of them
	}
	return read()
}
