package dashboard

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/chart"
	"github.com/alsobought/alsobought/internal/recommend"
	"github.com/alsobought/alsobought/internal/spelling"
)

// searchView is what the search shows.
type searchView struct {
	Query   string
	Missing string // a name that no item has
	Popular bool   // Items are the most popular ones
	found
}

// settings are those of a question, as the URL has them.
type settings struct {
	Measure    recommend.Measure
	Measures   []recommend.Measure
	MinSupport int64
	Limit      int
	BuildID    int64      // 0 is the active one
	Builds     []db.Build // that can be asked
}

// itemView is what the page of an item shows.
type itemView struct {
	settings
	Item    db.ItemCardListRow
	Answer  *recommend.Answer
	Problem string // why there is no answer
	Weeks   template.HTML
	Rules   []db.Rule
	With    string                 // the other item whose evidence is shown
	Why     *recommend.Explanation // it
}

func (d *Dashboard) item(v *visit) error {
	query := v.r.URL.Query()
	name := spelling.CleanString(query.Get("name"))
	if name == "" {
		return d.searchItems(v, http.StatusOK, searchView{Query: query.Get("q")})
	}
	a, err := d.settings(v, 10)
	if err != nil {
		return err
	}
	view := itemView{settings: a, With: query.Get("with")}
	if query.Get("part") == "why" {
		if view.Why, err = d.why(v, name, view.With, a.BuildID); err != nil {
			return err
		}
		return v.showPart("why", "item", view)
	}
	build := a.BuildID
	if build == 0 {
		build = activeOf(a.Builds)
	}
	id, err := d.queries.ItemIDGet(v.ctx, name)
	if errors.Is(err, pgx.ErrNoRows) {
		return d.searchItems(v, http.StatusNotFound, searchView{Query: name, Missing: name})
	}
	if err != nil {
		return fmt.Errorf("find item: %w", err)
	}
	cards, err := d.queries.ItemCardList(v.ctx, []int64{id}, build)
	if err != nil || len(cards) == 0 {
		return fmt.Errorf("read item %d: %w", id, err)
	}
	view.Item = cards[0]
	if err := view.gather(v, d, build, id); err != nil {
		return err
	}
	return v.show("item", view.title(), view, view.pictures()...)
}

// gather asks what goes with the item, and what else is known of it.
func (view *itemView) gather(v *visit, d *Dashboard, build, id int64) error {
	answer, err := d.recommender.Ask(v.ctx, recommend.Similar(view.Item.Name, view.options()))
	switch {
	case err == nil:
		view.Answer = &answer
	case errors.Is(err, recommend.ErrUnknownItem), errors.Is(err, recommend.ErrNoBuild),
		errors.Is(err, recommend.ErrUnknownBuild):
		view.Problem = sentence(err.Error())
	default:
		return err
	}
	days, err := d.queries.ItemDayList(v.ctx, build, id)
	if err != nil {
		return fmt.Errorf("count orders by day: %w", err)
	}
	view.Weeks = weekChart(days, view.newest(build))
	if v.may(apikey.Write) {
		if view.Rules, err = d.queries.RuleListOfItem(v.ctx, view.Item.Name); err != nil {
			return fmt.Errorf("list rules: %w", err)
		}
	}
	if view.With != "" && view.Answer != nil {
		view.Why, err = d.why(v, view.Item.Name, view.With, view.BuildID)
	}
	return err
}

func (d *Dashboard) why(v *visit, name, other string, buildID int64) (*recommend.Explanation, error) {
	e, err := d.recommender.Explain(v.ctx, name, other, buildID)
	return &e, err
}

// title is the label, if the catalogue has one.
func (view *itemView) title() string {
	if view.Item.Label != "" {
		return view.Item.Label
	}
	return view.Item.Name
}

func (view *itemView) pictures() []string {
	list := []string{view.Item.ImageURL}
	if view.Answer != nil {
		for i := range view.Answer.Recommendations {
			list = append(list, view.Answer.Recommendations[i].ImageURL)
		}
	}
	return list
}

