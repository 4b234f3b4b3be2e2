package admin

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
)

var (
	replicaUp        = describe("replica_up", "1 if the replica answered this scrape; missing without a replica.")
	replicaStreaming = describe("replica_streaming", "1 if the replica is connected to its primary.")
	replicaLag       = describe("replica_lag_seconds", "Upper bound of the lag of the replica; "+
		"missing if it has replayed no commit since it started.")
	replicaBuild = describe("replica_active_build", "ID of the active build on the replica, 0 if there is none.")
)

// replicaCollector asks the replica that questions go to how far it is behind: one of its own, or the database if that
// is one.
type replicaCollector struct {
	pool, replica pg.Database
	logger        *slog.Logger
}

// Describe is Prometheus's.
func (c replicaCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{replicaUp, replicaStreaming, replicaLag, replicaBuild} {
		to <- d
	}
}

// Collect is Prometheus's.
func (c replicaCollector) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value)
	}
	ctx, cancel := context.WithTimeout(context.Background(), queryTimeout)
	defer cancel()
	source := c.replica
	if source == nil {
		source = c.pool
	}
	access, err := pg.FindAccess(ctx, source)
	var fresh db.BuildFreshnessRow
	if err == nil {
		fresh, err = db.New(source).BuildFreshness(ctx)
	}
	switch {
	case err != nil && c.replica != nil:
		c.logger.WarnContext(ctx, "metrics of the replica are missing", slog.Any("error", err))
		gauge(replicaUp, 0)
		return
	case err != nil, access.Replica == nil && c.replica == nil:
		return
	}
	gauge(replicaUp, 1)
	gauge(replicaBuild, float64(fresh.BuildID))
	replica := access.Replica
	if replica == nil { // it was promoted
		return
	}
	streaming := 0.0
	if replica.Streaming {
		streaming = 1
	}
	gauge(replicaStreaming, streaming)
	if replica.Lag != nil {
		gauge(replicaLag, replica.Lag.Seconds())
	}
}
