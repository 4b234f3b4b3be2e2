package recommend_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/oracle"
	"github.com/alsobought/alsobought/internal/recommend"
)

// draft is a rule to create: its kind, the item it is for, and its items.
type draft struct {
	kind, item string
	items      []string
}

func everywhere(kind string, items ...string) draft { return draft{kind, "", items} }

func about(item, kind string, items ...string) draft { return draft{kind, item, items} }

// TestRules shows what each kind of rule does to an answer. Without rules, bread recommends butter, jam/red and jam,
// and milk fills up.
func TestRules(t *testing.T) {
	t.Parallel()
	s := bread(t)
	for name, c := range map[string]struct {
		drafts   []draft
		basket   []string // nil: similar to bread
		opts     recommend.Options
		inactive string
		want     string
		rules    []int64 // in the metadata
		leftOut  int     // inactive items left out
	}{
		"no rule": {want: "butter, jam/red, jam, milk"},

		"hide":                                 {drafts: []draft{everywhere("hide", "butter", "milk")}, want: "jam/red, jam", rules: []int64{1}},
		"hide what is unknown":                 {drafts: []draft{everywhere("hide", "tea")}, want: "butter, jam/red, jam, milk"},
		"hide what is asked about":             {drafts: []draft{everywhere("hide", "bread")}, want: "butter, jam/red, jam, milk"},
		"hide for the item":                    {drafts: []draft{about("bread", "hide", "butter")}, want: "jam/red, jam, milk", rules: []int64{1}},
		"hide for another item":                {drafts: []draft{about("jam", "hide", "butter")}, want: "butter, jam/red, jam, milk"},
		"hide for an unknown item":             {drafts: []draft{about("tea", "hide", "butter")}, want: "butter, jam/red, jam, milk"},
		"hide for an item of a basket":         {drafts: []draft{about("jam", "hide", "butter")}, basket: []string{"bread", "jam"}, want: "jam/red, milk", rules: []int64{1}},
		"hide from what fills up":              {drafts: []draft{everywhere("hide", "milk")}, basket: []string{"milk"}, want: "bread, butter, jam, jam/red"},
		"hide behind the limit":                {drafts: []draft{everywhere("hide", "jam")}, opts: recommend.Options{Limit: 2}, want: "butter, jam/red"},
		"hide on the limit":                    {drafts: []draft{everywhere("hide", "jam/red")}, opts: recommend.Options{Limit: 2}, want: "butter, jam", rules: []int64{1}},
		"hide where a place is left":           {drafts: []draft{everywhere("hide", "jam")}, opts: recommend.Options{Strict: true}, want: "butter, jam/red", rules: []int64{1}},
		"hide what would not fill":             {drafts: []draft{everywhere("hide", "milk")}, opts: recommend.Options{Strict: true}, want: "butter, jam/red, jam"},
		"hide what is excluded":                {drafts: []draft{everywhere("hide", "butter")}, opts: recommend.Options{Exclude: []string{"butter"}}, want: "jam/red, jam, milk"},
		"two hide the same: both are reported": {drafts: []draft{everywhere("hide", "butter"), everywhere("hide", "butter")}, want: "jam/red, jam, milk", rules: []int64{1, 2}},
		"hide behind what pins leave":          {drafts: []draft{everywhere("hide", "butter"), everywhere("pin", "milk")}, opts: recommend.Options{Limit: 1}, want: "milk!", rules: []int64{2}},
		"hide what a rule for another pins":    {drafts: []draft{everywhere("hide", "jam"), about("jam", "pin", "jam")}, opts: recommend.Options{Limit: 1}, want: "butter"},

		"allow":                     {drafts: []draft{everywhere("allow", "jam", "tea")}, want: "jam", rules: []int64{1}},
		"allow what fills up":       {drafts: []draft{everywhere("allow", "milk", "jam")}, want: "jam, milk", rules: []int64{1}},
		"allow all there is":        {drafts: []draft{everywhere("allow", "jam", "jam/red", "butter", "milk")}, want: "butter, jam/red, jam, milk"},
		"allow what nobody knows":   {drafts: []draft{everywhere("allow", "tea")}, want: "", rules: []int64{1}},
		"two allow what both allow": {drafts: []draft{everywhere("allow", "jam", "butter"), about("bread", "allow", "milk", "jam")}, want: "jam", rules: []int64{1, 2}},
		"allow for another item":    {drafts: []draft{about("milk", "allow", "jam")}, want: "butter, jam/red, jam, milk"},

		"pin":                                  {drafts: []draft{everywhere("pin", "milk", "jam")}, want: "milk!, jam!, butter, jam/red", rules: []int64{1}},
		"pin what is first anyway":             {drafts: []draft{everywhere("pin", "butter")}, want: "butter!, jam/red, jam, milk", rules: []int64{1}},
		"pin into an answer that is strict":    {drafts: []draft{everywhere("pin", "milk")}, opts: recommend.Options{Strict: true}, want: "milk!, butter, jam/red, jam", rules: []int64{1}},
		"pin more than there is room for":      {drafts: []draft{everywhere("pin", "milk", "jam"), everywhere("pin", "jam/red")}, opts: recommend.Options{Limit: 1}, want: "jam/red!", rules: []int64{2}},
		"pin what is asked about":              {drafts: []draft{everywhere("pin", "bread")}, want: "butter, jam/red, jam, milk"},
		"pin what is in the basket":            {drafts: []draft{everywhere("pin", "jam", "milk")}, basket: []string{"bread", "jam"}, want: "milk!, butter, jam/red", rules: []int64{1}},
		"pin what is unknown":                  {drafts: []draft{everywhere("pin", "tea", "milk")}, want: "milk!, butter, jam/red, jam", rules: []int64{1}},
		"pin twice in a rule":                  {drafts: []draft{everywhere("pin", "milk", "jam", "milk")}, want: "milk!, jam!, butter, jam/red", rules: []int64{1}},
		"pinned for the item comes first":      {drafts: []draft{about("bread", "pin", "jam"), everywhere("pin", "milk")}, want: "jam!, milk!, butter, jam/red", rules: []int64{1, 2}},
		"later rules come first":               {drafts: []draft{everywhere("pin", "jam"), everywhere("pin", "milk")}, want: "milk!, jam!, butter, jam/red", rules: []int64{1, 2}},
		"pinned by two: the later one's place": {drafts: []draft{everywhere("pin", "jam"), everywhere("pin", "milk", "jam")}, want: "milk!, jam!, butter, jam/red", rules: []int64{1, 2}},
		"pinned by two: the item's one's place": {
			drafts: []draft{about("bread", "pin", "jam"), about("bread", "pin", "milk"), everywhere("pin", "jam")},
			want:   "milk!, jam!, butter, jam/red", rules: []int64{1, 2, 3},
		},
		"pin for another item": {drafts: []draft{about("jam", "pin", "milk")}, want: "butter, jam/red, jam, milk"},

		"hidden beats pinned":                  {drafts: []draft{everywhere("pin", "jam", "milk"), everywhere("hide", "jam")}, want: "milk!, butter, jam/red", rules: []int64{1, 2}},
		"hidden beats pinned, and is reported": {drafts: []draft{everywhere("pin", "milk"), everywhere("hide", "milk")}, opts: recommend.Options{Limit: 1}, want: "butter", rules: []int64{2}},
		"excluded beats pinned":                {drafts: []draft{everywhere("pin", "jam")}, opts: recommend.Options{Exclude: []string{"jam"}}, want: "butter, jam/red, milk"},
		"allowed beats pinned":                 {drafts: []draft{everywhere("pin", "milk", "jam"), everywhere("allow", "jam", "butter")}, want: "jam!, butter", rules: []int64{1, 2}},
		"not active beats pinned":              {drafts: []draft{everywhere("pin", "milk")}, inactive: "milk", want: "butter, jam/red, jam", leftOut: 1},
		"hidden and not active: the rule is":   {drafts: []draft{everywhere("hide", "milk")}, inactive: "milk", want: "butter, jam/red, jam", rules: []int64{1}},
		"allowed and hidden":                   {drafts: []draft{everywhere("allow", "jam", "butter"), everywhere("hide", "butter")}, want: "jam", rules: []int64{1, 2}},

		"apart":                       {drafts: []draft{everywhere("apart", "jam", "butter")}, want: "butter, jam/red, milk", rules: []int64{1}},
		"apart from what is asked":    {drafts: []draft{everywhere("apart", "jam", "bread")}, want: "butter, jam/red, milk", rules: []int64{1}},
		"apart from an item asked":    {drafts: []draft{everywhere("apart", "jam", "butter")}, basket: []string{"bread", "butter"}, want: "jam/red, milk", rules: []int64{1}},
		"apart from what is unknown":  {drafts: []draft{everywhere("apart", "jam", "tea")}, want: "butter, jam/red, jam, milk"},
		"apart from what is hidden":   {drafts: []draft{everywhere("apart", "jam", "butter"), everywhere("hide", "butter")}, want: "jam/red, jam, milk", rules: []int64{2}},
		"apart in a chain":            {drafts: []draft{everywhere("apart", "butter", "jam/red"), everywhere("apart", "jam/red", "jam")}, want: "butter, jam, milk", rules: []int64{1}},
		"apart all":                   {drafts: []draft{everywhere("apart", "butter", "jam/red", "jam", "milk")}, want: "butter", rules: []int64{1}},
		"apart behind the limit":      {drafts: []draft{everywhere("apart", "butter", "jam")}, opts: recommend.Options{Limit: 2}, want: "butter, jam/red"},
		"apart from what is pinned":   {drafts: []draft{everywhere("apart", "butter", "milk"), everywhere("pin", "milk")}, want: "milk!, jam/red, jam", rules: []int64{1, 2}},
		"pinned apart":                {drafts: []draft{everywhere("apart", "jam", "milk"), everywhere("pin", "milk", "jam")}, want: "milk!, butter, jam/red", rules: []int64{1, 2}},
		"apart twice":                 {drafts: []draft{everywhere("apart", "butter", "jam"), everywhere("apart", "jam", "butter")}, want: "butter, jam/red, milk", rules: []int64{1, 2}},
		"hidden, and apart as it is":  {drafts: []draft{everywhere("apart", "butter", "jam"), everywhere("hide", "jam")}, want: "butter, jam/red, milk"},
		"not active, and apart as is": {drafts: []draft{everywhere("apart", "butter", "jam")}, inactive: "jam", want: "butter, jam/red, milk"},

		"not active":                {inactive: "butter", want: "jam/red, jam, milk", leftOut: 1},
		"not active and asked":      {inactive: "bread", want: "butter, jam/red, jam, milk"},
		"not active behind the end": {inactive: "milk", opts: recommend.Options{Limit: 3}, want: "butter, jam/red, jam"},
	} {
		// Not in parallel: rules affect all questions.
		s.exec(t, "TRUNCATE rules, item_attributes RESTART IDENTITY")
		for _, l := range c.drafts {
			s.rule(t, l.kind, l.item, l.items...)
		}
		if c.inactive != "" {
			s.describe(t, c.inactive, oracle.Attributes{Inactive: true})
		}
		answer, err := s.Ask(t.Context(), recommend.Similar("bread", c.opts))
		if c.basket != nil {
			answer, err = s.Ask(t.Context(), recommend.Basket(c.basket, c.opts))
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := marked(answer); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if m := answer.Metadata; !slices.Equal(m.Rules, c.rules) || m.InactiveLeftOut != c.leftOut {
			t.Errorf("%s: rules %d and %d inactive left out, want %d and %d", name, m.Rules, m.InactiveLeftOut, c.rules, c.leftOut)
		}
	}
}

// marked lists the items of an answer, with pinned ones marked.
func marked(answer recommend.Answer) string {
	var list []string
	for _, r := range answer.Recommendations {
		if r.Source == recommend.SourcePinned {
			r.ItemName += "!"
		}
		list = append(list, r.ItemName)
	}
	return strings.Join(list, ", ")
}

// The reason of a pinned item names its rules, besides what is known about it.
func TestPinnedReasons(t *testing.T) {
	t.Parallel()
	s := bread(t)
	s.rule(t, "pin", "", "milk", "jam", "milk")
	s.rule(t, "pin", "bread", "jam")
	similar, err := s.Ask(t.Context(), recommend.Similar("bread", recommend.Options{Limit: 3}))
	if diff := cmp.Diff([]string{
		"jam: pinned by rule 1 and rule 2, bought together in 1 of 4 orders with bread",
		"milk: pinned by rule 1, in 1 of 5 orders",
		"butter: bought together in 2 of 4 orders with bread",
	}, reasons(similar, err)); diff != "" {
		t.Errorf("similar (-want +got):\n%s", diff)
	}
	popular, err := s.Ask(t.Context(), recommend.Popular(recommend.Options{Limit: 3}))
	if diff := cmp.Diff([]string{
		"milk: pinned by rule 1, in 1 of 5 orders", "jam: pinned by rule 1, in 1 of 5 orders", "bread: in 4 of 5 orders",
	}, reasons(popular, err)); diff != "" {
		t.Errorf("popular (-want +got):\n%s", diff)
	}
	if one := popular.Recommendations[0]; one.SimilarityScore != 1 || one.Confidence != 0.2 || one.OrdersTogether != 1 || one.Lift != 1 {
		t.Errorf("%+v", one)
	}
}

// A rule is in force from valid_from to just before valid_until, from its commit on, even for earlier callers.
func TestRulesInForce(t *testing.T) {
	t.Parallel()
	s := bread(t)
	want := func(what, list string) {
		t.Helper()
		answer, err := s.Ask(t.Context(), recommend.Similar("bread", recommend.Options{}))
		if err != nil || marked(answer) != list {
			t.Errorf("%s: %s, want %s (%v)", what, marked(answer), list, err)
		}
	}
	const without, hidden = "butter, jam/red, jam, milk", "jam/red, jam, milk"
	want("at first", without)
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), "INSERT INTO rules (kind, items, reason, author) VALUES ('hide', '{butter}', 'why', 'tester')"); err != nil {
		t.Fatal(err)
	}
	want("before it is committed", without)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("committed", hidden)
	for _, c := range []struct{ from, until, want string }{
		{"now() - interval '1 day'", "NULL", hidden},
		{"now() - interval '1 day'", "now() + interval '1 day'", hidden},
		{"now() + interval '1 day'", "NULL", without},
		{"now() - interval '2 days'", "now() - interval '1 day'", without},
		{"'2000-01-01'", "'9999-12-31'", hidden},
		{"now() - interval '1 day'", "now()", without}, // just ended
		{"now()", "NULL", hidden},                      // just began
		{"now()", "now()", without},
	} {
		s.exec(t, fmt.Sprintf("UPDATE rules SET valid_from = %s, valid_until = %s", c.from, c.until))
		want("from "+c.from+" until "+c.until, c.want)
	}
	// At the exact moments: now() is constant within a transaction.
	for _, c := range []struct {
		from, until time.Duration
		want        string
	}{
		{0, time.Microsecond, hidden},
		{time.Microsecond, time.Second, without},
		{-time.Second, 0, without},
	} {
		tx, err := s.pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = tx.Exec(t.Context(), "UPDATE rules SET valid_from = now() + $1, valid_until = now() + $2", c.from, c.until)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := recommend.New(tx).Ask(t.Context(), recommend.Similar("bread", recommend.Options{}))
		if err != nil || marked(answer) != c.want {
			t.Errorf("from %v until %v: %s, want %s (%v)", c.from, c.until, marked(answer), c.want, err)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
