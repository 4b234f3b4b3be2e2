// Package rules adds, lists and ends rules: manual decisions about answers that override the counts. How a rule
// affects an answer is defined in the SQL function answer() and nowhere here. Rules are never deleted or
// changed, only ended: the table is the audit trail.
package rules

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/orderfile"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/spelling"
)

// Kind is the effect of a rule.
type Kind string

// The kinds. A rule with an item applies only to questions about that item, or about a basket or order with it.
const (
	Hide  Kind = "hide"  // the items are not recommended
	Allow Kind = "allow" // only the items are recommended
	Pin   Kind = "pin"   // the items come first, in their order
	Apart Kind = "apart" // no two of the items are shown together; applies to all questions
)

// Kinds returns every kind.
func Kinds() []Kind { return []Kind{Hide, Allow, Pin, Apart} }

// The limits of rules and of lists.
const (
	MaxItems  = 1000
	MaxText   = orderfile.MaxText // bytes of a name, a reason or an author
	ListLimit = 100
	MaxList   = 1000
)

// The bounds of a rule's validity.
var (
	earliest = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(10000, time.January, 1, 0, 0, 0, 0, time.UTC)
)

// ErrNotFound is returned if a rule does not exist or has ended.
var ErrNotFound = errors.New("not found")

// InvalidError lists the invalid fields of a rule, each with the valid values.
type InvalidError []FieldError

// FieldError describes what is wrong with one field.
type FieldError struct {
	Field   string
	Problem string
}

func (e InvalidError) Error() string {
	messages := make([]string, 0, len(e))
	for _, f := range e {
		messages = append(messages, f.Field+" "+f.Problem)
	}
	return strings.Join(messages, "; ")
}

// Draft is a rule to be added.
type Draft struct {
	Kind       Kind
	Item       *string  // nil: all questions
	Items      []string // names; their order matters only for Pin
	Reason     string
	Author     string
	ValidFrom  *time.Time // nil: now
	ValidUntil *time.Time // nil: no end
}

// Rule is a stored rule.
//
//nolint:lll // tags cannot be broken
type Rule struct {
	RuleID     int64      `json:"rule_id"`
	Kind       Kind       `json:"kind" enum:"hide,allow,pin,apart" doc:"hide: the items are not recommended. allow: only the items are recommended. pin: the items come first, in their order. apart: no two of the items are shown together."`
	Item       *string    `json:"item,omitempty" doc:"The rule applies only to questions about this item; without it, to all."`
	Items      []string   `json:"items"`
	Reason     string     `json:"reason"`
	Author     string     `json:"author" doc:"Name of the API key it was added with, or the user of the command line."`
	ValidFrom  time.Time  `json:"valid_from"`
	ValidUntil *time.Time `json:"valid_until,omitempty" doc:"No longer in force from this time on."`
	CreatedAt  time.Time  `json:"created_at"`
	EndedAt    *time.Time `json:"ended_at,omitempty" doc:"When it was ended early."`
	EndedBy    *string    `json:"ended_by,omitempty"`
}

// Added is a new rule, with those of its names that match no item.
type Added struct {
	Rule

	UnknownItems []string `json:"unknown_items" doc:"Names in the rule that match no item: future items or typos."`
}

// Add adds a rule, which is in force from ValidFrom. Surrounding white space is removed from names and texts,
// as in loaded files, and repeated names are dropped.
//
// Errors: InvalidError, with everything that is wrong; database errors.
func Add(ctx context.Context, database db.DBTX, d Draft) (Added, error) {
	d = trimmed(d)
	if err := d.validate(time.Now()); err != nil {
		return Added{}, err
	}
	d.Items = once(d.Items)
	q := db.New(database)
	unknown, err := unknownItems(ctx, q, d)
	if err != nil {
		return Added{}, fmt.Errorf("find items: %w", err)
	}
	row, err := q.RuleInsert(ctx, db.RuleInsertParams{
		Kind: string(d.Kind), Item: d.Item, Items: d.Items, Reason: d.Reason, Author: d.Author,
		ValidFrom: d.ValidFrom, ValidUntil: d.ValidUntil,
	})
	if pg.Violates(err, "rules_valid_check") { // the database's clock decides
		return Added{}, InvalidError{{"valid_until", untilProblem}}
	}
	if err != nil {
		return Added{}, fmt.Errorf("add rule: %w", err)
	}
	return Added{ruleOf(row), unknown}, nil
}

func unknownItems(ctx context.Context, q *db.Queries, d Draft) ([]string, error) {
	names := d.Items
	if d.Item != nil {
		names = once(append([]string{*d.Item}, names...))
	}
	known, err := q.ItemListNamed(ctx, names)
	if err != nil {
		return nil, err
	}
	unknown := []string{}
	for _, name := range names {
		if _, found := slices.BinarySearch(known, name); !found { // names are sorted by bytes
			unknown = append(unknown, name)
		}
	}
	return unknown, nil
}

// ListOptions choose rules. The zero value is the newest ListLimit of those in force now.
type ListOptions struct {
	All    bool  // those that have ended or are to come, too
	Limit  int   // 1 to MaxList; 0 is ListLimit
	Before int64 // only those with a smaller id, for the next page; 0 is all
}

