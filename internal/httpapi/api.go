// Package httpapi answers the questions of package recommend and manages rules over HTTP: routes, keys, what a request may say, errors as
// RFC 9457 problems, health, the OpenAPI document made from the same definitions, and a page for people.
//
// It is the only package that knows statuses, and it never ranks: every answer is what package recommend returned, byte for byte what the
// command line prints. It writes to the database by the packages whose subject that is, and only for requests with a key: see keyed.
package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"

	"github.com/alsobought/alsobought/internal/orders"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
)

// The limits of a connection. Those of a request's time are looser than any Config.Timeout should be, because a read deadline that passes
// cancels the request it belongs to.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = time.Minute
	writeTimeout  = time.Minute
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	stopTimeout   = 10 * time.Second
)

// Config of the API. Only Pool is needed.
type Config struct {
	Pool    *pg.Pool
	Version string        // of the program, as shown by / and /health
	Logger  *slog.Logger  // nil discards
	Timeout time.Duration // of one request, well under a minute; 0 is 10 s
	MaxBody int64         // bytes of a request body; 0 is 1 MiB

	Orders *orders.Taker // nil: orders are not taken, nor shown

	// Files with the secrets of webhooks, one a line; read for each request, so that they may be replaced. "": they are not taken.
	ShopifySecret, WooCommerceSecret string

	CacheBytes   int64  // finished answers to keep, about so many bytes; 0 keeps none
	CacheControl string // what clients and proxies may do with an answer; "" is no-cache: keep it, and ask whether it still holds
}

func (c Config) withDefaults() Config {
	if c.Version == "" {
		c.Version = "dev"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	if c.CacheControl == "" {
		c.CacheControl = "no-cache"
	}
	if c.MaxBody <= 0 {
		c.MaxBody = 1 << 20
	}
	return c
}

// api is what the handlers share.
type api struct {
	Config

	answers     *recommend.Cache
	recommender *recommend.Recommender // for what is not kept
	probe       *probe
}

// New returns the whole API as one handler. It may be used by any number of requests at once.
func New(cfg Config) http.Handler {
	cfg = cfg.withDefaults()
	a := &api{
		Config:      cfg,
		answers:     recommend.NewCache(cfg.Pool, cfg.CacheBytes),
		recommender: recommend.New(cfg.Pool),
		probe:       &probe{pool: cfg.Pool},
	}
	router := chi.NewRouter()
	router.Use(a.observe, secure, a.limit, routable)
	router.NotFound(notFound)
	router.MethodNotAllowed(methodNotAllowed(router))

	routes := humachi.New(router, documentConfig(cfg.Version))
	a.questions(routes)
	a.rules(routes)
	a.orders(routes)
	a.hooks(routes)
	a.health(routes)
	a.pages(routes, router)
	return router
}

// register adds an operation whose errors become problems, and says in the document which ones.
func register[I, O any](routes huma.API, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	where := "query"
	switch op.Method {
	case http.MethodPost:
		where = "body"
	case http.MethodDelete:
		where = "path"
	}
	huma.Register(routes, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, problem(ctx, err, where)
		}
		return out, nil
	})
}

// Serve answers requests on listener until ctx ends, lets those that run come to their end, and returns nil. It closes listener.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler, logger *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
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
