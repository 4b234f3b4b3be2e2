package evaluate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/recommend"
)

// DefaultMargin is how much worse by HR@10 a guarded build may be.
const DefaultMargin = 0.01

// Store keeps a report with a build.
func Store(ctx context.Context, database db.DBTX, buildID int64, report Report) error {
	grades, err := json.Marshal(report)
	if err != nil {
		return fmt.Errorf("store grades: %w", err)
	}
	if err := db.New(database).BuildGrade(ctx, grades, buildID); err != nil {
		return fmt.Errorf("store grades: %w", err)
	}
	return nil
}

// Guard switches to a new build only if it is not worse than the active one.
type Guard struct {
	Margin float64 // of HR@10

	// Evaluate is called instead of Run, if it is not nil.
	Evaluate func(context.Context, *pgxpool.Pool, Options) (Report, error)
}

// WorseError reports that a complete build was not activated because it grades worse.
type WorseError struct {
	BuildID, ActiveID int64
	HR10, ActiveHR10  float64
	Margin            float64
}

func (e *WorseError) Error() string {
	return fmt.Sprintf("build %d was not activated: its HR@10 is %.4f, more than %g below the %.4f of the active "+
		"build %d; to activate it anyway, run alsobought builds activate %[1]d",
		e.BuildID, e.HR10, e.Margin, e.ActiveHR10, e.ActiveID)
}

// Build makes an inactive build, grades it, and compares its grade with the one stored with the active build: new
// orders or new settings may have made it worse. If the active build has no grade of the same protocol, it is graded
// on today's orders.
//
// Errors: *WorseError; those of builds.Run and Run.
func (g Guard) Build(ctx context.Context, pool *pgxpool.Pool, opts builds.Options) (db.Build, error) {
	active, err := db.New(pool).BuildActive(ctx)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return db.Build{}, fmt.Errorf("find active build: %w", err)
	}
	opts.Inactive = true
	built, err := builds.Run(ctx, pool, opts)
	if err != nil {
		return db.Build{}, err
	}
	now, err := g.grade(ctx, pool, built)
	if err != nil && (active.BuildID != 0 || !errors.Is(err, ErrNoCases)) { // the first build has nothing to be worse than
		return db.Build{}, fmt.Errorf("build %d is complete but could not be graded, so it is not active: %w",
			built.BuildID, err)
	}
	if active.BuildID != 0 {
		before, err := g.grade(ctx, pool, active)
		if err != nil {
			return db.Build{}, fmt.Errorf("build %d is complete, but the active build could not be graded: %w",
				built.BuildID, err)
		}
		if now < before-g.Margin {
			// The refused one stays, for whoever wants it all the same; those refused before it go.
			if _, err := builds.Prune(ctx, pool, opts.Keep); err != nil {
				return db.Build{}, err
			}
			return db.Build{}, &WorseError{built.BuildID, active.BuildID, now, before, g.Margin}
		}
	}
	switched, err := builds.Activate(ctx, pool, built.BuildID)
	if err != nil {
		return db.Build{}, err
	}
	if _, err := builds.Prune(ctx, pool, opts.Keep); err != nil {
		return db.Build{}, fmt.Errorf("build %d is active, but older ones could not be removed: %w", built.BuildID, err)
	}
	return switched, nil
}

// grade returns the HR@10 of a build by affinity, that kept with it if there is one.
func (g Guard) grade(ctx context.Context, pool *pgxpool.Pool, b db.Build) (float64, error) {
	var report Report
	if b.Grades != nil {
		if err := json.Unmarshal(b.Grades, &report); err != nil {
			return 0, fmt.Errorf("read grades of build %d: %w", b.BuildID, err)
		}
	}
	if report.Protocol != DefaultProtocol() {
		run := Run
		if g.Evaluate != nil {
			run = g.Evaluate
		}
		var err error
		report, err = run(ctx, pool, Options{
			Protocol: DefaultProtocol(), Settings: builds.SettingsOf(b), Measures: []recommend.Measure{recommend.Affinity},
		})
		if err != nil {
			return 0, err
		}
		if err := Store(ctx, pool, b.BuildID, report); err != nil {
			return 0, err
		}
	}
	grade, _ := report.Of(string(recommend.Affinity))
	return grade.HR10, nil
}
