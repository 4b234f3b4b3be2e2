package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/alsobought/alsobought/internal/recommend"
)

// Reasons for refusing requests: labels of alsobought_http_refused_total.
const (
	refusedAddress     = "address_rate"
	refusedKey         = "key_rate"
	refusedLogins      = "wrong_keys"
	refusedConcurrency = "concurrency"
)

// metrics are the API's collectors. nil counts nothing.
type metrics struct {
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
	inFlight  prometheus.Gauge
	refused   *prometheus.CounterVec
	stale     prometheus.Counter
	primary   *prometheus.CounterVec
}

// Reasons for asking the primary although there is a replica: labels of alsobought_http_questions_to_primary_total.
const (
	replicaAway  = "replica_away"
	unknownOrder = "unknown_order"
)

// A cached answer takes a fraction of a millisecond, a computed one a few milliseconds. The request timeout is the
// maximum.
var durationBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// measure registers the API's metrics.
func (a *API) measure(registry prometheus.Registerer) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alsobought_http_requests_total", Help: "Requests answered.",
		}, []string{"method", "route", "status"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "alsobought_http_request_duration_seconds", Help: "Duration of requests.", Buckets: durationBuckets,
		}, []string{"route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "alsobought_http_requests_in_flight", Help: "Requests in progress.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alsobought_http_refused_total", Help: "Requests refused by a limit.",
		}, []string{"limit"}),
		stale: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "alsobought_http_stale_answers_total", Help: "Stale answers served from the cache because the database was unavailable.",
		}),
	}
	if a.Replica != nil {
		m.primary = prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "alsobought_http_questions_to_primary_total", Help: "Questions sent to the primary although there is a replica.",
		}, []string{"why"})
		for _, why := range []string{replicaAway, unknownOrder} {
			m.primary.WithLabelValues(why)
		}
		registry.MustRegister(m.primary)
	}
	for _, limit := range []string{refusedAddress, refusedKey, refusedLogins, refusedConcurrency} {
		m.refused.WithLabelValues(limit)
	}
	registry.MustRegister(m.requests, m.durations, m.inFlight, m.refused, m.stale)
	counter := func(name, help string, value func() float64) {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "alsobought_" + name, Help: help}, value))
	}
	gauge := func(name, help string, value func() float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "alsobought_" + name, Help: help}, value))
	}
	gauge("http_connections", "Open client connections.", func() float64 { return float64(a.connLimiter.size()) })
	gauge("http_connections_max", "Limit of open client connections.", func() float64 { return float64(a.connLimiter.most) })
	counter("http_connections_evicted_total", "Idle connections closed to make room for others.", func() float64 { return float64(a.connLimiter.evicted.Load()) })
	counter("cache_hits_total", "Answers served from the cache.", func() float64 { return float64(a.CacheStats().Hits) })
	counter("cache_misses_total", "Answers not found in the cache.", func() float64 { return float64(a.CacheStats().Misses) })
	gauge("cache_bytes", "Approximate size of the answer cache.", func() float64 { return float64(a.CacheStats().Bytes) })
	gauge("cache_bytes_max", "Limit of the size of the answer cache.", func() float64 { return float64(a.CacheBytes) })
	gauge("database_away", "1 while the database is unavailable and cached answers are served as stale.", func() float64 {
		if a.isAway() {
			return 1
		}
		return 0
	})
	a.metrics = m
}

func (m *metrics) began() {
	if m != nil {
		m.inFlight.Inc()
	}
}

func (m *metrics) ended(method, route string, status int, x *requestState, took time.Duration) {
	if m == nil {
		return
	}
	m.inFlight.Dec()
	m.requests.WithLabelValues(known(method), route, strconv.Itoa(status)).Inc()
	m.durations.WithLabelValues(route).Observe(took.Seconds())
	if x.stale {
		m.stale.Inc()
	}
}

// askedPrimary counts a question that goes to the primary.
func (m *metrics) askedPrimary(why string) {
	if m != nil && m.primary != nil {
		m.primary.WithLabelValues(why).Inc()
	}
}

// CacheStats returns statistics of the answer cache, which all upstreams share.
func (a *API) CacheStats() recommend.Stats {
	s := a.reads.answers.Stats()
	if a.reads != a.primary {
		other := a.primary.answers.Stats()
		s.Hits, s.Misses = s.Hits+other.Hits, s.Misses+other.Misses
	}
	return s
}

func (m *metrics) refuse(limit string) {
	if m != nil {
		m.refused.WithLabelValues(limit).Inc()
	}
}

// known returns the method, or a placeholder for nonstandard ones, to bound the number of labels.
func known(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}
