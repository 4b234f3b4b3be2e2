package builds

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
)

// Schedule sets when changed orders trigger a rebuild. A zero field disables that trigger.
type Schedule struct {
	After int64         // number of orders changed since the active build
	Every time.Duration // age of the active build, if any order changed since
}

const (
	pollInterval = time.Second
	// The pause after a build is a multiple of its duration, so that builds take at most a fifth of the time.
	restFactor = 4
	// Failed builds are retried with growing pauses, because each attempt is recorded in builds.
	firstPause = 10 * time.Second
	lastPause  = 10 * time.Minute
)

// Due reports whether it is time for a build. If the active build is not the newest, somebody chose it, by a
// rollback or by refusing a newer one, and no build is due.
func (s Schedule) Due(f db.BuildFreshnessRow) bool {
	if f.Pending == 0 || !f.Newest {
		return false
	}
	if f.BuildID == 0 {
		return true
	}
	if f.Age < restFactor*f.Seconds {
		return false
	}
	return s.After > 0 && f.Pending >= s.After || s.Every > 0 && f.Age >= s.Every.Seconds()
}

// CurrentSettings returns the settings of the active build, or the defaults if there is none.
func CurrentSettings(ctx context.Context, database db.DBTX) (Settings, error) {
	active, err := db.New(database).BuildActive(ctx)
	if errors.Is(err, pgx.ErrNoRows) {
		return DefaultSettings(), nil
	}
	if err != nil {
		return Settings{}, fmt.Errorf("find active build: %w", err)
	}
	return SettingsOf(active), nil
}

// Follow rebuilds with the active build's settings whenever the schedule says so, until ctx ends; opts.Settings
// is ignored. If several processes follow the same database, only one of them builds. Errors are logged and do
// not end it.
func Follow(ctx context.Context, pool *pgxpool.Pool, s Schedule, opts Options, logger *slog.Logger) {
	if s == (Schedule{}) {
		return
	}
	for pause := time.Duration(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(pollInterval, pause)):
		}
		built, err := runIfDue(ctx, pool, s, opts)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !pg.IsUnavailable(err):
			pause = min(max(firstPause, 2*pause), lastPause)
			logger.LogAttrs(ctx, slog.LevelError, "rebuild failed",
				slog.Any("error", err), slog.Duration("next_try_in", pause))
		case built.BuildID != 0:
			logger.LogAttrs(ctx, slog.LevelInfo, "rebuilt",
				slog.Int64("build_id", built.BuildID), slog.Int64("orders", built.Orders),
				slog.Float64("seconds", built.StatsSeconds+built.PairsSeconds+built.NeighboursSeconds))
			pause = 0
		default:
			pause = 0
		}
	}
}

// runIfDue returns a zero build if none is due, another process is building, or the database is read-only.
func runIfDue(ctx context.Context, pool *pgxpool.Pool, s Schedule, opts Options) (built db.Build, err error) {
	fresh, err := db.New(pool).BuildFreshness(ctx)
	if err != nil {
		return built, fmt.Errorf("find changed orders: %w", err)
	}
	if !s.Due(fresh) {
		return built, nil
	}
	if access, err := pg.FindAccess(ctx, pool); err != nil || access.ReadOnly {
		return built, err
	}
	err = pg.Reserve(ctx, pool, func(conn *pgx.Conn) error {
		free, err := pg.TryLock(ctx, conn, pg.BuildLock, 0)
		if err != nil || !free {
			return err
		}
		// Another server may have built since.
		if fresh, err = db.New(conn).BuildFreshness(ctx); err != nil || !s.Due(fresh) {
			return err
		}
		if err := cleanUp(ctx, conn); err != nil {
			return err
		}
		if opts.Settings, err = CurrentSettings(ctx, conn); err != nil {
			return err
		}
		built, err = run(ctx, pool, conn, opts)
		return err
	})
	return built, err
}
