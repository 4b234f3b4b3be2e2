package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"runtime/debug"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/admin"
	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/dashboard"
	"github.com/alsobought/alsobought/internal/httpapi"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
)

// listening configures the API server: address, access and logs.
type listening struct {
	Addr      string `env:"ALSOBOUGHT_ADDR" default:"127.0.0.1:8000" placeholder:"HOST:PORT" help:"Address to listen on (default ${default})."`
	LogFormat string `env:"ALSOBOUGHT_LOG_FORMAT" default:"text" enum:"text,json" help:"text or json (default ${default})."`
	LogLevel  string `env:"ALSOBOUGHT_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error (default ${default})."`
	answering
	limiting
	rebuilding
	hooking
	AdminAddr string `env:"ALSOBOUGHT_ADMIN_ADDR" placeholder:"HOST:PORT" help:"Address for /metrics and /debug/pprof/; keep it private (default: off)."`

	guest apikey.Key // the identity of dashboard visitors without a key; not a flag
}

// Validate is called by kong after parsing.
func (l *listening) Validate() error {
	return errors.Join(l.answering.Validate(), l.limiting.Validate(), l.rebuilding.Validate())
}

// answering configures the cache of answers.
type answering struct {
	Cache        int64  `env:"ALSOBOUGHT_CACHE" default:"64" placeholder:"MIB" help:"Memory for cached answers; 0 for none (default ${default})."`
	CacheControl string `env:"ALSOBOUGHT_CACHE_CONTROL" default:"no-cache" placeholder:"VALUE" help:"Cache-Control header of answers (default ${default})."`
}

// Validate is called by listening.Validate.
func (a *answering) Validate() error {
	const most = 1 << 20
	if a.Cache < 0 || a.Cache > most {
		return fmt.Errorf("cache is %d MiB: choose 0 to %d", a.Cache, most)
	}
	return nil
}

// limiting configures limits on clients.
//
//nolint:lll // tags cannot be broken
type limiting struct {
	PublicRead     *bool         `env:"ALSOBOUGHT_PUBLIC_READ" negatable:"" help:"Allow questions without a key (default: on loopback addresses only)."`
	AllowOrigin    []origin      `env:"ALSOBOUGHT_ALLOW_ORIGIN" placeholder:"ORIGIN" help:"Allow browser requests from this origin, such as https://shop.example, or * (repeatable)."`
	TrustedProxy   []network     `env:"ALSOBOUGHT_TRUSTED_PROXY" placeholder:"CIDR" help:"Trust X-Forwarded-For from these proxies (repeatable)."`
	RateLimit      *float64      `env:"ALSOBOUGHT_RATE_LIMIT" placeholder:"N" help:"Requests per second and address; 0 for no limit (default 100; none on loopback without --trusted-proxy)."`
	KeyRateLimit   *float64      `env:"ALSOBOUGHT_KEY_RATE_LIMIT" placeholder:"N" help:"Requests per second and key; 0 for no limit (default: ten times --rate-limit)."`
	MaxRequests    int           `env:"ALSOBOUGHT_MAX_REQUESTS" default:"512" placeholder:"N" help:"Maximum concurrent requests (default ${default})."`
	MaxConnections int           `env:"ALSOBOUGHT_MAX_CONNECTIONS" default:"4096" placeholder:"N" help:"Maximum open connections (default ${default})."`
	Drain          time.Duration `env:"ALSOBOUGHT_DRAIN" default:"10s" placeholder:"TIME" help:"Time to finish open requests on shutdown (default ${default})."`
	DrainDelay     time.Duration `env:"ALSOBOUGHT_DRAIN_DELAY" default:"0s" placeholder:"TIME" help:"Keep accepting requests for this long after /readyz turns unready (default ${default})."`
	Timeout        time.Duration `env:"ALSOBOUGHT_TIMEOUT" default:"10s" placeholder:"TIME" help:"Time limit of a request (default ${default})."`
}

// Validate is called by listening.Validate.
func (l *limiting) Validate() error {
	const mostTime, mostDrain = 50 * time.Second, 10 * time.Minute
	switch {
	case !isRate(l.RateLimit):
		return fmt.Errorf("rate-limit is %v: choose 0 to 1000000 requests a second", *l.RateLimit)
	case !isRate(l.KeyRateLimit):
		return fmt.Errorf("key-rate-limit is %v: choose 0 to 1000000 requests a second", *l.KeyRateLimit)
	case l.MaxRequests < 1:
		return fmt.Errorf("max-requests is %d: choose 1 or more", l.MaxRequests)
	case l.MaxConnections < 1:
		return fmt.Errorf("max-connections is %d: choose 1 or more", l.MaxConnections)
	case l.Timeout < 100*time.Millisecond || l.Timeout > mostTime:
		return fmt.Errorf("timeout is %s: choose 100ms to %s", l.Timeout, mostTime)
	case l.Drain < 100*time.Millisecond || l.Drain > mostDrain:
		return fmt.Errorf("drain is %s: choose 100ms to %s", l.Drain, mostDrain)
	case l.DrainDelay < 0 || l.DrainDelay > mostDrain:
		return fmt.Errorf("drain-delay is %s: choose 0s to %s", l.DrainDelay, mostDrain)
	}
	return nil
}

