package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/alsobought/alsobought/internal/rules"
)

type rulesCommand struct {
	List rulesListCommand `cmd:"" default:"withargs" help:"List the rules in force, newest first."`
	Add  rulesAddCommand  `cmd:"" help:"Add a rule: hide items, allow only some, pin some to the top, or keep some apart."`
	End  rulesEndCommand  `cmd:"" help:"End a rule; it stays in the history."`
}

type rulesListCommand struct {
	All    bool  `help:"Include rules that have ended or not yet begun."`
	Limit  int   `default:"100" help:"Maximum number of results, 1 to 1000 (default ${default})."`
	Before int64 `placeholder:"ID" help:"List rules with smaller IDs: pass the last ID listed to get the next page."`
	JSON   bool  `name:"json" help:"Print JSON."`
}

// Validate is called by kong after parsing. It rejects the value that means the default internally.
func (c *rulesListCommand) Validate() error {
	if c.Limit == 0 {
		return fmt.Errorf("limit is 0: choose 1 to %d", rules.MaxList)
	}
	return nil
}

func (c *rulesListCommand) Run(ctx context.Context, term *terminal, d *database) error {
	pool, closeAll, err := d.open(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	list, err := rules.List(ctx, pool, rules.ListOptions{All: c.All, Limit: c.Limit, Before: c.Before})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(term.stdout, list)
	}
	t := newTable(term.stdout)
	t.row("RULE", "KIND", "FOR", "ITEMS", "FROM (UTC)", "UNTIL (UTC)", "BY", "ENDED BY", "REASON")
	for _, r := range list {
		item, endedBy := "all", "-"
		set(&item, r.Item)
		set(&endedBy, r.EndedBy)
		t.row(strconv.FormatInt(r.RuleID, 10), string(r.Kind), item, strings.Join(r.Items, ", "),
			instant(&r.ValidFrom), instant(r.ValidUntil),
			r.Author, endedBy, r.Reason)
	}
	t.flush()
	return nil
}

type rulesAddCommand struct {
	Kind   string   `arg:"" enum:"hide,allow,pin,apart" help:"${enum}."`
	Items  []string `arg:"" name:"item" help:"Item names, at least two for apart. They may be unknown yet."`
	For    *string  `placeholder:"ITEM" help:"Apply only when this item is asked about, alone or in a basket or order."`
	Reason string   `required:"" placeholder:"TEXT" help:"Reason, shown with the rule."`
	From   *moment  `placeholder:"TIME" help:"Start: 2027-01-31, 2027-01-31T12:00:00Z, or a time from now (12h, 90d). Default: now."`
	Until  *moment  `placeholder:"TIME" help:"End. Default: when the rule is ended."`
	JSON   bool     `name:"json" help:"Print JSON."`
}

func (c *rulesAddCommand) Run(ctx context.Context, term *terminal, d *database) error {
	pool, closeAll, err := d.open(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	added, err := rules.Add(ctx, pool, rules.Draft{
		Kind: rules.Kind(c.Kind), Item: c.For, Items: c.Items, Reason: c.Reason, Author: whoami(),
		ValidFrom: c.From.value(), ValidUntil: c.Until.value(),
	})
	if err != nil {
		return err
	}
	if len(added.UnknownItems) > 0 {
		fmt.Fprintf(term.stderr, "alsobought: there is no item named %s yet: check the spelling\n",
			printable(strings.Join(added.UnknownItems, ", ")))
	}
	if c.JSON {
		return printJSON(term.stdout, added)
	}
	fmt.Fprintf(term.stdout, "rule %d: %s\n", added.RuleID, inWords(added.Rule))
	return nil
}

type rulesEndCommand struct {
	ID   int64 `arg:"" help:"Rule ID."`
	JSON bool  `name:"json" help:"Print JSON."`
}

func (c *rulesEndCommand) Run(ctx context.Context, term *terminal, d *database) error {
	pool, closeAll, err := d.open(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	ended, err := rules.End(ctx, pool, c.ID, whoami())
	if errors.Is(err, rules.ErrNotFound) {
		return fmt.Errorf("%w; see alsobought rules list --all", err)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(term.stdout, ended)
	}
	fmt.Fprintf(term.stdout, "rule %d has ended: %s\n", ended.RuleID, inWords(ended))
	return nil
}

// inWords formats a rule on one line, as it was given.
func inWords(r rules.Rule) string {
	words := string(r.Kind) + " " + strings.Join(r.Items, ", ")
	if r.Item != nil {
		words += " for " + *r.Item
	}
	words += ", from " + instant(&r.ValidFrom)
	if r.ValidUntil != nil {
		words += " until " + instant(r.ValidUntil)
	}
	return printable(words + " UTC")
}
