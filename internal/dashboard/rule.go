package dashboard

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/alsobought/alsobought/internal/rules"
)

// addRule adds a rule in the name of the key. The form says what by "do": hide, pin, here or everywhere, or apart, of
// "item", which is asked about, and "other".
func (d *Dashboard) addRule(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	item, other := v.r.PostFormValue("item"), v.r.PostFormValue("other")
	draft := rules.Draft{Items: []string{other}, Reason: v.r.PostFormValue("reason"), Author: v.key.Name}
	var text string
	switch do := v.r.PostFormValue("do"); do {
	case "hide":
		draft.Kind, draft.Item = rules.Hide, &item
		text = fmt.Sprintf("“%s” is hidden for “%s”.", other, item)
	case "hide everywhere":
		draft.Kind = rules.Hide
		text = fmt.Sprintf("“%s” is hidden everywhere.", other)
	case "pin":
		draft.Kind, draft.Item = rules.Pin, &item
		text = fmt.Sprintf("“%s” comes first for “%s”.", other, item)
	case "apart":
		draft.Kind, draft.Items = rules.Apart, []string{item, other}
		text = fmt.Sprintf("“%s” and “%s” are kept apart.", item, other)
	default:
		return invalid{fmt.Sprintf("do is %q: choose hide, hide everywhere, pin or apart.", do)}
	}
	until, err := untilOf(v.r.PostFormValue("until"))
	if err != nil {
		return err
	}
	draft.ValidUntil = until
	added, err := rules.Add(v.ctx, d.Pool, draft)
	if err != nil {
		return err
	}
	return v.done("/item", text, added.RuleID)
}

// untilOf is the midnight (UTC) of a day, nil for none.
func untilOf(text string) (*time.Time, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no day is no error
	}
	day, err := time.Parse(time.DateOnly, strings.TrimSpace(text))
	if err != nil {
		return nil, invalid{fmt.Sprintf("The date %q is invalid: write it as 2027-01-31.", text)}
	}
	return &day, nil
}

// endRule ends a rule in the name of the key.
func (d *Dashboard) endRule(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	id, err := strconv.ParseInt(v.r.PostFormValue("rule"), 10, 64)
	if err != nil {
		return invalid{"The form contains no rule."}
	}
	ended, err := rules.End(v.ctx, d.Pool, id, v.key.Name)
	if err != nil {
		return err
	}
	return v.done("/rules", fmt.Sprintf("Rule %d (%s) has ended.", ended.RuleID, ended.Kind), 0)
}
