// Package admin is what an operator's tools ask a server, on an address of its own: metrics for Prometheus and profiles for pprof. It asks for no
// key, so nobody else should reach it. It answers no questions, and changes nothing.
package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof" // also puts its handlers into the default mux, which nothing serves
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/alsobought/alsobought/internal/pg"
)

const (
	headerTimeout = 5 * time.Second
	idleTimeout   = 2 * time.Minute
	scrapeTimeout = 5 * time.Second
	mostScrapes   = 4 // at a time
)

// NewRegistry returns a registry of what is known of this process, named version, of its pools, and of the database, which is asked at each
// scrape. replica is nil where there is none. What else there is to measure is registered by whoever measures it.
func NewRegistry(pool, replica pg.Database, version string, logger *slog.Logger) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "alsobought_build_info", Help: "1, with the version of the program.", ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	registry.MustRegister(
		info,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		poolCollector{map[string]pg.Database{"primary": pool, "replica": replica}},
		databaseCollector{pool, logger},
		replicaCollector{pool, replica, logger},
	)
	return registry
}

// Serve answers on listener until ctx ends: /metrics and /debug/pprof/. It closes listener.
func Serve(ctx context.Context, listener net.Listener, registry *prometheus.Registry, logger *slog.Logger) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.InstrumentMetricHandler(registry, promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn), Timeout: scrapeTimeout, MaxRequestsInFlight: mostScrapes,
	})))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // a profile may take minutes, and nobody needs its end
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	}
	return nil
}
