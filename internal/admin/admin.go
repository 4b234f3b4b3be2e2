// Package admin serves an operator's tools on a separate address: metrics for Prometheus and profiles for
// pprof. It does not require a key, so only operators should be able to reach it. It answers no questions and
// changes nothing.
package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof" // also registers with http.DefaultServeMux, which is never served
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
	maxScrapes    = 4 // concurrent
)

// NewRegistry returns a registry with metrics of this process, its connection pools and the database, which is queried
// at each scrape. replica is nil if there is none. Other packages register their own metrics with it.
func NewRegistry(pool, replica pg.Database, version string, logger *slog.Logger) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "alsobought_build_info", Help: "Always 1; the label is the version of the program.",
		ConstLabels: prometheus.Labels{"version": version},
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

// Serve serves /metrics and /debug/pprof/ on listener until ctx ends. It closes listener.
func Serve(ctx context.Context, listener net.Listener, registry *prometheus.Registry, logger *slog.Logger) error {
	mux := http.NewServeMux()
	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		Timeout:  scrapeTimeout, MaxRequestsInFlight: maxScrapes,
	})
	mux.Handle("GET /metrics", promhttp.InstrumentMetricHandler(registry, metrics))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout}
	// Close, not Shutdown: a profile may take minutes.
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	}
	return nil
}