// List returns rules, newest first.
//
// Errors: InvalidError; database errors.
func List(ctx context.Context, database db.DBTX, opts ListOptions) ([]Rule, error) {
	var invalid InvalidError
	if opts.Limit == 0 {
		opts.Limit = ListLimit
	}
	if opts.Limit < 1 || opts.Limit > MaxList {
		invalid = append(invalid, FieldError{"limit", fmt.Sprintf("is %d: choose 1 to %d", opts.Limit, MaxList)})
	}
	if opts.Before < 0 {
		invalid = append(invalid, FieldError{"before", fmt.Sprintf("is %d: name a rule", opts.Before)})
	}
	if invalid != nil {
		return nil, invalid
	}
	if opts.Before == 0 {
		opts.Before = math.MaxInt64
	}
	rows, err := pg.Retried(ctx, database, func() ([]db.Rule, error) {
		return db.New(database).RuleList(ctx, opts.All, opts.Before, int32(opts.Limit))
	})
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", err)
	}
	list := make([]Rule, 0, len(rows))
	for _, r := range rows {
		list = append(list, ruleOf(r))
	}
	return list, nil
}

// End ends a rule that is in force or will be, and returns it.
func End(ctx context.Context, database db.DBTX, ruleID int64, endedBy string) (Rule, error) {
	row, err := db.New(database).RuleEnd(ctx, endedBy, ruleID)
	if errors.Is(err, pgx.ErrNoRows) {
		return Rule{}, fmt.Errorf("rule %d %w, or it has already ended", ruleID, ErrNotFound)
	}
	if err != nil {
		return Rule{}, fmt.Errorf("end rule %d: %w", ruleID, err)
	}
	return ruleOf(row), nil
}

// trimmed returns the draft with surrounding white space removed from its texts, and its names spelled as loads
// store them.
func trimmed(d Draft) Draft {
	d.Reason, d.Author = strings.TrimSpace(d.Reason), strings.TrimSpace(d.Author)
	if d.Item != nil {
		item := spelling.CleanString(*d.Item)
		d.Item = &item
	}
	d.Items = slices.Clone(d.Items)
	for i, name := range d.Items {
		d.Items[i] = spelling.CleanString(name)
	}
	return d
}

// once returns the list without repeated names.
func once(names []string) []string {
	distinct := make([]string, 0, len(names))
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if !seen[name] {
			seen[name] = true
			distinct = append(distinct, name)
		}
	}
	return distinct
}

const untilProblem = "is not after valid_from, or is in the past: choose a later time"

// validate checks the constraints of the table, and that the rule will ever be in force.
func (d *Draft) validate(now time.Time) error {
	var invalid InvalidError
	wrong := func(field, format string, args ...any) {
		invalid = append(invalid, FieldError{field, fmt.Sprintf(format, args...)})
	}
	text := func(field, value, emptyAdvice string) {
		switch {
		case value == "":
			wrong(field, "is empty: %s", emptyAdvice)
		case len(value) > MaxText:
			wrong(field, "has %d bytes: the maximum is %d", len(value), MaxText)
		case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
			wrong(field, "is not valid UTF-8 or contains NUL: remove these bytes")
		}
	}
	if !slices.Contains(Kinds(), d.Kind) {
		wrong("kind", "is %q: choose hide, allow, pin or apart", d.Kind)
	}
	if d.Item != nil {
		if d.Kind == Apart {
			wrong("item", "is not allowed for apart rules, which apply to all questions: leave it out")
		} else {
			text("item", *d.Item, "leave it out for a rule that applies to all questions")
		}
	}
	least := 1
	if d.Kind == Apart {
		least = 2
	}
	if n := len(once(d.Items)); n < least || n > MaxItems {
		wrong("items", "has %d distinct names: choose %d to %d", n, least, MaxItems)
	}
	for i, name := range d.Items {
		text(fmt.Sprintf("items[%d]", i), name, "leave it out")
	}
	text("reason", d.Reason, "say why the rule exists")
	text("author", d.Author, "say who adds the rule")
	from := now
	if d.ValidFrom != nil {
		from = *d.ValidFrom
		if from.Before(earliest) || !from.Before(latest) {
			wrong("valid_from", "is in the year %d: choose 2000 to 9999", from.UTC().Year())
		}
	}
	if d.ValidUntil != nil {
		switch until := *d.ValidUntil; {
		case !until.Before(latest):
			wrong("valid_until", "is after the year 9999: leave it out for a rule without an end")
		case !until.After(from) || !until.After(now):
			wrong("valid_until", untilProblem)
		}
	}
	if invalid != nil {
		return invalid
	}
	return nil
}

func ruleOf(r db.Rule) Rule {
	return Rule{
		RuleID: r.RuleID, Kind: Kind(r.Kind), Item: r.Item, Items: r.Items, Reason: r.Reason, Author: r.Author,
		ValidFrom: r.ValidFrom.UTC(), ValidUntil: inUTC(r.ValidUntil),
		CreatedAt: r.CreatedAt.UTC(), EndedAt: inUTC(r.EndedAt), EndedBy: r.EndedBy,
	}
}

func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	utc := t.UTC()
	return &utc
}
