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
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/chart"
	"github.com/alsobought/alsobought/internal/doctor"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
)

// places is how many similar items an answer has that nobody gave a limit: what shares and coverage are counted over.
const places = recommend.SimilarLimit

// sampled is how many items are asked about to see where answers come from.
const sampled = 500

// overviewView is what the overview shows.
type overviewView struct {
	Build     *db.Build // the active one; nil: there is none
	Fresh     db.BuildFreshnessRow
	Days      template.HTML
	DayRows   []db.OrderDayListRow
	Undated   bool // no order has a time
	Grades    template.HTML
	GradeRows []graded
	Loads     []db.LoadListByDayRow
	Denied    bool      // the role of the server may not read them
	Sources   *sources  // nil: not counted yet
	Coverage  *coverage // likewise
	Checks    *checkup
	Checking  bool
	Places    int
}

// sources is where the answers of a sample of items come from.
type sources struct {
	Items, All            int // asked about, and those of the build
	Pair, Popular, Pinned int
	Total                 int
	Bar                   template.HTML
}

// coverage is how much of the build similar items show.
type coverage struct{ Pairs, Shown, Items, Places int64 }

// checkup is what doctor found.
type checkup struct {
	Findings []doctor.Finding
	Checks   int
	At       time.Time
	Took     float64
}

// graded is a build with a stored grade.
type graded struct {
	BuildID    int64
	BuiltAt    *time.Time
	Active     bool
	HR10       float64
	Error      float64
	Popularity float64
	Cases      int64
	Split      string
}

func (d *Dashboard) overview(v *visit) error {
	switch v.r.URL.Query().Get("part") {
	case "answers":
		return d.answersPart(v)
	case "checks":
		view := overviewView{}
		view.checks(d)
		return v.showPart("checks", "overview", view)
	}
	view := overviewView{Places: places}
	build, err := d.queries.BuildActive(v.ctx)
	switch {
	case err == nil:
		view.Build = &build
		err = view.gather(v, d, build)
	case errors.Is(err, pgx.ErrNoRows):
		err = nil
	}
	if err != nil {
		return err
	}
	if v.may(apikey.Read) && v.signedIn() {
		view.Loads, err = db.New(d.audit()).LoadListByDay(v.ctx, 5)
		if view.Denied = pg.IsDenied(err); err != nil && !view.Denied {
			return fmt.Errorf("list loads: %w", err)
		}
	}
	view.checks(d)
	return v.show("overview", "Overview", view)
}

// gather is what there is to show of a build.
func (view *overviewView) gather(v *visit, d *Dashboard, build db.Build) (err error) {
	if view.Fresh, err = d.queries.BuildFreshness(v.ctx); err != nil {
		return fmt.Errorf("read build: %w", err)
	}
	days, err := d.queries.OrderDayList(v.ctx, build.BuildID, 366)
	if err != nil {
		return fmt.Errorf("count orders by day: %w", err)
	}
	view.DayRows, view.Days = days, dayChart(days)
	view.Undated = build.NewestOrderedAt == nil
	list, err := d.queries.BuildList(v.ctx, 50)
	if err != nil {
		return fmt.Errorf("list builds: %w", err)
	}
	view.GradeRows = gradesOf(list)
	view.Grades = gradeChart(view.GradeRows)
	if v.whole() {
		return view.count(v, d, build)
	}
	version, err := d.queries.VersionGet(v.ctx)
	if err != nil {
		return fmt.Errorf("read version: %w", err)
	}
	view.Sources, view.Coverage = d.answers.ready(version.Version), d.coverage.ready(build.BuildID)
	return nil
}

// count waits for what has to be counted.
func (view *overviewView) count(v *visit, d *Dashboard, build db.Build) error {
	version, err := d.queries.VersionGet(v.ctx)
	if err != nil {
		return fmt.Errorf("read version: %w", err)
	}
	answers := d.answers.ask(d, version.Version,
		func(ctx context.Context) (sources, error) { return d.countSources(ctx, build) })
	covered := d.coverage.ask(d, build.BuildID,
		func(ctx context.Context) (coverage, error) { return d.countCoverage(ctx, build) })
	if view.Sources, err = answers.wait(v.ctx); err != nil {
		return err
	}
	view.Coverage, err = covered.wait(v.ctx)
	return err
}

func (d *Dashboard) answersPart(v *visit) error {
	build, err := d.queries.BuildActive(v.ctx)
	if errors.Is(err, pgx.ErrNoRows) {
		return recommend.ErrNoBuild
	}
	if err != nil {
		return err
	}
	view := overviewView{Build: &build, Places: places}
	if err := view.count(v, d, build); err != nil {
		return err
	}
	return v.showPart("answers", "overview", view)
}

