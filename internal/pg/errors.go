package pg

import (
	"context"
	"errors"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATE codes that are decided by (PostgreSQL manual, appendix A).
const (
	undefinedTable = "42P01"
)

// IsUnavailable reports whether err says that the database could not be reached, went away, or is starting or stopping: trying again later
// may help. A context that ended is not such an error.
func IsUnavailable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	if connect := new(pgconn.ConnectError); errors.As(err, &connect) {
		return true
	}
	if server := new(pgconn.PgError); errors.As(err, &server) {
		// Class 08: connection exception, 57: operator intervention (shutdown, starting up), 53: insufficient resources.
		class := server.Code[:2]
		return class == "08" || class == "57" || class == "53"
	}
	network := net.Error(nil)
	return errors.As(err, &network) || errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err) || errors.Is(err, context.DeadlineExceeded)
}

// IsMissingSchema reports whether err says that a table of ours is not there: the database was never migrated.
func IsMissingSchema(err error) bool {
	server := new(pgconn.PgError)
	return errors.As(err, &server) && server.Code == undefinedTable
}
