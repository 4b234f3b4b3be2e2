// Package httpapi is the HTTP server: it answers the questions of package recommend and manages rules and orders.
//
// It has the routes, API keys, request validation, errors as RFC 9457 problems, health checks, the OpenAPI document
// generated from the same definitions, the documentation page, and the dashboard, a handler passed in.
//
// It is the only package that knows HTTP statuses. It never ranks: answers are those of package recommend, byte for
// byte the same as on the command line. It writes to the database only through the packages responsible, and only for
// requests with a key: see requirements.
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
)

// Config configures an API. Only Pool is required.
type Config struct {
	Pool    pg.Database   // of the primary or only server
	Replica pg.Database   // for questions; nil: use Pool
	Version string        // program version, shown by / and /health
	Logger  *slog.Logger  // nil: discard
	Timeout time.Duration // per request, well under a minute; 0: 10 s
	MaxBody int64         // bytes of a request body; 0: 1 MiB

	Orders *orders.Store // nil: orders routes answer 503

	// Files with webhook secrets, one per line. They are read for each request, so secrets can be rotated. "": webhooks
	// answer 503.
	ShopifySecret, WooCommerceSecret string

	Dashboard http.Handler // serves /dashboard/ and, for browsers, /; nil: none

	CacheBytes   int64  // approximate size of the answer cache; 0: none
	CacheControl string // header of answers; "": no-cache, which means to revalidate

	AllowOrigins   []string       // origins for CORS, or "*"; nil: same origin only
	TrustedProxies []netip.Prefix // proxies whose X-Forwarded-For is trusted
	KeyedReads     bool           // questions need a key with scope read
	AddressRate    float64        // requests per second and address, with bursts of twice that; 0: no limit
	KeyRate        float64        // per key, likewise
	WrongKeys      int            // per address and minute; 0: 30
	MaxRequests    int            // concurrent questions and changes; 0: 512
	MaxConnections int            // 0: 4096
	Drain          time.Duration  // how long Serve waits for running requests when it stops; 0: 10 s
	DrainDelay     time.Duration  // how long Serve keeps accepting requests after /readyz fails

	Metrics prometheus.Registerer // registers the API's metrics; nil: none
	Tracer  trace.TracerProvider  // creates the spans of requests; nil: none
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

// API is the HTTP handler of the whole API. It is safe for concurrent use.
type API struct {
	Config

	handler     http.Handler // router, with tracing if configured
	router      *chi.Mux
	routes      huma.API
	primary     *upstream   // takes writes
	reads       *upstream   // answers questions; the primary if there is no replica
	upstreams   []*upstream // reads first
	document    []byte      // the OpenAPI document
	metrics     *metrics
	connLimiter *connLimiter
	browserRoot http.HandlerFunc // for browsers at /; nil: JSON as for all others
	draining    atomic.Bool
	life        context.Context //nolint:containedctx // of what outlives requests
	end         context.CancelFunc

	keys        *apikey.Keyring
	addressRate *limiter[netip.Addr]
	keyRate     *limiter[int64]
	logins      *limiter[netip.Addr] // failed ones
	queries     slots                // for all requests that query the database
	batches     slots                // for answers of several megabytes
}

// maxLarge bounds the memory of large answers, which are buffered until they are written.
const maxBatches = 8

// New returns the API of cfg. The caller must close it.
func New(cfg Config) *API {
	cfg = cfg.withDefaults()
	a := &API{
		Config:      cfg,
		router:      chi.NewRouter(),
		connLimiter: newConnLimiter(cfg.MaxConnections),
		keys:        apikey.NewKeyring(cfg.Pool),
		addressRate: newLimiter[netip.Addr]("address", cfg.AddressRate, int(max(1, 2*cfg.AddressRate))),
		keyRate:     newLimiter[int64]("key", cfg.KeyRate, int(max(1, 2*cfg.KeyRate))),
		logins:      newLimiter[netip.Addr]("logins", float64(cfg.WrongKeys)/60, cfg.WrongKeys),
		queries:     make(slots, cfg.MaxRequests),
		batches:     make(slots, maxBatches),
	}
	a.connect()
	a.handler = a.router
	if cfg.Tracer != nil {
		a.handler = otelhttp.NewHandler(a.router, "request", otelhttp.WithTracerProvider(cfg.Tracer),
			otelhttp.WithPropagators(propagation.TraceContext{}))
	}
	if cfg.Metrics != nil {
		a.measure(cfg.Metrics)
	}
	a.life, a.end = context.WithCancel(context.Background())
	a.router.Use(a.observe, secure)
	if len(cfg.AllowOrigins) > 0 {
		a.router.Use(a.allowOrigins()) // before the limits, so that pages can read how long to wait
	}
	a.router.Use(a.limitRate, a.limit, routable)
	a.router.NotFound(notFound)
	a.router.MethodNotAllowed(methodNotAllowed(a.router))
	a.routes = humachi.New(a.router, documentConfig(cfg.Version))
	a.questions()
	a.rules()
	a.orders()
	a.hooks()
	a.tools()
	a.health()
	a.dashboard()
	a.pages()
	return a
}

// Close ends background work.
func (a *API) Close() { a.end() }

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// requirements is what a route requires of a request, checked in this order before the handler runs. The zero value,
// for health checks and pages, requires nothing.
type requirements struct {
	scope   apikey.Scope // of the key; "": no key needed
	body    int64        // maximum bytes of a JSON body; 0: no body
	anyType bool         // the body need not be JSON; its signature is checked before it is parsed
	slots   slots        // limits concurrent requests; nil: no limit
	of      *upstream    // only this one will do; nil: any
}

// register adds an operation with its requirements. Errors become problems, and the document lists them.
func register[I, O any](a *API, d requirements, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	where := "query"
	switch op.Method {
	case http.MethodPost:
		where = "body"
	case http.MethodDelete:
		where = "path"
	}
	a.require(d, &op)
	huma.Register(a.routes, op, func(ctx context.Context, in *I) (*O, error) {
		ctx, done := a.on(ctx, d.of)
		defer done()
		out, err := handler(ctx, in)
		if err != nil {
			return nil, problem(ctx, err, where)
		}
		return out, nil
	})
}

// require adds the checks of d to an operation, and documents them.
func (a *API) require(d requirements, op *huma.Operation) {
	var first huma.Middlewares
	if d.scope != "" {
		op.Security = []map[string][]string{{keyScheme: {}}}
		op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden)
		first = append(first, a.checkKey(d.scope))
	}
	if d.body > 0 {
		op.MaxBodyBytes = d.body + 1 // huma refuses a body of exactly the limit; readBody enforces it instead
		op.BodyReadTimeout = -1
		op.Errors = append(op.Errors,
			http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
		first = append(first, a.readBody(d.body, d.anyType))
	}
	if d.slots != nil {
		op.Errors = append(op.Errors, http.StatusServiceUnavailable)
		first = append(first, a.within(d.slots))
	}
	op.Middlewares = append(first, op.Middlewares...)
}
