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
	poolConnections = describe("pool_connections",
		"Connections to the database, by server and state: in_use, idle, connecting.", "server", "state")
	poolMax       = describe("pool_connections_max", "Maximum number of connections to the database.", "server")
	poolWaits     = describe("pool_waits_total", "Requests that had to wait for a connection.", "server")
	poolWaited    = describe("pool_wait_seconds_total", "Total time spent waiting for a connection.", "server")
	poolAbandoned = describe("pool_waits_given_up_total", "Requests that stopped waiting for a connection.", "server")
)

// poolCollector collects the state of the connection pools, by server. A pool that does not exist is nil.
type poolCollector struct{ pools map[string]pg.Database }

// Describe implements prometheus.Collector.
func (c poolCollector) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, to) }

// Collect implements prometheus.Collector.
func (c poolCollector) Collect(to chan<- prometheus.Metric) {
	for server, pool := range c.pools {
		if pool == nil {
			continue
		}
		s := pool.Stat()
		for state, n := range map[string]int32{
			"in_use": s.AcquiredConns(), "idle": s.IdleConns(), "connecting": s.ConstructingConns(),
		} {
			to <- prometheus.MustNewConstMetric(poolConnections, prometheus.GaugeValue, float64(n), server, state)
		}
		to <- prometheus.MustNewConstMetric(poolMax, prometheus.GaugeValue, float64(s.MaxConns()), server)
		to <- prometheus.MustNewConstMetric(poolWaits, prometheus.CounterValue, float64(s.EmptyAcquireCount()), server)
		to <- prometheus.MustNewConstMetric(poolWaited, prometheus.CounterValue, s.EmptyAcquireWaitTime().Seconds(), server)
		to <- prometheus.MustNewConstMetric(poolAbandoned, prometheus.CounterValue, float64(s.CanceledAcquireCount()), server)
	}
}

var (
	databaseUp    = describe("database_up", "1 if the database answered; 0 if not, and then its metrics are missing.")
	buildID       = describe("active_build", "ID of the active build, 0 if there is none.")
	buildBuilt    = describe("active_build_built_timestamp_seconds", "When the active build was made.")
	buildSize     = describe("active_build_size", "Size of the active build: orders, items, pairs, neighbours.", "of")
	pendingOrders = describe("pending_orders",
		"Orders added, changed or deleted since the active build; missing if unknown.")
	rows         = describe("rows", "Rows of the files of all loads that were not reverted, by outcome.", "outcome")
	failedLoads  = describe("failed_loads", "Loads that failed.")
	ruleChanges  = describe("rule_changes_total", "Rules added or ended.")
	rulesInForce = describe("rules_in_force", "Rules in force.")
)

// databaseCollector queries the database. All servers report the same values.
type databaseCollector struct {
	pool   pg.Database
	logger *slog.Logger
}

// Describe implements prometheus.Collector. The metrics depend on the database, so it lists all possible ones.
func (c databaseCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		databaseUp, buildID, buildBuilt, buildSize, pendingOrders, rows, failedLoads, ruleChanges, rulesInForce,
	} {
		to <- d
	}
}

// queryTimeout leaves time to scrape the metrics that do not need the database.
const queryTimeout = 2 * time.Second

// Collect implements prometheus.Collector.
func (c databaseCollector) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
	defer cancel()
	queries := db.New(c.pool)
	fresh, err := queries.BuildFreshness(ctx)
	var m db.MetricsGetRow
	if err == nil {
		m, err = queries.MetricsGet(ctx)
	}
	if err != nil {
		c.logger.WarnContext(ctx, "database metrics are missing", slog.Any("error", err))
		gauge(databaseUp, 0)
		return
	}
	gauge(databaseUp, 1)
	gauge(buildID, float64(fresh.BuildID))
	if fresh.BuiltAt != nil {
		gauge(buildBuilt, float64(fresh.BuiltAt.UnixMilli())/1000)
	}
	for of, n := range map[string]int64{
		"orders": m.Orders, "items": m.Items, "pairs": m.Pairs, "neighbours": m.Neighbours,
	} {
		gauge(buildSize, float64(n), of)
	}
	if fresh.Pending >= 0 {
		gauge(pendingOrders, float64(fresh.Pending))
	}
	for outcome, n := range map[string]int64{
		"loaded": m.RowsLoaded, "duplicate": m.RowsDuplicate, "not_bought": m.RowsNotBought, "rejected": m.RowsRejected,
	} {
		gauge(rows, float64(n), outcome)
	}
	gauge(failedLoads, float64(m.Failed))
	gauge(rulesInForce, float64(m.RulesInForce))
	to <- prometheus.MustNewConstMetric(ruleChanges, prometheus.CounterValue, float64(m.RuleChanges))
}
