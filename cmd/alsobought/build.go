package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/evaluate"
	"github.com/alsobought/alsobought/internal/recommend"
)

// settingsFlags has a flag for every setting. By default a setting stays as in the active build, so that an
// automatic build after a load does not reset it.
type settingsFlags struct {
	kong.Plugins // a struct of one pointer per setting

	Defaults bool `help:"Start from the default settings instead of the active build's."`
}

func newSettingsFlags() settingsFlags {
	fields := make([]reflect.StructField, 0, len(builds.SettingTable))
	for _, s := range builds.SettingTable {
		fields = append(fields, reflect.StructField{
			Name: "Setting" + strconv.Itoa(len(fields)),
			Type: reflect.TypeOf(s.Field(new(builds.Settings))),
			Tag: reflect.StructTag(fmt.Sprintf(`name:"%s" placeholder:"%s" help:"%s: %s (%v)."`,
				s.Flag(), s.Unit, s.Help, s.Bounds(), s.Default)),
		})
	}
	return settingsFlags{Plugins: kong.Plugins{reflect.New(reflect.StructOf(fields)).Interface()}}
}

// settings returns base with the given flags applied.
func (f *settingsFlags) settings(base builds.Settings) (builds.Settings, error) {
	for _, flags := range f.Plugins {
		for i, s := range builds.SettingTable {
			s.Set(&base, reflect.ValueOf(flags).Elem().Field(i).Interface())
		}
	}
	if err := base.Validate(); err != nil {
		return base, usageError{err}
	}
	return base, nil
}

type buildCommand struct {
	settingsFlags
	Keep   *int32   `placeholder:"N" help:"Earlier builds to keep for rollback (default 2)."`
	Full   bool     `help:"Recount every order, not only those changed since the last build."`
	Guard  bool     `help:"Grade the new build and keep the active one if the new one is worse."`
	Margin *float64 `placeholder:"0..1" help:"Drop in HR@10 that --guard tolerates (default 0.01)."`
	JSON   bool     `name:"json" help:"Print JSON."`
}

func (c *buildCommand) Run(ctx context.Context, term *terminal, d *database) error {
	guard, err := c.guard(term)
	if err != nil {
		return err
	}
	pool, closeAll, err := d.openToWrite(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	options, err := c.buildOptions(ctx, pool)
	if err != nil {
		return err
	}
	run := builds.Run
	if c.Guard {
		run = guard.Build
	}
	built, err := run(ctx, pool, options)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(term.stdout, built)
	}
	printBuild(term.stdout, built)
	return nil
}

// build makes a build and activates it.
func (c *buildCommand) build(ctx context.Context, pool *pgxpool.Pool) (db.Build, error) {
	options, err := c.buildOptions(ctx, pool)
	if err != nil {
		return db.Build{}, err
	}
	return builds.Run(ctx, pool, options)
}

func (c *buildCommand) buildOptions(ctx context.Context, pool *pgxpool.Pool) (builds.Options, error) {
	options := builds.Options{Keep: builds.DefaultKeep, Full: c.Full, BuiltBy: whoami(), Version: version}
	base := builds.DefaultSettings()
	if !c.Defaults {
		var err error
		if base, err = builds.CurrentSettings(ctx, pool); err != nil {
			return options, err
		}
	}
	var err error
	if options.Settings, err = c.settings(base); err != nil {
		return options, err
	}
	set(&options.Keep, c.Keep)
	if options.Keep < 0 || options.Keep > 100 {
		return options, usageError{fmt.Errorf("--keep is %d: choose 0 to 100", options.Keep)}
	}
	return options, nil
}

// activeBuild returns the active build, or the zero value if there is none.
func activeBuild(ctx context.Context, pool *pgxpool.Pool) (db.Build, error) {
	active, err := db.New(pool).BuildActive(ctx)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return active, fmt.Errorf("find active build: %w", err)
	}
	return active, nil
}

func set[T any](field, given *T) {
	if given != nil {
		*field = *given
	}
}

type buildsCommand struct {
	List     buildsListCommand     `cmd:"" default:"withargs" help:"List builds, newest first; * marks the active one."`
	Activate buildsActivateCommand `cmd:"" help:"Switch to a kept build."`
	Rollback buildsRollbackCommand `cmd:"" help:"Switch back to the previously active build."`
	Diff     buildsDiffCommand     `cmd:"" help:"Compare two kept builds."`
	Prune    buildsPruneCommand    `cmd:"" help:"Remove old builds."`
}

type buildsListCommand struct {
	Limit int32 `default:"20" help:"Maximum number of results (default ${default})."`
	JSON  bool  `name:"json" help:"Print JSON."`
}