func isRate(perSecond *float64) bool { return perSecond == nil || *perSecond >= 0 && *perSecond <= 1e6 }

// usualRate is the default limit per address, in requests per second.
const usualRate = 100

// rates returns the limits per address and per key, in requests per second; 0 is no limit. Loopback addresses have no
// default limit unless a proxy forwards other clients.
func (l *limiting) rates(local bool) (address, key float64) {
	address = usualRate
	if local && len(l.TrustedProxy) == 0 {
		address = 0
	}
	if l.RateLimit != nil {
		address = *l.RateLimit
	}
	if l.KeyRateLimit != nil {
		return address, *l.KeyRateLimit
	}
	return address, 10 * address
}

// keyedReads reports whether questions need a key. It refuses to open an address that others can reach to everybody
// unless asked to, and to serve if a key is needed but none may read.
func (l *limiting) keyedReads(ctx context.Context, pool pg.Database, addr net.Addr) (bool, error) {
	if l.PublicRead != nil && *l.PublicRead || l.PublicRead == nil && isLocal(addr) {
		return false, nil
	}
	usable, err := apikey.Usable(ctx, pool, apikey.Read, apikey.Admin)
	if err == nil && !usable && !isLocal(addr) {
		err = usageError{fmt.Errorf("%s is reachable from other machines, but no usable key can read: create one with "+
			"alsobought keys create NAME, or allow questions without a key with --public-read", addr)}
	}
	return true, err
}

// origin is an origin as in RFC 6454, or "*".
type origin string

// UnmarshalText is called by kong while parsing.
func (o *origin) UnmarshalText(text []byte) error {
	*o = origin(text)
	u, err := url.Parse(string(text))
	if *o != "*" && (err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" ||
		u.Scheme+"://"+u.Host != string(text)) {
		return fmt.Errorf("%q is not an origin: use a form like https://shop.example, without a path", text)
	}
	return nil
}

// network is a CIDR or a single address.
type network netip.Prefix

// UnmarshalText is called by kong while parsing.
func (n *network) UnmarshalText(text []byte) error {
	if addr, err := netip.ParseAddr(string(text)); err == nil {
		*n = network(netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
		return nil
	}
	prefix, err := netip.ParsePrefix(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a network: use a form like 10.0.0.0/8", text)
	}
	*n = network(prefix)
	return nil
}

// listen opens the address before anything else, so that an address in use, or a missing secret, is not discovered after
// minutes of work.
func (l *listening) listen(ctx context.Context) (net.Listener, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	return listen(ctx, l.Addr, "--addr")
}

// listen listens on an address given by a flag.
func listen(ctx context.Context, addr, flag string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		if cause := new(net.OpError); errors.As(err, &cause) {
			err = cause.Err
		}
		return nil, fmt.Errorf("cannot listen on %s: %w; choose another with %s", addr, err, flag)
	}
	return listener, nil
}

