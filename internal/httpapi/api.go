// Package httpapi answers the questions of package recommend and manages rules over HTTP: routes, keys, what a request may say, errors as
// RFC 9457 problems, health, the OpenAPI document made from the same definitions, and
// what people look at: the page of the documentation, and the dashboard, a handler that is handed in.
//
// It is the only package that knows statuses, and it never ranks: every answer is what package recommend returned, byte for byte what the
// command line prints. It writes to the database by the packages whose subject that is, and only for requests with a key: see demand.
package httpapi

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/orders"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
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

	Dashboard http.Handler // what people see at /dashboard/ and, in a browser, at /; nil: nothing

	CacheBytes   int64  // finished answers to keep, about so many bytes; 0 keeps none
	CacheControl string // what clients and proxies may do with an answer; "" is no-cache: keep it, and ask whether it still holds

	AllowOrigins   []string       // whose pages may ask in a browser, or "*"; nil is only our own
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed
	KeyedReads     bool           // questions need a key with scope read; otherwise they are open to everybody
	AddressRate    float64        // requests a second of one address, and twice as many at once; 0 is no limit
	KeyRate        float64        // of one key, likewise
	WrongKeys      int            // of one address in a minute; 0 is 30
	MaxRequests    int            // questions and changes under way at a time; 0 is 512
	MaxConnections int            // 0 is 4096
	Drain          time.Duration  // what requests get to come to their end when Serve stops; 0 is 10 s
	DrainDelay     time.Duration  // for how long they are taken after /readyz says that it stops

	Metrics prometheus.Registerer // where the API's metrics are registered; nil measures nothing
	Tracer  trace.TracerProvider  // what spans of requests are made by; nil makes none
}

func (c Config) withDefaults() Config {
	c.Version = cmp.Or(c.Version, "dev")
	c.CacheControl = cmp.Or(c.CacheControl, "no-cache")
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Drain <= 0 {
		c.Drain = 10 * time.Second
	}
	if c.MaxBody <= 0 {
		c.MaxBody = 1 << 20
	}
	if c.MaxRequests <= 0 {
		c.MaxRequests = 512
	}
	if c.WrongKeys <= 0 {
		c.WrongKeys = 30
	}
	if c.MaxConnections <= 0 {
		c.MaxConnections = 4096
	}
	return c
}

// API is the whole API as one handler. It may be used by any number of requests at once.
type API struct {
	Config

	handler     http.Handler // router, traced if need be
	router      *chi.Mux
	routes      huma.API
	answers     *recommend.Cache
	recommender *recommend.Recommender // for what is not kept
	probe       *probe
	metrics     *metrics
	crowd       *crowd
	welcome     http.HandlerFunc // what browsers see at /; nil: JSON, as all others
	draining    atomic.Bool
	absent      atomic.Pointer[absence] // nil while the database can be asked
	life        context.Context         //nolint:containedctx // of what outlives requests
	end         context.CancelFunc

	keys        *apikey.Keyring
	addressRate *limiter[netip.Addr]
	keyRate     *limiter[int64]
	logins      *limiter[netip.Addr] // failed ones
	usual       room                 // for all that a database is asked for
	large       room                 // for answers of megabytes
}

// maxLarge bounds the memory of large answers, which stay in it until they are written.
const maxLarge = 8

// New returns the API of cfg. It has to be closed.
func New(cfg Config) *API {
	cfg = cfg.withDefaults()
	a := &API{
		Config:      cfg,
		router:      chi.NewRouter(),
		answers:     recommend.NewCache(cfg.Pool, cfg.CacheBytes),
		recommender: recommend.New(cfg.Pool),
		probe:       &probe{pool: cfg.Pool},
		crowd:       newCrowd(cfg.MaxConnections),
		keys:        apikey.NewKeyring(cfg.Pool),
		addressRate: newLimiter[netip.Addr]("address", cfg.AddressRate, int(max(1, 2*cfg.AddressRate))),
		keyRate:     newLimiter[int64]("key", cfg.KeyRate, int(max(1, 2*cfg.KeyRate))),
		logins:      newLimiter[netip.Addr]("logins", float64(cfg.WrongKeys)/60, cfg.WrongKeys),
		usual:       make(room, cfg.MaxRequests),
		large:       make(room, maxLarge),
	}
	a.handler = a.router
	if cfg.Tracer != nil {
		a.handler = otelhttp.NewHandler(a.router, "request", otelhttp.WithTracerProvider(cfg.Tracer),
			otelhttp.WithPropagators(propagation.TraceContext{}))
	}
	if cfg.Metrics != nil {
		a.measure(cfg.Metrics)
	}
	a.life, a.end = context.WithCancel(context.Background())
	a.router.Use(a.observe, secure, a.limitRate, a.limit, routable)
	if len(cfg.AllowOrigins) > 0 {
		a.router.Use(a.allowOrigins())
	}
	a.router.NotFound(notFound)
	a.router.MethodNotAllowed(methodNotAllowed(a.router))
	a.routes = humachi.New(a.router, documentConfig(cfg.Version))
	a.questions()
	a.rules()
	a.orders()
	a.hooks()
	a.tools()
	a.health()
	a.people()
	a.pages()
	return a
}

// CacheStats says how the cache of answers has done so far.
func (a *API) CacheStats() recommend.Stats { return a.answers.Stats() }

// Close ends what goes on between requests.
func (a *API) Close() { a.end() }

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// demand is what a route asks of a request, in this order, before it is looked at any closer. The zero demand asks nothing: for health and
// pages.
type demand struct {
	scope apikey.Scope // a key with it; "" is open to everybody
	body  int64        // a JSON body of at most so many bytes; 0 is none
	room  room         // a place among the requests under way; nil has no need of one
}

// register adds an operation with what it demands. Its errors become problems, and the document says which ones.
func register[I, O any](a *API, d demand, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	where := "query"
	switch op.Method {
	case http.MethodPost:
		where = "body"
	case http.MethodDelete:
		where = "path"
	}
	a.impose(d, &op)
	huma.Register(a.routes, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, problem(ctx, err, where)
		}
		return out, nil
	})
}

// impose makes an operation one that demands d.
func (a *API) impose(d demand, op *huma.Operation) {
	var first huma.Middlewares
	if d.scope != "" {
		op.Security = []map[string][]string{{keyScheme: {}}}
		op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden)
		first = append(first, a.checkKey(d.scope))
	}
	if d.body > 0 {
		op.MaxBodyBytes = d.body + 1 // huma takes a body of the limit's size for one too large; readBody has seen to it
		op.BodyReadTimeout = -1
		op.Errors = append(op.Errors,
			http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
		first = append(first, a.readBody(d.body))
	}
	if d.room != nil {
		op.Errors = append(op.Errors, http.StatusServiceUnavailable)
		first = append(first, a.within(d.room))
	}
	op.Middlewares = append(first, op.Middlewares...)
}
