package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/evaluate"
	"github.com/alsobought/alsobought/internal/recommend"
)

// guard activates a new build only if it is not worse than the active one.
type guard struct {
	margin float64 // tolerated drop in HR@10
}

// guard validates the flags of the guard.
func (c *buildCommand) guard() (guard, error) {
	g := guard{margin: 0.01}
	set(&g.margin, c.Margin)
	switch {
	case !c.Guard && c.Margin != nil:
		return g, usageError{errors.New("--margin requires --guard")}
	case !(g.margin >= 0 && g.margin <= 1):
		return g, usageError{fmt.Errorf("--margin is %v: choose 0 to 1", g.margin)}
	}
	return g, nil
}

// build makes an inactive build, grades it, and compares its grade with the one stored with the active build:
// new orders or new settings may have made it worse. If the active build has no grade of the same protocol, it
// is graded on today's orders.
func (g guard) build(ctx context.Context, term *terminal, pool *pgxpool.Pool, c *buildCommand) (db.Build, error) {
	active, err := activeBuild(ctx, pool)
	if err != nil {
		return db.Build{}, err
	}
	built, err := c.build(ctx, pool, true)
	if err != nil {
		return db.Build{}, err
	}
	now, err := g.grade(ctx, term, pool, built, c.JSON)
	// The first build is activated even if it cannot be graded: there is nothing to compare it with.
	if err != nil && (active.BuildID != 0 || !errors.Is(err, evaluate.ErrNoCases)) {
		return db.Build{}, fmt.Errorf("build %d is complete but could not be graded, so it is not active: %w",
			built.BuildID, err)
	}
	if active.BuildID != 0 {
		before, err := g.grade(ctx, term, pool, active, c.JSON)
		if err != nil {
			return db.Build{}, fmt.Errorf("build %d is complete, but the active build could not be graded: %w",
				built.BuildID, err)
		}
		if now < before-g.margin {
			// The refused build is kept, so that it can still be activated; earlier refused builds are pruned.
			if _, err := builds.Prune(ctx, pool, c.kept()); err != nil {
				return db.Build{}, err
			}
			return db.Build{}, fmt.Errorf("build %d grades worse than the active build %d, "+
				"HR@10 %.4f after %.4f, by more than %g: it is not active; "+
				"to activate it anyway, run alsobought builds activate %d", built.BuildID, active.BuildID, now, before, g.margin, built.BuildID)
		}
	}
	switched, err := builds.Activate(ctx, pool, built.BuildID)
	if err != nil {
		return db.Build{}, err
	}
	if _, err := builds.Prune(ctx, pool, c.kept()); err != nil {
		return db.Build{}, fmt.Errorf("build %d is active, but older ones could not be removed: %w", built.BuildID, err)
	}
	return switched, nil
}

// grade returns the HR@10 of a build by affinity, using the stored grade if there is one.
func (g guard) grade(ctx context.Context, term *terminal, pool *pgxpool.Pool, b db.Build, quiet bool) (float64, error) {
	var report evaluate.Report
	if b.Grades != nil {
		if err := json.Unmarshal(b.Grades, &report); err != nil {
			return 0, fmt.Errorf("read grades of build %d: %w", b.BuildID, err)
		}
	}
	if report.Protocol != evaluate.DefaultProtocol() {
		var err error
		report, err = runEvaluation(ctx, term, pool, evaluate.Options{
			Protocol: evaluate.DefaultProtocol(), Settings: builds.SettingsOf(b),
			Measures: []recommend.Measure{recommend.Affinity},
		}, quiet)
		if err != nil {
			return 0, err
		}
		if err := storeGrades(ctx, pool, b.BuildID, report); err != nil {
			return 0, err
		}
	}
	grade, _ := report.Of(string(recommend.Affinity))
	return grade.HR10, nil
}
