package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/chart"
	"github.com/alsobought/alsobought/internal/evaluate"
	"github.com/alsobought/alsobought/internal/recommend"
)

const (
	buildsShown = 50
	diffShown   = 20
)

// making is a build that this server makes.
type making struct {
	Began   time.Time
	By      string
	Guarded bool

	done  chan struct{} // closed when the others can be read
	Built db.Build
	Err   error
}

// builder makes one build at a time.
type builder struct {
	mu   sync.Mutex
	last *making
}

func (b *builder) newest() *making {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last
}

// build makes a build with the settings of the active one.
func (d *Dashboard) build(ctx context.Context, by string, guarded bool) (db.Build, error) {
	options, err := d.buildOptions(ctx, by)
	if err != nil {
		return db.Build{}, err
	}
	if guarded {
		return evaluate.Guard{Margin: evaluate.DefaultMargin}.Build(ctx, d.Loader, options)
	}
	return builds.Run(ctx, d.Loader, options)
}

// startBuilding begins a build, unless this server makes one.
func (d *Dashboard) startBuilding(by string, guarded bool) {
	d.builder.mu.Lock()
	defer d.builder.mu.Unlock()
	if m := d.builder.last; m != nil && !isClosed(m.done) {
		return
	}
	m := &making{Began: time.Now(), By: by, Guarded: guarded, done: make(chan struct{})}
	d.builder.last = m
	d.work.Go(func() {
		defer close(m.done)
		if m.Built, m.Err = d.build(d.life, by, guarded); m.Err != nil {
			d.logFailure(d.life, "build", m.Err)
		}
	})
}

func (d *Dashboard) startBuild(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	if d.Loader == nil {
		return invalid{mayNotLoad}
	}
	d.startBuilding(v.key.Name, v.r.PostFormValue("guard") == "1")
	v.seeOther(base + "/builds#now")
	return nil
}

// buildRow is a build as a list has it.
type buildRow struct {
	db.Build

	Grade *evaluate.Grade // by the measure that serves; nil: not graded
	Why   string          // it does not answer, and never did
	Kept  bool            // it can be asked
}

// Seconds is how long it took.
func (b buildRow) Seconds() float64 { return b.StatsSeconds + b.PairsSeconds + b.NeighboursSeconds }

// buildsView is the list of builds.
type buildsView struct {
	Builds  []buildRow
	Active  *buildRow
	Before  *db.Build // where a rollback leads
	Ready   []int64   // that can be compared
	Grades  template.HTML
	Times   template.HTML
	MayLoad bool
	Making  *making
	Running bool // Making is not done
	Elapsed float64
	Share   float64 // of the time that the last one took
	Failure string
}

func (d *Dashboard) buildsScreen(v *visit) error {
	view := buildsView{MayLoad: d.Loader != nil}
	if view.Making = d.builder.newest(); view.Making != nil && v.r.URL.Query().Get("part") == "" {
		soon(v, view.Making.done)
	}
	list, err := d.queries.BuildList(v.ctx, buildsShown)
	if err != nil {
		return fmt.Errorf("list builds: %w", err)
	}
	view.take(list)
	view.follow()
	if v.r.URL.Query().Get("part") == "now" {
		return v.showPart("now", "builds", view)
	}
	before, err := d.queries.BuildBefore(v.ctx)
	switch {
	case err == nil:
		view.Before = &before
	case !errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("find the build before: %w", err)
	}
	return v.show("builds", "Builds", view)
}

// take shapes the list.
func (b *buildsView) take(list []db.Build) {
	b.Grades = gradeChart(gradesOf(list))
	for _, one := range list {
		row := buildRow{Build: one, Grade: gradeOf(one), Kept: one.Status == "ready"}
		b.Builds = append(b.Builds, row)
		if one.Active {
			b.Active = &row
		}
		if row.Kept {
			b.Ready = append(b.Ready, one.BuildID)
		}
	}
	for i := range b.Builds {
		b.Builds[i].Why = b.Builds[i].refusal(b.Active)
	}
	b.Times = timeChart(b.Builds)
}

// follow is how far the build of this server is.
func (b *buildsView) follow() {
	m := b.Making
	if m == nil {
		return
	}
	if b.Running = !isClosed(m.done); b.Running {
		b.Elapsed = time.Since(m.Began).Seconds()
		if b.Active != nil {
			b.Share = min(0.99, b.Elapsed/max(b.Active.Seconds(), 0.1))
		}
	} else if m.Err != nil {
		b.Failure = sentence(m.Err.Error())
		if worse := new(evaluate.WorseError); errors.As(m.Err, &worse) {
			b.Failure = fmt.Sprintf("Build %d is not active: it grades worse than build %d, HR@10 %.4f after %.4f.",
				worse.BuildID, worse.ActiveID, worse.HR10, worse.ActiveHR10)
		}
	}
}

