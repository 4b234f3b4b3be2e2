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

// Limits of a connection. Those that include a request's time exceed any sensible Config.Timeout, because an expired
// read deadline cancels the request.
const (
	headerTimeout = 5 * time.Second
	bodyTimeout   = 5 * time.Second // of a body alone
	readTimeout   = time.Minute
	writeTimeout  = time.Minute
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
)

// Serve answers requests on listener until ctx ends. Then /readyz fails, and after DrainDelay it stops accepting
// requests and waits up to Drain for running ones. It closes listener.
//
// Errors: those of the listener; an error if running requests were cut off.
func (a *API) Serve(ctx context.Context, listener net.Listener) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	unhook := context.AfterFunc(ctx, func() {
		a.draining.Store(true)
		select {
		case <-serving.Done():
		case <-time.After(a.DrainDelay):
			stop()
		}
	})
	defer unhook()
	return serveConnections(serving, listener, a, a.connLimiter, a.Config)
}

// serveConnections serves any handler. Of cfg, it uses Logger and Drain.
func serveConnections(ctx context.Context, listener net.Listener, handler http.Handler, connLimiter *connLimiter, cfg Config) error {
	server := &http.Server{
		Handler:           trackRequests(handler),
		ConnContext:       connLimiter.admit,
		ConnState:         connLimiter.changed,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.Drain)
	defer cancel()
	err := server.Shutdown(stopCtx)
	if err != nil {
		cut := connLimiter.answering() // otherwise, only unfinished requests were cut off
		if err = server.Close(); cut {
			err = errors.Join(fmt.Errorf("requests still running after %s were cut off: raise --drain to give them longer", cfg.Drain), err)
		}
	}
	<-ended //nolint:errcheck // http.ErrServerClosed
	return err
}
