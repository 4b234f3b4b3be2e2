package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// The limits of a connection. Those of a request's time are looser than any Config.Timeout should be, because a read deadline that passes
// cancels the request it belongs to.
const (
	headerTimeout = 5 * time.Second
	bodyTimeout   = 5 * time.Second // of a body alone
	readTimeout   = time.Minute
	writeTimeout  = time.Minute
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	stopTimeout   = 10 * time.Second
)

// Serve answers requests on listener until ctx ends, lets those that run come to their end, and returns nil. It closes listener.
func (a *API) Serve(ctx context.Context, listener net.Listener) error {
	return serveConnections(ctx, listener, a, a.crowd, a.Logger)
}

// serveConnections is Serve with any handler.
func serveConnections(ctx context.Context, listener net.Listener, handler http.Handler, crowd *crowd, logger *slog.Logger) error {
	server := &http.Server{
		Handler:           attend(handler),
		ConnContext:       crowd.admit,
		ConnState:         crowd.changed,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := server.Shutdown(stopCtx)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests still ran %s after the end and were cut off: %w", stopTimeout, err), server.Close())
	}
	<-ended //nolint:errcheck // http.ErrServerClosed
	return err
}
