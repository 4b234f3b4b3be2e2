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

// SQLSTATE codes (PostgreSQL manual, appendix A).
const (
	undefinedTable        = "42P01"
	undefinedFunction     = "42883"
	undefinedObject       = "42704"
	insufficientPrivilege = "42501"
	lockNotAvailable      = "55P03"
	queryCanceled         = "57014"
	diskFull              = "53100"
	readOnlyTransaction   = "25006"
	serializationFailure  = "40001" // on a standby: conflict with recovery
)

// IsUnavailable reports whether err is a database error after which a retry later may help: the server could not be
// reached, did not answer in time, went away, or is starting or stopping. It is false for context.Canceled and for
// statements canceled by a timeout or a user.
func IsUnavailable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	if connect := new(pgconn.ConnectError); errors.As(err, &connect) {
		return true
	}
	if server := new(pgconn.PgError); errors.As(err, &server) {
		// Class 08: connection exception, 57: operator intervention (shutdown, starting up), 53: insufficient
		// resources.
		unavailable := strings.HasPrefix(server.Code, "08") || strings.HasPrefix(server.Code, "57") ||
			strings.HasPrefix(server.Code, "53")
		return unavailable && server.Code != queryCanceled
	}
	network := new(net.OpError) // not net.Error, which every errno implements, even that of a missing file
	return errors.As(err, &network) || errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err) ||
		errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.ErrUnexpectedEOF) // server killed while we waited
}

// IsLost reports whether err means that an established connection ended, so that a new one may work. The statement may
// or may not have been executed.
func IsLost(err error) bool {
	if err == nil || IsUnreachable(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if server := new(pgconn.PgError); errors.As(err, &server) {
		return strings.HasPrefix(server.Code, "57P") // shutdown, crash of another backend, idle timeout
	}
	network := new(net.OpError)
	return errors.As(err, &network) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err)
}

// IsTimeout reports whether err means that the server canceled a statement that ran, or waited for a lock, too long.
func IsTimeout(err error) bool {
	server := new(pgconn.PgError)
	return errors.As(err, &server) && (server.Code == queryCanceled || server.Code == lockNotAvailable)
}

// IsDiskFull reports whether err means that the server's disk is full.
func IsDiskFull(err error) bool {
	server := new(pgconn.PgError)
	return errors.As(err, &server) && server.Code == diskFull
}

// IsDenied reports whether err means that the role lacks a privilege.
func IsDenied(err error) bool {
	server := new(pgconn.PgError)
	return errors.As(err, &server) && server.Code == insufficientPrivilege
}

// IsNotLetIn reports whether err means that authentication failed: wrong role or password, or TLS is required.
func IsNotLetIn(err error) bool {
	server := new(pgconn.PgError)
	return errors.As(err, &server) && strings.HasPrefix(server.Code, "28") // invalid authorization specification
}

// CertificateError returns the part of err that says why the server's certificate was not accepted, or nil if err is
// about something else.
func CertificateError(err error) error {
	wrong := new(tls.CertificateVerificationError)
	if errors.As(err, &wrong) {
		return wrong
	}
	return nil
}

// IsUnreachable reports whether err means that no connection could be established.
func IsUnreachable(err error) bool {
	connect := new(pgconn.ConnectError)
	return errors.As(err, &connect)
}

// Violates reports whether err is a violation of the named constraint or unique index.
func Violates(err error, constraint string) bool {
	server := new(pgconn.PgError)
	// Class 23: integrity constraint violation.
	return errors.As(err, &server) && strings.HasPrefix(server.Code, "23") && server.ConstraintName == constraint
}

// IsMissingSchema reports whether err means that one of our tables or functions is missing, i.e. the database was never
// migrated.
func IsMissingSchema(err error) bool {
	server := new(pgconn.PgError)
	return errors.As(err, &server) && (server.Code == undefinedTable || server.Code == undefinedFunction)
}