// countSources asks about items from the most to the least popular, as the API is asked, and counts what answers.
func (d *Dashboard) countSources(ctx context.Context, build db.Build) (sources, error) {
	s := sources{All: int(build.Items)}
	names, err := d.queries.ItemSpreadList(ctx, build.BuildID, max(1, (build.Items+sampled-1)/sampled), sampled)
	if err != nil || len(names) == 0 {
		return s, err
	}
	batch, err := d.recommender.AskEach(ctx, names, recommend.Options{Limit: places})
	if err != nil {
		return s, err
	}
	s.Items = len(names)
	for _, answer := range batch.Answers {
		for _, r := range answer.Recommendations {
			switch r.Source {
			case recommend.SourcePair:
				s.Pair++
			case recommend.SourcePinned:
				s.Pinned++
			default:
				s.Popular++
			}
			s.Total++
		}
	}
	s.Bar = chart.Stack(float64(s.Total), chart.Piece{Value: float64(s.Pinned), Class: "k-pinned"},
		chart.Piece{Value: float64(s.Pair), Class: "k-pair"}, chart.Piece{Value: float64(s.Popular), Class: "k-popular"})
	return s, nil
}

func (d *Dashboard) countCoverage(ctx context.Context, build db.Build) (coverage, error) {
	row, err := d.queries.BuildCoverage(ctx, build.BuildID, places)
	return coverage{row.Pairs, row.Items, build.Items, build.Items * min(places, max(build.Items-1, 0))}, err
}

// dayChart is the orders of the last 90 days, or of the weeks of a year if there are more.
func dayChart(days []db.OrderDayListRow) template.HTML {
	if len(days) == 0 {
		return ""
	}
	const shown = 90
	newest, per, title := days[0].Day, 1, "Orders per day"
	if span := int(newest.Sub(days[len(days)-1].Day).Hours()/24) + 1; span > shown {
		per, title = 7, "Orders per week"
	}
	oldest := days[len(days)-1].Day
	n := int(newest.Sub(oldest).Hours()/24)/per + 1
	labels, values := make([]string, n), make([]float64, n)
	for i := range n {
		labels[n-1-i] = newest.AddDate(0, 0, -per*i-per+1).UTC().Format("2 Jan 2006")
	}
	for _, day := range days {
		values[n-1-int(newest.Sub(day.Day).Hours()/24)/per] += float64(day.Orders)
	}
	return chart.Chart{
		Kind: chart.Columns, Title: title, Labels: labels, Write: func(v float64) string { return num(v) }, Axis: compact,
		Series: []chart.Series{{Name: "Orders", Class: "k-accent", Values: values}},
	}.SVG()
}

// gradesOf are the builds that alsobought evaluate has graded, oldest first.
func gradesOf(list []db.Build) (rows []graded) {
	for _, b := range slices.Backward(list) {
		var report struct {
			Protocol struct {
				Split string `json:"split"`
			} `json:"protocol"`
			Grades []struct {
				Method string  `json:"method"`
				Cases  int64   `json:"cases"`
				HR10   float64 `json:"hr_10"`
				Error  float64 `json:"hr_10_error"`
			} `json:"grades"`
		}
		if len(b.Grades) == 0 || json.Unmarshal(b.Grades, &report) != nil || len(report.Grades) == 0 {
			continue // of an older program
		}
		first := report.Grades[0]
		row := graded{b.BuildID, b.BuiltAt, b.Active, first.HR10, first.Error, math.NaN(), first.Cases, report.Protocol.Split}
		for _, g := range report.Grades {
			if g.Method == "popularity" {
				row.Popularity = g.HR10
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func gradeChart(rows []graded) template.HTML {
	if len(rows) < 2 {
		return ""
	}
	c := chart.Chart{
		Kind: chart.Line, Title: "HR@10 by build", Height: 150,
		Write: func(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) },
		Series: []chart.Series{
			{Name: "Affinity", Class: "k-accent"}, {Name: "Popularity alone", Class: "k-popular"},
		},
	}
	for _, row := range rows {
		c.Labels = append(c.Labels, "build "+strconv.FormatInt(row.BuildID, 10))
		c.Series[0].Values = append(c.Series[0].Values, row.HR10)
		c.Series[1].Values = append(c.Series[1].Values, row.Popularity)
	}
	return c.SVG()
}

// checks is what doctor said the last time.
func (view *overviewView) checks(d *Dashboard) {
	found, underWay := d.checks.newest()
	view.Checking = underWay
	if found != nil && found.err == nil {
		view.Checks = &found.value
	}
}

// runChecks has doctor look, in the background: it reads all orders.
func (d *Dashboard) runChecks(v *visit) error {
	d.checks.forget()
	d.checks.ask(d, struct{}{}, func(ctx context.Context) (checkup, error) {
		began := time.Now()
		findings, checks, err := doctor.Run(ctx, d.audit())
		if err != nil {
			d.logFailure(ctx, "checks", err)
		}
		return checkup{findings, checks, time.Now(), time.Since(began).Seconds()}, err
	})
	v.seeOther(base + "/#checks")
	return nil
}
