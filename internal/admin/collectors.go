package admin

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("alsobought_"+name, help, labels, nil)
}

var (
	poolConnections = describe("pool_connections", "Connections to the database, by server and state: in_use, idle, connecting.", "server", "state")
	poolMost        = describe("pool_connections_max", "How many there may be.", "server")
	poolWaits       = describe("pool_waits_total", "How often none was free.", "server")
	poolWaited      = describe("pool_wait_seconds_total", "How long that was waited for.", "server")
	poolGivenUp     = describe("pool_waits_given_up_total", "How often nobody waited for it to the end.", "server")
)

// poolCollector tells how busy the pools are. That of a server that there is not is nil.
type poolCollector struct{ pools map[string]pg.Database }

// Describe is Prometheus's.
func (c poolCollector) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, to) }

// Collect is Prometheus's.
func (c poolCollector) Collect(to chan<- prometheus.Metric) {
	for server, pool := range c.pools {
		if pool == nil {
			continue
		}
		s := pool.Stat()
		for state, n := range map[string]int32{"in_use": s.AcquiredConns(), "idle": s.IdleConns(), "connecting": s.ConstructingConns()} {
			to <- prometheus.MustNewConstMetric(poolConnections, prometheus.GaugeValue, float64(n), server, state)
		}
		to <- prometheus.MustNewConstMetric(poolMost, prometheus.GaugeValue, float64(s.MaxConns()), server)
		to <- prometheus.MustNewConstMetric(poolWaits, prometheus.CounterValue, float64(s.EmptyAcquireCount()), server)
		to <- prometheus.MustNewConstMetric(poolWaited, prometheus.CounterValue, s.EmptyAcquireWaitTime().Seconds(), server)
		to <- prometheus.MustNewConstMetric(poolGivenUp, prometheus.CounterValue, float64(s.CanceledAcquireCount()), server)
	}
}

var (
	databaseUp    = describe("database_up", "1 if the database answered when the metrics were asked for; 0 if not, and then its own are missing.")
	buildID       = describe("active_build", "The active build, 0 if there is none.")
	buildBuilt    = describe("active_build_built_timestamp_seconds", "When the active build was made.")
	buildSize     = describe("active_build_size", "Of the active build: orders, items, pairs, neighbours.", "of")
	pendingOrders = describe("pending_orders", "Orders added, changed or deleted since the active build looked; missing if that is not known.")
	rows          = describe("rows", "Rows of files, of loads in force, by what became of them.", "fate")
	failedLoads   = describe("failed_loads", "Loads that failed.")
	ruleChanges   = describe("rule_changes_total", "How often a rule was added or ended.")
	rulesInForce  = describe("rules_in_force", "Rules that answers follow.")
)

// databaseCollector asks the database, whose figures are the same whichever server is asked.
type databaseCollector struct {
	pool   pg.Database
	logger *slog.Logger
}

// Describe is Prometheus's. What there is depends on the database, so it names everything there may be.
func (c databaseCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		databaseUp, buildID, buildBuilt, buildSize, pendingOrders, rows, failedLoads, ruleChanges, rulesInForce,
	} {
		to <- d
	}
}

// askTimeout leaves time for a scrape of what can be had without the database.
const askTimeout = 2 * time.Second

// Collect is Prometheus's.
func (c databaseCollector) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	queries := db.New(c.pool)
	fresh, err := queries.BuildFreshness(ctx)
	var m db.MetricsGetRow
	if err == nil {
		m, err = queries.MetricsGet(ctx)
	}
	if err != nil {
		c.logger.WarnContext(ctx, "metrics of the database are missing", slog.Any("error", err))
		gauge(databaseUp, 0)
		return
	}
	gauge(databaseUp, 1)
	gauge(buildID, float64(fresh.BuildID))
	if fresh.BuiltAt != nil {
		gauge(buildBuilt, float64(fresh.BuiltAt.UnixMilli())/1000)
	}
	for of, n := range map[string]int64{"orders": m.Orders, "items": m.Items, "pairs": m.Pairs, "neighbours": m.Neighbours} {
		gauge(buildSize, float64(n), of)
	}
	if fresh.Pending >= 0 {
		gauge(pendingOrders, float64(fresh.Pending))
	}
	for fate, n := range map[string]int64{
		"loaded": m.RowsLoaded, "duplicate": m.RowsDuplicate, "not_bought": m.RowsNotBought, "rejected": m.RowsRejected,
	} {
		gauge(rows, float64(n), fate)
	}
	gauge(failedLoads, float64(m.Failed))
	gauge(rulesInForce, float64(m.RulesInForce))
	to <- prometheus.MustNewConstMetric(ruleChanges, prometheus.CounterValue, float64(m.RuleChanges))
}
