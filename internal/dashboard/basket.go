package dashboard

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/chart"
	"github.com/alsobought/alsobought/internal/recommend"
	"github.com/alsobought/alsobought/internal/spelling"
)

// basketView is what the playground shows.
type basketView struct {
	settings
	Items   []basketItem
	Query   string // what is looked for, to be put in
	Found   []db.ItemCardListRow
	With    *basketAnswer // under the rules; nil for an empty basket
	Without *basketAnswer // nil: it is the same
	Problem string
	Curl    string
	Shell   string
	SQL     string
}

// basketItem is an item of the basket. Its colour is class s1 to s6, by its place.
type basketItem struct {
	Name, Class string
	Unknown     bool
	Less        string // the URL of the basket without it
}

type basketAnswer struct {
	recommend.Answer

	Rows []basketRow
}

// basketRow is a recommended item, and what each item of the basket has to do with it.
type basketRow struct {
	recommend.Recommendation

	Parts []basketPart
	Bar   template.HTML
	Moved string // how it stands to the other list: "new", "" or "up 2"
}

type basketPart struct {
	Name, Class string // of the basket item; popularity has no class
	Share       float64
	Value       float64
}

// colours is how many basket items have one of their own; the others share the last.
const colours = 6

func (d *Dashboard) basket(v *visit) error {
	query := v.r.URL.Query()
	a, err := d.settings(v, recommend.BasketLimit)
	if err != nil {
		return err
	}
	view := basketView{settings: a, Query: strings.TrimSpace(query.Get("q"))}
	names := basketNames(query["item"])
	if len(names) > recommend.MaxBasket {
		return invalid{fmt.Sprintf("The basket has %d items; the maximum is %d.", len(names), recommend.MaxBasket)}
	}
	for i, name := range names {
		less := v.r.URL.Query()
		less["item"] = slices.Delete(slices.Clone(names), i, i+1)
		less.Del("q")
		view.Items = append(view.Items, basketItem{
			Name: name, Class: "s" + strconv.Itoa(min(i+1, colours)), Less: base + "/basket" + suffix(less),
		})
	}
	if view.Query != "" {
		f, err := d.find(v.ctx, view.Query, activeOf(a.Builds))
		if err != nil {
			return err
		}
		view.Found = f.Items
	}
	if len(names) > 0 {
		if err := view.answer(v, d, names); err != nil {
			return err
		}
	}
	return v.show("basket", "Basket", view, view.pictures()...)
}