func (c *buildsListCommand) Run(ctx context.Context, term *terminal, d *database) error {
	pool, closeAll, err := d.openToReport(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	builds, err := db.New(pool).BuildList(ctx, c.Limit)
	if err != nil {
		return fmt.Errorf("list builds: %w", err)
	}
	if c.JSON {
		return printJSON(term.stdout, builds)
	}
	graded := slices.ContainsFunc(builds, func(b db.Build) bool { return b.Grades != nil })
	t := newTable(term.stdout)
	header := []string{"", "BUILD", "STATUS", "BUILT (UTC)", "COUNTED", "ORDERS", "ITEMS", "PAIRS", "SECONDS"}
	t.row(append(header, columns(graded, "HR@10", "SPLIT")...)...)
	for _, b := range builds {
		mark := ""
		if b.Active {
			mark = "*"
		}
		status := b.Status
		if b.Status == "ready" && b.ActivatedAt == nil {
			status = "ready, never active"
		}
		cells := []string{
			mark, strconv.FormatInt(b.BuildID, 10), status, instant(b.BuiltAt), countedBy(b),
			grouped(b.Orders), grouped(b.Items), grouped(b.Pairs),
			fmt.Sprintf("%.2f", b.StatsSeconds+b.PairsSeconds+b.NeighboursSeconds),
		}
		grade, split := gradeOf(b)
		t.row(append(cells, columns(graded, grade, split)...)...)
	}
	t.flush()
	return nil
}

// countedBy describes which orders the build counted: all of them, or the changes since an earlier build.
func countedBy(b db.Build) string {
	switch {
	case b.BaseBuild == nil:
		return "all orders"
	case b.ChangedOrders == nil: // not counted yet, or interrupted before
		return fmt.Sprintf("changes since %d", *b.BaseBuild)
	}
	return fmt.Sprintf("%s changed since %d", grouped(*b.ChangedOrders), *b.BaseBuild)
}

// columns returns cells, or nothing for columns that are not shown.
func columns(wanted bool, cells ...string) []string {
	if !wanted {
		return nil
	}
	return cells
}

// gradeOf returns the stored HR@10 of a build by the serving measure, and the split of its protocol, marked
// with * if anything else differs from the default protocol: grades of different protocols cannot be compared.
func gradeOf(b db.Build) (grade, split string) {
	var report evaluate.Report
	if b.Grades == nil || json.Unmarshal(b.Grades, &report) != nil {
		return "-", "-"
	}
	g, found := report.Of(string(recommend.Affinity))
	if !found {
		return "-", "-"
	}
	usual := evaluate.DefaultProtocol()
	usual.Split = report.Protocol.Split
	if split = usual.Split; report.Protocol != usual {
		split += " *"
	}
	return strconv.FormatFloat(g.HR10, 'f', 4, 64), split
}

type buildsActivateCommand struct {
	ID int64 `arg:"" help:"Build ID."`
}

func (c *buildsActivateCommand) Run(ctx context.Context, term *terminal, d *database) error {
	return switchBuild(ctx, term, d, func(pool *pgxpool.Pool) (db.Build, error) {
		return builds.Activate(ctx, pool, c.ID)
	})
}

type buildsRollbackCommand struct{}

func (c *buildsRollbackCommand) Run(ctx context.Context, term *terminal, d *database) error {
	return switchBuild(ctx, term, d, func(pool *pgxpool.Pool) (db.Build, error) { return builds.Rollback(ctx, pool) })
}

func switchBuild(ctx context.Context, term *terminal, d *database, do func(*pgxpool.Pool) (db.Build, error)) error {
	pool, closeAll, err := d.openToWrite(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	active, err := do(pool)
	if err != nil {
		return err
	}
	fmt.Fprintf(term.stdout, "build %d, built %s, is now active\n", active.BuildID, instant(active.BuiltAt))
	return nil
}

type buildsPruneCommand struct {
	Keep int32 `default:"2" help:"Builds to keep besides the active one (default ${default})."`
}

func (c *buildsPruneCommand) Run(ctx context.Context, term *terminal, d *database) error {
	if c.Keep < 0 || c.Keep > 100 {
		return usageError{fmt.Errorf("--keep is %d: choose 0 to 100", c.Keep)}
	}
	pool, closeAll, err := d.openToWrite(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	pruned, err := builds.Prune(ctx, pool, c.Keep)
	if err != nil {
		return err
	}
	fmt.Fprintf(term.stdout, "%s pruned\n", counted(int64(pruned), "build"))
	return nil
}

func printBuild(w io.Writer, b db.Build) {
	fmt.Fprintf(w, "build %d is now active\n", b.BuildID)
	t := newTable(w)
	t.row("  orders", grouped(b.Orders),
		grouped(b.Baskets)+" counted as baskets (2 to "+strconv.Itoa(int(b.MaxBasket))+" items)")
	if b.BaseBuild != nil {
		t.row("  recounted", grouped(*b.ChangedOrders), "changed since build "+strconv.FormatInt(*b.BaseBuild, 10))
	}
	t.row("  items", grouped(b.Items))
	t.row("  pairs", grouped(b.Pairs))
	t.row("  neighbours", grouped(b.Neighbours))
	t.flush()
	fmt.Fprintf(w, "  statistics in %.2f s, pairs in %.2f s, neighbours in %.2f s\n",
		b.StatsSeconds, b.PairsSeconds, b.NeighboursSeconds)
}