// newest is the time of the newest order of a build.
func (a *settings) newest(build int64) time.Time {
	for _, b := range a.Builds {
		if b.BuildID == build && b.NewestOrderedAt != nil {
			return *b.NewestOrderedAt
		}
	}
	return time.Time{}
}

// options are those of the question.
func (a *settings) options() recommend.Options {
	return recommend.Options{Limit: a.Limit, Measure: a.Measure, MinSupport: a.MinSupport, BuildID: a.BuildID}
}

// settings reads the settings out of the URL.
func (d *Dashboard) settings(v *visit, limit int) (a settings, err error) {
	query := v.r.URL.Query()
	a = settings{Measure: recommend.Affinity, Measures: recommend.Measures(), Limit: limit}
	if text := query.Get("measure"); text != "" {
		a.Measure = recommend.Measure(text)
	}
	if err := a.Measure.Validate(); err != nil {
		return a, err
	}
	for _, field := range []struct {
		name     string
		into     *int64
		min, max int64
	}{{"min_support", &a.MinSupport, 0, 1e12}, {"build", &a.BuildID, 0, 1e18}} {
		if text := query.Get(field.name); text != "" {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil || n < field.min || n > field.max {
				return a, invalid{fmt.Sprintf("%s is %q: choose a number, 0 or more.", field.name, text)}
			}
			*field.into = n
		}
	}
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > recommend.MaxLimit {
			return a, invalid{fmt.Sprintf("limit is %q: choose 1 to %d.", text, recommend.MaxLimit)}
		}
		a.Limit = n
	}
	list, err := d.queries.BuildList(v.ctx, 100)
	if err != nil {
		return a, fmt.Errorf("list builds: %w", err)
	}
	for _, b := range list {
		if b.Status == "ready" {
			a.Builds = append(a.Builds, b)
		}
	}
	if a.BuildID == activeOf(a.Builds) {
		a.BuildID = 0
	}
	return a, nil
}

// activeOf is the active one of builds, or 0.
func activeOf(list []db.Build) int64 {
	for _, b := range list {
		if b.Active {
			return b.BuildID
		}
	}
	return 0
}

// searchItems shows what a query finds, or what is popular where there is none.
func (d *Dashboard) searchItems(v *visit, status int, view searchView) error {
	list, err := d.queries.BuildList(v.ctx, 100)
	if err != nil {
		return fmt.Errorf("list builds: %w", err)
	}
	build := activeOf(list)
	if view.Query == "" {
		view.Popular = true
		ids, err := d.queries.ItemIDListPopular(v.ctx, build, shownFound)
		if err != nil {
			return fmt.Errorf("list items: %w", err)
		}
		if view.Items, err = d.queries.ItemCardList(v.ctx, ids, build); err != nil {
			return fmt.Errorf("read items: %w", err)
		}
	} else if view.found, err = d.find(v.ctx, view.Query, build); err != nil {
		return err
	}
	pictures := make([]string, 0, len(view.Items))
	for _, item := range view.Items {
		pictures = append(pictures, item.ImageURL)
	}
	return v.showStatus(status, "search", "Items", view, pictures...)
}

// weekChart is the orders of a year by weeks that end with the newest order.
func weekChart(days []db.ItemDayListRow, newest time.Time) template.HTML {
	const weeks = 52
	if len(days) == 0 || newest.IsZero() {
		return ""
	}
	newest = newest.UTC().Truncate(24 * time.Hour)
	labels, values := make([]string, weeks), make([]float64, weeks)
	for i := range weeks {
		labels[weeks-1-i] = newest.AddDate(0, 0, -7*i-6).Format("2 Jan 2006")
	}
	for _, day := range days {
		if i := int(newest.Sub(day.Day).Hours()/24) / 7; i >= 0 && i < weeks {
			values[weeks-1-i] += float64(day.Orders)
		}
	}
	return chart.Chart{
		Kind: chart.Columns, Title: "Orders per week", Labels: labels, Height: 130, Axis: compact,
		Write:  func(v float64) string { return num(v) },
		Series: []chart.Series{{Name: "Orders", Class: "k-accent", Values: values}},
	}.SVG()
}
