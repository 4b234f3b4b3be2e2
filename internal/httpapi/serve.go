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
)

// Serve answers requests on listener until ctx ends. Then /readyz says so, for DrainDelay everything else goes on, and after that nobody new
// is let in while the requests that run come to their end, within Drain. It closes listener.
//
// Errors: of the listener; one that says that requests were cut off.
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
	return serveConnections(serving, listener, a, a.crowd, a.Config)
}

// serveConnections answers by any handler. Of the config it needs the logger and Drain.
func serveConnections(ctx context.Context, listener net.Listener, handler http.Handler, crowd *crowd, cfg Config) error {
	server := &http.Server{
		Handler:           attend(handler),
		ConnContext:       crowd.admit,
		ConnState:         crowd.changed,
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
		cut := crowd.answering() // or only clients that never came to the end of a request
		if err = server.Close(); cut {
			err = errors.Join(fmt.Errorf("requests still running after %s were cut off: raise --drain to give them longer", cfg.Drain), err)
		}
	}
	<-ended //nolint:errcheck // http.ErrServerClosed
	return err
}
