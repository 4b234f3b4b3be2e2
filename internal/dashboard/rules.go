package dashboard

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/alsobought/alsobought/internal/rules"
)

// rulesShown is how many rules a page lists.
const rulesShown = 50

// rulesView is the list of rules.
type rulesView struct {
	State  rules.State // "" is all
	About  string
	Counts rules.Counts
	Rules  []ruleRow
	Next   int64 // the page after this one begins before this rule
}

// ruleRow is a rule as a list has it.
type ruleRow struct {
	rules.Rule

	Stands rules.State
	May    bool // end it
	Back   string
}

// First are the names that a list shows.
func (r ruleRow) First() []string { return r.Items[:min(len(r.Items), 3)] }

// More is how many others there are.
func (r ruleRow) More() int { return max(0, len(r.Items)-3) }

// Says is what the rule does, in words.
func (r ruleRow) Says() string { return kindSays(r.Kind) }

func kindSays(kind rules.Kind) string {
	switch kind {
	case rules.Hide:
		return "never recommended"
	case rules.Allow:
		return "only these are recommended"
	case rules.Pin:
		return "come first, in this order"
	case rules.Apart:
		return "never shown together"
	}
	return ""
}

func (d *Dashboard) rulesScreen(v *visit) error {
	query := v.r.URL.Query()
	view := rulesView{State: rules.InForce, About: strings.TrimSpace(query.Get("about"))}
	switch state := rules.State(query.Get("state")); state {
	case rules.InForce, rules.ToCome, rules.Ended:
		view.State = state
	case "all":
		view.State = ""
	}
	if len(view.About) > rules.MaxText || !valid(view.About) {
		return invalid{"Search for a shorter name, in plain text."}
	}
	var before int64
	if query.Has("before") {
		var err error
		if before, err = v.id("before"); err != nil {
			return err
		}
	}
	var err error
	if view.Counts, err = rules.Count(v.ctx, d.Pool, view.About); err != nil {
		return err
	}
	list, err := rules.ListByState(v.ctx, d.Pool, view.State, view.About, before, rulesShown+1)
	if err != nil {
		return err
	}
	if len(list) > rulesShown {
		list = list[:rulesShown]
		view.Next = list[rulesShown-1].RuleID
	}
	for _, r := range list {
		view.Rules = append(view.Rules, v.ruleRow(r))
	}
	return v.show("rules", "Rules", view)
}

func (v *visit) ruleRow(r rules.Rule) ruleRow {
	return ruleRow{Rule: r, Stands: r.State(time.Now()), May: v.may("write"), Back: v.r.URL.RequestURI()}
}

// valid reports whether PostgreSQL can hold the text.
func valid(text string) bool {
	return strings.ToValidUTF8(text, "") == text && !strings.ContainsRune(text, 0)
}

func (d *Dashboard) rulePage(v *visit) error {
	id, err := v.id("id")
	if err != nil {
		return err
	}
	rule, err := rules.Get(v.ctx, d.Pool, id)
	if err != nil {
		return err
	}
	v.at("/rules/rule")
	return v.show("rule", fmt.Sprintf("Rule %d", id), v.ruleRow(rule))
}

// ruleForm is a rule as it is written down, and what is wrong with it.
type ruleForm struct {
	Kind, Item, Items, Reason, From, Until string

	Problem string
	Preview *preview // nil: not asked for
}

func (v *visit) ruleForm() (f ruleForm) {
	f.Kind, f.Item, f.Items = v.r.FormValue("kind"), v.r.FormValue("item"), v.r.FormValue("items")
	f.Reason, f.From, f.Until = v.r.FormValue("reason"), v.r.FormValue("from"), v.r.FormValue("until")
	if f.Kind == "" {
		f.Kind = string(rules.Hide)
	}
	return f
}

// draft is the rule that the form describes. Days begin at midnight, UTC.
func (f ruleForm) draft(author string) (rules.Draft, error) {
	draft := rules.Draft{Kind: rules.Kind(f.Kind), Reason: f.Reason, Author: author}
	if strings.TrimSpace(f.Item) != "" {
		draft.Item = &f.Item
	}
	for line := range strings.Lines(f.Items) {
		if line = strings.TrimSpace(line); line != "" {
			draft.Items = append(draft.Items, line)
		}
	}
	for _, day := range []struct {
		text string
		to   **time.Time
	}{{f.From, &draft.ValidFrom}, {f.Until, &draft.ValidUntil}} {
		if day.text == "" {
			continue
		}
		at, err := time.Parse(time.DateOnly, day.text)
		if err != nil {
			return draft, invalid{fmt.Sprintf("The date %q is invalid: write it as 2027-01-31.", day.text)}
		}
		*day.to = &at
	}
	return draft, nil
}

// Kinds are what a rule can do.
func (f ruleForm) Kinds() [][2]string {
	return [][2]string{
		{string(rules.Hide), "Hide: these items are not recommended"},
		{string(rules.Pin), "Pin: these items come first, in this order"},
		{string(rules.Allow), "Allow: only these items are recommended"},
		{string(rules.Apart), "Keep apart: no two of these are shown together"},
	}
}

func (d *Dashboard) newRule(v *visit) error { return v.showRuleForm(http.StatusOK, v.ruleForm()) }

func (v *visit) showRuleForm(status int, f ruleForm) error {
	v.at("/rules/new")
	return v.showStatus(status, "rulenew", "New rule", f)
}

// wrongRule shows the form again with what is wrong with it.
func (v *visit) wrongRule(f ruleForm, err error) error {
	var wrong invalid
	var fields rules.InvalidError
	switch {
	case errors.As(err, &wrong):
		f.Problem = wrong.problem
	case errors.As(err, &fields):
		list := make([]string, 0, len(fields))
		for _, field := range fields {
			name := map[string]string{
				"items": "The list of items", "item": "The item it applies to", "reason": "The reason",
				"valid_from": "The start date", "valid_until": "The end date", "kind": "The kind",
			}[field.Field]
			if name == "" {
				name = field.Field
			}
			list = append(list, sentence(name+" "+field.Problem))
		}
		f.Problem = strings.Join(list, " ")
	default:
		return err
	}
	return v.showRuleForm(http.StatusUnprocessableEntity, f)
}

// previewRule shows the form again, with what the rule would change. It is a POST for its length alone: nothing is
// changed.
func (d *Dashboard) previewRule(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	f := v.ruleForm()
	draft, err := f.draft(v.key.Name)
	if err == nil {
		f.Preview, err = d.preview(v.ctx, draft)
	}
	if err != nil {
		return v.wrongRule(f, err)
	}
	return v.showRuleForm(http.StatusOK, f)
}

func (d *Dashboard) addNewRule(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	f := v.ruleForm()
	draft, err := f.draft(v.key.Name)
	if err != nil {
		return v.wrongRule(f, err)
	}
	added, err := rules.Add(v.ctx, d.Pool, draft)
	if err != nil {
		return v.wrongRule(f, err)
	}
	text := fmt.Sprintf("Rule %d is in force.", added.RuleID)
	if added.State(time.Now()) == rules.ToCome {
		text = fmt.Sprintf("Rule %d will be in force from %s on.", added.RuleID, added.ValidFrom.Format("2 January 2006"))
	}
	if n := len(added.UnknownItems); n > 0 {
		text += fmt.Sprintf(" There is no item named “%s”", shorten(added.UnknownItems[0], 80))
		if n > 1 {
			text += ", or any of " + plural(n-1, "other name")
		}
		text += " yet: check the spelling."
	}
	return v.done(fmt.Sprintf("/rules/rule?id=%d", added.RuleID), text, added.RuleID)
}
