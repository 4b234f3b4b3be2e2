package pg

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATE codes that are decided by (PostgreSQL manual, appendix A).
const (
	undefinedTable        = "42P01"
	undefinedFunction     = "42883"
	undefinedObject       = "42704"
	insufficientPrivilege = "42501"
	lockNotAvailable      = "55P03"
	queryCanceled         = "57014"
	diskFull              = "53100"
	readOnlyTransaction   = "25006"
	serializationFailure  = "40001" // of a standby: conflict with recovery
)

// IsUnavailable reports whether err, which is of the database, says that it could not be reached, did not answer in time, went away, or is
// starting or stopping: trying again later may help. A caller that gave up (context.Canceled) and a statement that somebody cancelled are
// no such errors.
func IsUnavailable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	if connect := new(pgconn.ConnectError); errors.As(err, &connect) {
		return true
	}
	if server := new(pgconn.PgError); errors.As(err, &server) {
		// Class 08: connection exception, 57: operator intervention (shutdown, starting up), 53: insufficient resources.
		unavailable := strings.HasPrefix(server.Code, "08") || strings.HasPrefix(server.Code, "57") || strings.HasPrefix(server.Code, "53")
		return unavailable && server.Code != queryCanceled
	}
	network := new(net.OpError) // not net.Error, which every errno is, that of a missing file too
	return errors.As(err, &network) || errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.ErrUnexpectedEOF) // the server was killed while we waited for it
}

// IsLost reports whether err says that a connection there was has ended: a new one may do. Whether a statement on it was carried out is not
// known.
func IsLost(err error) bool {
	if err == nil || IsUnreachable(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if server := new(pgconn.PgError); errors.As(err, &server) {
		return strings.HasPrefix(server.Code, "57P") // shutdown, crash of another backend, idle for too long
	}
	network := new(net.OpError)
	return errors.As(err, &network) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err)
}

// IsTimeout reports whether err says that the server ended a statement that took, or waited, too long.
func IsTimeout(err error) bool {
	server := new(pgconn.PgError)
	return errors.As(err, &server) && (server.Code == queryCanceled || server.Code == lockNotAvailable)
}

// IsDiskFull reports whether err says that the server has no room left.
func IsDiskFull(err error) bool {
	server := new(pgconn.PgError)
	return errors.As(err, &server) && server.Code == diskFull
}

// IsDenied reports whether err says that the role lacks a right.
func IsDenied(err error) bool {
	server := new(pgconn.PgError)
	return errors.As(err, &server) && server.Code == insufficientPrivilege
}

// IsNotLetIn reports whether err says that the server does not take this role, or not with this password, or not
// without TLS.
func IsNotLetIn(err error) bool {
	server := new(pgconn.PgError)
	return errors.As(err, &server) && strings.HasPrefix(server.Code, "28") // invalid authorization specification
}

// CertificateError returns what of err says that the server could not prove to be the one we asked for; nil for
// another error.
func CertificateError(err error) error {
	wrong := new(tls.CertificateVerificationError)
	if errors.As(err, &wrong) {
		return wrong
	}
	return nil
}

// IsUnreachable reports whether err says that no connection could be made.
func IsUnreachable(err error) bool {
	connect := new(pgconn.ConnectError)
	return errors.As(err, &connect)
}

// Violates reports whether err says that a statement would break the constraint, or the unique index, of that name.
func Violates(err error, constraint string) bool {
	server := new(pgconn.PgError)
	// Class 23: integrity constraint violation.
	return errors.As(err, &server) && strings.HasPrefix(server.Code, "23") && server.ConstraintName == constraint
}

// IsMissingSchema reports whether err says that a table or function of ours is not there: the database was never migrated.
func IsMissingSchema(err error) bool {
	server := new(pgconn.PgError)
	return errors.As(err, &server) && (server.Code == undefinedTable || server.Code == undefinedFunction)
}
