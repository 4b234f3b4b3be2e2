package dashboard

import (
	"fmt"
	"strconv"

	"github.com/alsobought/alsobought/internal/rules"
)

// endRule ends a rule in the name of the key.
func (d *Dashboard) endRule(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	id, err := strconv.ParseInt(v.r.PostFormValue("rule"), 10, 64)
	if err != nil {
		return invalid{"The form names no rule."}
	}
	ended, err := rules.End(v.ctx, d.Pool, id, v.key.Name)
	if err != nil {
		return err
	}
	return v.done("/rules", fmt.Sprintf("Rule %d (%s) has ended.", ended.RuleID, ended.Kind), 0)
}
