package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/rules"
)

const rulesPath = "/api/v1/rules"

// A test compares the limits and defaults in the tags with those of package rules.
type (
	rulesInput struct {
		strictQuery

		All    bool  `query:"all" default:"false" doc:"Include rules that have ended or are not yet in force."`
		Limit  int   `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Maximum number of rules."`
		Before int64 `query:"before" minimum:"1" doc:"Only rules with a smaller ID; for the next page, the last ID of the previous one."`
	}

	ruleInput struct {
		strictQuery

		Body ruleBody
	}

	//nolint:lll // tags cannot be broken
	ruleBody struct {
		Kind       rules.Kind `json:"kind" enum:"hide,allow,pin,apart" doc:"hide: the items are not recommended. allow: only the items are recommended. pin: the items come first, in their order. apart: no two of the items are shown together."`
		Item       *string    `json:"item,omitempty" doc:"The rule applies to questions about this item, or about a basket or order that contains it; without it, to all questions. Not for apart." example:"PID"`
		Items      []string   `json:"items" minItems:"1" maxItems:"1000" doc:"Item names, at least two for apart. They need not exist yet." example:"[\"Gloves\"]"`
		Reason     string     `json:"reason" doc:"Reason, at most 2000 bytes." example:"spring offer"`
		ValidFrom  *time.Time `json:"valid_from,omitempty" doc:"Start (RFC 3339); default: now."`
		ValidUntil *time.Time `json:"valid_until,omitempty" doc:"End (RFC 3339); default: until the rule is ended."`
	}

	endInput struct {
		strictQuery

		RuleID int64 `path:"rule_id" minimum:"1" doc:"The rule's ID." example:"7"`
	}

	rulesOutput struct{ Body rulesBody }
	rulesBody   struct {
		Rules []rules.Rule `json:"rules" doc:"Newest first."`
	}
	addedOutput struct{ Body rules.Added }
	ruleOutput  struct{ Body rules.Rule }
)

func (a *API) rules() {
	keyed := requirements{scope: apikey.Write, slots: a.queries, of: a.primary}
	adding := requirements{scope: apikey.Write, body: a.MaxBody, slots: a.queries, of: a.primary}
	register(a, keyed, managed(huma.Operation{
		OperationID: "rules-list",
		Method:      http.MethodGet,
		Path:        rulesPath,
		Summary:     "List rules",
		Description: "Lists the rules in force or, with all, every rule. Rules are ended, never deleted.",
	}, http.StatusOK, "rules"), func(ctx context.Context, in *rulesInput) (*rulesOutput, error) {
		list, err := rules.List(ctx, a.primary.pool, rules.ListOptions{All: in.All, Limit: in.Limit, Before: in.Before})
		return &rulesOutput{rulesBody{list}}, err
	})
	register(a, adding, managed(huma.Operation{
		OperationID: "rules-add",
		Method:      http.MethodPost,
		Path:        rulesPath,
		Summary:     "Add a rule",
		Description: "The rule affects answers as soon as it is in force. Names without an item are accepted and reported.",
	}, http.StatusCreated, "rules"), func(ctx context.Context, in *ruleInput) (*addedOutput, error) {
		added, err := rules.Add(ctx, a.primary.pool, rules.Draft{
			Kind: in.Body.Kind, Item: in.Body.Item, Items: in.Body.Items, Reason: in.Body.Reason, Author: signer(ctx),
			ValidFrom: in.Body.ValidFrom, ValidUntil: in.Body.ValidUntil,
		})
		return &addedOutput{added}, err
	})
	register(a, keyed, managed(huma.Operation{
		OperationID: "rules-end",
		Method:      http.MethodDelete,
		Path:        rulesPath + "/{rule_id}",
		Summary:     "End a rule",
		Description: "The rule no longer affects answers. It remains in the list of all rules, with who ended it.",
		Errors:      []int{http.StatusNotFound},
	}, http.StatusOK, "rules"), func(ctx context.Context, in *endInput) (*ruleOutput, error) {
		ended, err := rules.End(ctx, a.primary.pool, in.RuleID, signer(ctx))
		return &ruleOutput{ended}, err
	})
}