// basketNames are the names of a basket, each once, as they are stored.
func basketNames(given []string) []string {
	var names []string
	for _, name := range given {
		if name = spelling.CleanString(name); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// answer asks with the rules and without them.
func (view *basketView) answer(v *visit, d *Dashboard, names []string) error {
	options := view.options()
	with, err := d.askBasket(v, view, names, options)
	if err != nil {
		status, _, problem := explain(v.ctx, err)
		if status == http.StatusNotFound || err == recommend.ErrNoBuild { //nolint:errorlint // see explain
			view.Problem = problem
			return nil
		}
		return err
	}
	view.With = with
	for _, unknown := range with.Metadata.UnknownItems {
		for i := range view.Items {
			view.Items[i].Unknown = view.Items[i].Unknown || view.Items[i].Name == unknown
		}
	}
	options.WithoutRules = true
	without, err := d.askBasket(v, view, names, options)
	if err != nil {
		return err
	}
	same := slices.EqualFunc(with.Rows, without.Rows,
		func(a, b basketRow) bool { return a.ItemName == b.ItemName && a.Source == b.Source })
	if !same {
		view.Without = without
		with.compare(without)
	}
	view.copies(v, names)
	return nil
}

func (d *Dashboard) askBasket(
	v *visit, view *basketView, names []string, options recommend.Options,
) (*basketAnswer, error) {
	question := recommend.Basket(names, options)
	answer, err := d.recommender.Ask(v.ctx, question)
	if err != nil {
		return nil, err
	}
	others := make([]string, 0, len(answer.Recommendations))
	for i := range answer.Recommendations {
		others = append(others, answer.Recommendations[i].ItemName)
	}
	contributions, err := d.recommender.Contributions(v.ctx, question, others)
	if err != nil {
		return nil, err
	}
	parts := map[string][]basketPart{}
	for _, c := range contributions {
		if c.Value <= 0 {
			continue
		}
		part := basketPart{Name: c.SeedName, Value: c.Value, Class: "k-popular"}
		for _, item := range view.Items {
			if item.Name == c.SeedName {
				part.Class = item.Class
			}
		}
		parts[c.ItemName] = append(parts[c.ItemName], part)
	}
	a := &basketAnswer{Answer: answer}
	for _, r := range answer.Recommendations {
		row := basketRow{Recommendation: r}
		if r.Source != recommend.SourcePinned {
			row.Parts = parts[r.ItemName]
		}
		row.draw()
		a.Rows = append(a.Rows, row)
	}
	return a, nil
}

// draw makes shares of values, the largest first.
func (r *basketRow) draw() {
	total := 0.0
	for _, part := range r.Parts {
		total += part.Value
	}
	slices.SortStableFunc(r.Parts, func(a, b basketPart) int {
		if a.Value > b.Value {
			return -1
		}
		return 1
	})
	pieces := make([]chart.Piece, 0, len(r.Parts))
	for i := range r.Parts {
		r.Parts[i].Share = r.Parts[i].Value / total
		pieces = append(pieces, chart.Piece{Value: r.Parts[i].Value, Class: r.Parts[i].Class})
	}
	r.Bar = chart.Stack(total, pieces...)
}

// Main are the parts that are worth naming.
func (r *basketRow) Main() []basketPart {
	const most, least = 3, 0.01
	n := 0
	for n < min(len(r.Parts), most) && r.Parts[n].Share >= least {
		n++
	}
	return r.Parts[:n]
}

// compare says of each row how it stands to the list without rules.
func (a *basketAnswer) compare(without *basketAnswer) {
	for i := range a.Rows {
		before := slices.IndexFunc(without.Rows, func(r basketRow) bool { return r.ItemName == a.Rows[i].ItemName })
		switch {
		case before < 0:
			a.Rows[i].Moved = "new"
		case before > i:
			a.Rows[i].Moved = fmt.Sprintf("up %d", before-i)
		case before < i:
			a.Rows[i].Moved = fmt.Sprintf("down %d", i-before)
		}
	}
	for i := range without.Rows {
		if !slices.ContainsFunc(a.Rows, func(r basketRow) bool { return r.ItemName == without.Rows[i].ItemName }) {
			without.Rows[i].Moved = "removed"
		}
	}
}

func (view *basketView) pictures() (list []string) {
	for _, a := range []*basketAnswer{view.With, view.Without} {
		if a != nil {
			for i := range a.Rows {
				list = append(list, a.Rows[i].ImageURL)
			}
		}
	}
	for _, item := range view.Found {
		list = append(list, item.ImageURL)
	}
	return list
}

// copies is the question as other interfaces take it.
func (view *basketView) copies(v *visit, names []string) {
	body := map[string]any{"items": names, "limit": view.Limit}
	shell := []string{"alsobought basket --limit " + strconv.Itoa(view.Limit)}
	quoted := make([]string, 0, len(names))
	for _, name := range names {
		quoted = append(quoted, quoteSQL(name))
	}
	sql := []string{"ARRAY[" + strings.Join(quoted, ", ") + "]", strconv.Itoa(view.Limit)}
	if view.Measure != recommend.Affinity {
		body["measure"] = view.Measure
		shell = append(shell, "--measure "+string(view.Measure))
		sql = append(sql, "measure => "+quoteSQL(string(view.Measure)))
	}
	if view.MinSupport > 1 {
		body["min_support"] = view.MinSupport
		shell = append(shell, fmt.Sprintf("--min-support %d", view.MinSupport))
		sql = append(sql, fmt.Sprintf("min_support => %d", view.MinSupport))
	}
	if view.BuildID > 0 {
		body["build_id"] = view.BuildID
		shell = append(shell, fmt.Sprintf("--build %d", view.BuildID))
		sql = append(sql, fmt.Sprintf("build => %d", view.BuildID))
	}
	if slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, "-") }) {
		shell = append(shell, "--")
	}
	for _, name := range names {
		shell = append(shell, quoteShell(name))
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // of texts and numbers
	}
	scheme := "http"
	if v.r.TLS != nil || v.r.URL.Scheme == "https" {
		scheme = "https"
	}
	key := ""
	if !v.d.OpenReads {
		key = ` -H "Authorization: Bearer $KEY"`
	}
	view.Curl = fmt.Sprintf("curl%s -H 'Content-Type: application/json' -d %s %s://%s/api/v1/basket-recommendations",
		key, quoteShell(string(text)), scheme, v.r.Host)
	view.Shell = strings.Join(shell, " ")
	view.SQL = "SELECT * FROM reporting.basket_recommendations(" + strings.Join(sql, ", ") + ");"
}

// quoteShell is one word of a POSIX shell.
func quoteShell(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// quoteSQL is a literal of SQL, with standard_conforming_strings.
func quoteSQL(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