// refusal says why a build never answered.
func (b buildRow) refusal(active *buildRow) string {
	switch {
	case b.Status == "failed" && b.Error != nil:
		return sentence(*b.Error)
	case b.Status != "ready" || b.Active || b.ActivatedAt != nil:
		return ""
	case b.Grade != nil && active != nil && active.Grade != nil && b.Grade.HR10 < active.Grade.HR10:
		return fmt.Sprintf("Refused: it grades worse than build %d, HR@10 %.4f after %.4f.",
			active.BuildID, b.Grade.HR10, active.Grade.HR10)
	}
	return "Never activated."
}

func gradeOf(b db.Build) *evaluate.Grade {
	var report evaluate.Report
	if b.Grades == nil || json.Unmarshal(b.Grades, &report) != nil {
		return nil // of an older program
	}
	grade, found := report.Of(string(recommend.Affinity))
	if !found {
		return nil
	}
	return &grade
}

// timeChart is how long builds took.
func timeChart(rows []buildRow) template.HTML {
	c := chart.Chart{
		Kind: chart.Columns, Title: "Seconds by build", Height: 150, Write: took,
		Axis:   func(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) },
		Series: []chart.Series{{Name: "Seconds", Class: "k-accent"}},
	}
	for _, b := range slices.Backward(rows) {
		value := b.Seconds()
		if b.BuiltAt == nil {
			value = math.NaN()
		}
		c.Labels = append(c.Labels, "build "+strconv.FormatInt(b.BuildID, 10))
		c.Series[0].Values = append(c.Series[0].Values, value)
	}
	if len(rows) < 2 {
		return ""
	}
	return c.SVG()
}

// buildView is one build in full.
type buildView struct {
	buildRow

	Settings []settingRow
	Report   *evaluate.Report
	ActiveID int64
	MayLoad  bool
}

// settingRow is one setting of a build.
type settingRow struct {
	builds.Setting

	Value float64
	Usual bool
}

// Off reports whether the setting does nothing.
func (s settingRow) Off() string {
	if s.Value == 0 {
		return s.Setting.Off
	}
	return ""
}

func (d *Dashboard) findBuild(v *visit) (db.Build, error) {
	id, err := v.id("id")
	if err != nil {
		return db.Build{}, err
	}
	b, err := d.queries.BuildGet(v.ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return b, errNoPage
	}
	if err != nil {
		return b, fmt.Errorf("find build: %w", err)
	}
	return b, nil
}

func (d *Dashboard) activeBuild(v *visit) (*db.Build, error) {
	b, err := d.queries.BuildActive(v.ctx)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // there need not be one
	}
	if err != nil {
		return nil, fmt.Errorf("find active build: %w", err)
	}
	return &b, nil
}

func (d *Dashboard) buildPage(v *visit) error {
	b, err := d.findBuild(v)
	if err != nil {
		return err
	}
	active, err := d.activeBuild(v)
	if err != nil {
		return err
	}
	view := buildView{buildRow: buildRow{Build: b, Grade: gradeOf(b), Kept: b.Status == "ready"}, MayLoad: d.Loader != nil}
	if active != nil {
		view.ActiveID = active.BuildID
		view.Why = view.refusal(&buildRow{Build: *active, Grade: gradeOf(*active)})
	} else {
		view.Why = view.refusal(nil)
	}
	settings := builds.SettingsOf(b)
	for _, s := range builds.SettingTable {
		view.Settings = append(view.Settings, settingRow{s, s.Value(settings), s.Value(settings) == s.Default})
	}
	var report evaluate.Report
	if b.Grades != nil && json.Unmarshal(b.Grades, &report) == nil && len(report.Grades) > 0 {
		view.Report = &report
	}
	v.at("/builds/build")
	return v.show("build", fmt.Sprintf("Build %d", b.BuildID), view)
}

// activateView asks whether another build is to answer.
type activateView struct {
	Build  buildRow
	Active *db.Build
}

func (d *Dashboard) activatePage(v *visit) error {
	b, err := d.findBuild(v)
	if err != nil {
		return err
	}
	switch {
	case d.Loader == nil:
		return invalid{mayNotLoad}
	case b.Active:
		return invalid{fmt.Sprintf("Build %d is already active.", b.BuildID)}
	case b.Status != "ready":
		return invalid{fmt.Sprintf("Build %d is %s and cannot be activated.", b.BuildID, b.Status)}
	}
	active, err := d.activeBuild(v)
	if err != nil {
		return err
	}
	v.at("/builds/activate")
	view := activateView{Build: buildRow{Build: b, Grade: gradeOf(b), Kept: true}, Active: active}
	return v.show("activate", fmt.Sprintf("Activate build %d?", b.BuildID), view)
}

func (d *Dashboard) activateBuild(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	if d.Loader == nil {
		return invalid{mayNotLoad}
	}
	id, err := v.id("id")
	if err != nil {
		return err
	}
	b, err := builds.Activate(v.ctx, d.Loader, id)
	if errors.Is(err, builds.ErrNotFound) {
		return invalid{fmt.Sprintf("Build %d is no longer kept.", id)}
	}
	if err != nil {
		return err
	}
	return v.done("/builds", fmt.Sprintf("Build %d is now active.", b.BuildID), 0)
}
