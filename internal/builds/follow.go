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

// Schedule says when changed orders are worth a build. A zero field never makes one due.
type Schedule struct {
	After int64         // so many orders changed since the active build
	Every time.Duration // the active build is this old, and any order changed since
}

const (
	lookEvery = time.Second
	// Building takes at most a fifth of the time, however fast orders arrive.
	restFactor = 4
	// A build that fails is not repeated at once: each try is a row of the audit.
	firstPause = 10 * time.Second
	lastPause  = 10 * time.Minute
)

// Due reports whether it is time for a build. Unless there is none at all, nothing changes while an older build than the newest is active:
// somebody has chosen it, by a rollback or by refusing the newer one.
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

// CurrentSettings are those of the active build, or the defaults without one.
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

// Follow makes a build with the settings of the active one whenever the schedule finds one due, until ctx ends; opts.Settings has no
// meaning. Of several programs that follow one database, one builds. Errors are logged, and do not end it.
func Follow(ctx context.Context, pool *pgxpool.Pool, s Schedule, opts Options, logger *slog.Logger) {
	if s == (Schedule{}) {
		return
	}
	for pause := time.Duration(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(lookEvery, pause)):
		}
		built, err := runIfDue(ctx, pool, s, opts)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !pg.IsUnavailable(err):
			pause = min(max(firstPause, 2*pause), lastPause)
			logger.LogAttrs(ctx, slog.LevelError, "rebuild failed", slog.Any("error", err), slog.Duration("next_try_in", pause))
		case built.BuildID != 0:
			logger.LogAttrs(ctx, slog.LevelInfo, "rebuilt", slog.Int64("build_id", built.BuildID), slog.Int64("orders", built.Orders),
				slog.Float64("seconds", built.StatsSeconds+built.PairsSeconds+built.NeighboursSeconds))
			pause = 0
		default:
			pause = 0
		}
	}
}

// runIfDue returns a zero build if none was due, somebody else builds, or nothing can be written.
func runIfDue(ctx context.Context, pool *pgxpool.Pool, s Schedule, opts Options) (built db.Build, err error) {
	fresh, err := db.New(pool).BuildFreshness(ctx)
	if err != nil {
		return built, fmt.Errorf("look for changed orders: %w", err)
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