// isLocal reports whether only this machine can reach the address.
func isLocal(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// gcPercent lets the heap grow to five times its live size: a heap of a few MB would otherwise be collected a hundred
// times a second.
const gcPercent = 400

// pools are the connection pools of a server.
type pools struct {
	primary *pgxpool.Pool
	replica *pgxpool.Pool // for questions; nil sends them to the primary
	loader  *pgxpool.Pool // role that may load and build; nil if there is none
}

// trace replaces the pools by ones whose statements are traced, unless the tracer is nil.
func (p *pools) trace(ctx context.Context, tracer pgx.QueryTracer) (closeAll func(), err error) {
	var traced []*pgxpool.Pool
	closeAll = func() {
		for _, pool := range traced {
			pool.Close()
		}
	}
	for _, pool := range []**pgxpool.Pool{&p.primary, &p.replica, &p.loader} {
		if tracer == nil || *pool == nil {
			continue
		}
		again, err := pg.Traced(ctx, *pool, tracer)
		if err != nil {
			closeAll()
			return nil, err
		}
		traced = append(traced, again)
		(*pool).Reset() // its idle connections are no longer needed
		*pool = again
	}
	return closeAll, nil
}

// serve serves requests on listener until ctx is done. It calls announce once it accepts requests.
func (l *listening) serve(ctx context.Context, term *terminal, listener net.Listener, p pools, announce func()) error {
	logger, err := l.logger(term)
	if err != nil {
		return err
	}
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(gcPercent)
	}
	tracing, err := newTracing(ctx)
	if err != nil {
		return err
	}
	defer tracing.stop()
	closePools, err := p.trace(ctx, tracing.queries)
	if err != nil {
		return err
	}
	defer closePools()
	service := pg.Service{Timeout: l.Timeout, Warm: recommend.Warm}
	serving, err := pg.Serving(ctx, p.primary, service)
	if err != nil {
		return err
	}
	defer serving.Close()
	cfg, err := l.config(ctx, serving, listener.Addr())
	if err != nil {
		return err
	}
	if p.replica != nil {
		replica, err := pg.Serving(ctx, p.replica, service)
		if err != nil {
			return err
		}
		defer replica.Close()
		cfg.Replica = replica
	}
	cfg.Logger, cfg.Tracer = logger, tracing.provider
	stopAdmin, err := l.administer(ctx, &cfg)
	if err != nil {
		return err
	}
	defer stopAdmin()
	stop, err := l.takeOrders(ctx, &cfg, p.loader, pg.Service{Timeout: l.Timeout})
	if err != nil {
		return err
	}
	defer stop()
	var api *httpapi.API
	screens := dashboard.New(dashboard.Config{
		Pool: p.primary, Loader: p.loader, Version: version, Logger: logger, OpenReads: !cfg.KeyedReads, Guest: l.guest,
		CacheStats: func() recommend.Stats { return api.CacheStats() }, // asked by requests, which come later
	})
	defer screens.Close()
	cfg.Dashboard = screens
	api = httpapi.New(cfg)
	defer api.Close()
	announce()
	tellSystemd(ctx, logger)
	return api.Serve(ctx, listener)
}

// tellSystemd notifies systemd (Type=notify) that the server is ready and, when ctx is done, that it is stopping.
func tellSystemd(ctx context.Context, logger *slog.Logger) {
	tell := func(state string) {
		if _, err := daemon.SdNotify(false, state); err != nil {
			logger.WarnContext(ctx, "cannot notify systemd", slog.String("state", state), slog.Any("error", err))
		}
	}
	tell(daemon.SdNotifyReady)
	context.AfterFunc(ctx, func() { tell(daemon.SdNotifyStopping) })
}

// administer serves the admin address, if there is one, until stop is called, which is after the last request, so that
// shutdown can be observed too.
func (l *listening) administer(ctx context.Context, cfg *httpapi.Config) (stop func(), err error) {
	if l.AdminAddr == "" {
		return func() {}, nil
	}
	logger, registry := cfg.Logger, admin.NewRegistry(cfg.Pool, cfg.Replica, version, cfg.Logger)
	cfg.Metrics = registry
	listener, err := listen(ctx, l.AdminAddr, "--admin-addr")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- admin.Serve(ctx, listener, registry, logger) }()
	logger.InfoContext(ctx, "serving metrics and profiles", slog.String("addr", listener.Addr().String()))
	return func() {
		cancel()
		if err := <-ended; err != nil {
			logger.ErrorContext(ctx, "metrics and profiles failed", slog.Any("error", err))
		}
	}, nil
}

func (l *listening) logger(term *terminal) (*slog.Logger, error) {
	level := slog.LevelInfo
	if err := level.UnmarshalText([]byte(l.LogLevel)); err != nil {
		return nil, usageError{err}
	}
	options := &slog.HandlerOptions{Level: level}
	if l.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(term.stderr, options)), nil
	}
	return slog.New(slog.NewTextHandler(term.stderr, options)), nil
}

// config returns the configuration of the API on addr.
func (l *listening) config(ctx context.Context, pool pg.Database, addr net.Addr) (httpapi.Config, error) {
	keyed, err := l.keyedReads(ctx, pool, addr)
	if err != nil {
		return httpapi.Config{}, err
	}
	perAddress, perKey := l.rates(isLocal(addr))
	cfg := httpapi.Config{
		Pool: pool, Version: version, Timeout: l.Timeout, CacheBytes: l.Cache << 20, CacheControl: l.CacheControl,
		KeyedReads: keyed, AddressRate: perAddress, KeyRate: perKey,
		MaxRequests: l.MaxRequests, MaxConnections: l.MaxConnections, Drain: l.Drain, DrainDelay: l.DrainDelay,
	}
	for _, origin := range l.AllowOrigin {
		cfg.AllowOrigins = append(cfg.AllowOrigins, string(origin))
	}
	for _, proxy := range l.TrustedProxy {
		cfg.TrustedProxies = append(cfg.TrustedProxies, netip.Prefix(proxy))
	}
	return cfg, nil
}
