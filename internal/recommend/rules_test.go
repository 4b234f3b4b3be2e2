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

// drafts reads rules such as "hide butter, milk; pin jam for bread".
func drafts(text string) (list []draft) {
	for rule := range strings.SplitSeq(text, "; ") {
		if kind, rest, found := strings.Cut(rule, " "); found {
			items, item, _ := strings.Cut(rest, " for ")
			list = append(list, draft{kind, item, strings.Split(items, ", ")})
		}
	}
	return list
}

type ids = []int64

var strict = recommend.Options{Strict: true}

func limit(n int) recommend.Options { return recommend.Options{Limit: n} }

func excluding(item string) recommend.Options { return recommend.Options{Exclude: []string{item}} }

// TestRules shows what each kind of rule does to an answer. Without rules, bread recommends butter, jam/red and jam,
// and milk fills up.
func TestRules(t *testing.T) {
	t.Parallel()
	s := bread(t)
	for name, c := range map[string]struct {
		rules    string   // for drafts
		basket   []string // nil: similar to bread
		opts     recommend.Options
		inactive string
		want     string
		applied  ids // rules in the metadata
		leftOut  int // inactive items left out
	}{
		"no rule": {want: "butter, jam/red, jam, milk"},

		"hide":                     {rules: "hide butter, milk", want: "jam/red, jam", applied: ids{1}},
		"hide what is unknown":     {rules: "hide tea", want: "butter, jam/red, jam, milk"},
		"hide what is asked about": {rules: "hide bread", want: "butter, jam/red, jam, milk"},
		"hide for the item":        {rules: "hide butter for bread", want: "jam/red, jam, milk", applied: ids{1}},
		"hide for another item":    {rules: "hide butter for jam", want: "butter, jam/red, jam, milk"},
		"hide for an unknown item": {rules: "hide butter for tea", want: "butter, jam/red, jam, milk"},
		"hide for an item of a basket": {
			rules: "hide butter for jam", basket: []string{"bread", "jam"}, want: "jam/red, milk", applied: ids{1},
		},
		"hide from what fills up": {
			rules: "hide milk", basket: []string{"milk"}, want: "bread, butter, jam, jam/red",
		},
		"hide behind the limit":      {rules: "hide jam", opts: limit(2), want: "butter, jam/red"},
		"hide on the limit":          {rules: "hide jam/red", opts: limit(2), want: "butter, jam", applied: ids{1}},
		"hide where a place is left": {rules: "hide jam", opts: strict, want: "butter, jam/red", applied: ids{1}},
		"hide what would not fill":   {rules: "hide milk", opts: strict, want: "butter, jam/red, jam"},
		"hide what is excluded":      {rules: "hide butter", opts: excluding("butter"), want: "jam/red, jam, milk"},
		"two hide the same: both are reported": {
			rules: "hide butter; hide butter", want: "jam/red, jam, milk", applied: ids{1, 2},
		},
		"hide behind what pins leave": {
			rules: "hide butter; pin milk", opts: limit(1), want: "milk!", applied: ids{2},
		},
		"hide what a rule for another pins": {rules: "hide jam; pin jam for jam", opts: limit(1), want: "butter"},

		"allow":                     {rules: "allow jam, tea", want: "jam", applied: ids{1}},
		"allow what fills up":       {rules: "allow milk, jam", want: "jam, milk", applied: ids{1}},
		"allow all there is":        {rules: "allow jam, jam/red, butter, milk", want: "butter, jam/red, jam, milk"},
		"allow what nobody knows":   {rules: "allow tea", want: "", applied: ids{1}},
		"two allow what both allow": {rules: "allow jam, butter; allow milk, jam for bread", want: "jam", applied: ids{1, 2}},
		"allow for another item":    {rules: "allow jam for milk", want: "butter, jam/red, jam, milk"},

		"pin": {
			rules: "pin milk, jam", want: "milk!, jam!, butter, jam/red", applied: ids{1},
		},
		"pin what is first anyway": {rules: "pin butter", want: "butter!, jam/red, jam, milk", applied: ids{1}},
		"pin into an answer that is strict": {
			rules: "pin milk", opts: strict, want: "milk!, butter, jam/red, jam", applied: ids{1},
		},
		"pin more than there is room for": {
			rules: "pin milk, jam; pin jam/red", opts: limit(1), want: "jam/red!", applied: ids{2},
		},
		"pin what is asked about": {rules: "pin bread", want: "butter, jam/red, jam, milk"},
		"pin what is in the basket": {
			rules: "pin jam, milk", basket: []string{"bread", "jam"}, want: "milk!, butter, jam/red", applied: ids{1},
		},
		"pin what is unknown": {
			rules: "pin tea, milk", want: "milk!, butter, jam/red, jam", applied: ids{1},
		},
		"pin twice in a rule": {
			rules: "pin milk, jam, milk", want: "milk!, jam!, butter, jam/red", applied: ids{1},
		},
		"pinned for the item comes first": {
			rules: "pin jam for bread; pin milk", want: "jam!, milk!, butter, jam/red", applied: ids{1, 2},
		},
		"later rules come first": {
			rules: "pin jam; pin milk", want: "milk!, jam!, butter, jam/red", applied: ids{1, 2},
		},
		"pinned by two: the later one's place": {
			rules: "pin jam; pin milk, jam", want: "milk!, jam!, butter, jam/red", applied: ids{1, 2},
		},
		"pinned by two: the item's one's place": {
			rules: "pin jam for bread; pin milk for bread; pin jam",
			want:  "milk!, jam!, butter, jam/red", applied: ids{1, 2, 3},
		},
		"pin for another item": {rules: "pin milk for jam", want: "butter, jam/red, jam, milk"},

		"hidden beats pinned": {
			rules: "pin jam, milk; hide jam", want: "milk!, butter, jam/red", applied: ids{1, 2},
		},
		"hidden beats pinned, and is reported": {
			rules: "pin milk; hide milk", opts: limit(1), want: "butter", applied: ids{2},
		},
		"excluded beats pinned": {rules: "pin jam", opts: excluding("jam"), want: "butter, jam/red, milk"},
		"allowed beats pinned": {
			rules: "pin milk, jam; allow jam, butter", want: "jam!, butter", applied: ids{1, 2},
		},
		"not active beats pinned": {
			rules: "pin milk", inactive: "milk", want: "butter, jam/red, jam", leftOut: 1,
		},
		"hidden and not active: the rule is": {
			rules: "hide milk", inactive: "milk", want: "butter, jam/red, jam", applied: ids{1},
		},
		"allowed and hidden": {rules: "allow jam, butter; hide butter", want: "jam", applied: ids{1, 2}},

		"apart":                  {rules: "apart jam, butter", want: "butter, jam/red, milk", applied: ids{1}},
		"apart from a seed item": {rules: "apart jam, bread", want: "butter, jam/red, milk", applied: ids{1}},
		"apart from a basket item": {
			rules: "apart jam, butter", basket: []string{"bread", "butter"}, want: "jam/red, milk", applied: ids{1},
		},
		"apart from what is unknown": {rules: "apart jam, tea", want: "butter, jam/red, jam, milk"},
		"apart from what is hidden":  {rules: "apart jam, butter; hide butter", want: "jam/red, jam, milk", applied: ids{2}},
		"apart in a chain": {
			rules: "apart butter, jam/red; apart jam/red, jam", want: "butter, jam, milk", applied: ids{1},
		},
		"apart all":              {rules: "apart butter, jam/red, jam, milk", want: "butter", applied: ids{1}},
		"apart behind the limit": {rules: "apart butter, jam", opts: limit(2), want: "butter, jam/red"},
		"apart from what is pinned": {
			rules: "apart butter, milk; pin milk", want: "milk!, jam/red, jam", applied: ids{1, 2},
		},
		"pinned apart": {
			rules: "apart jam, milk; pin milk, jam", want: "milk!, butter, jam/red", applied: ids{1, 2},
		},
		"apart twice": {
			rules: "apart butter, jam; apart jam, butter", want: "butter, jam/red, milk", applied: ids{1, 2},
		},
		"hidden, and apart as it is":  {rules: "apart butter, jam; hide jam", want: "butter, jam/red, milk"},
		"not active, and apart as is": {rules: "apart butter, jam", inactive: "jam", want: "butter, jam/red, milk"},

		"not active":                {inactive: "butter", want: "jam/red, jam, milk", leftOut: 1},
		"not active and asked":      {inactive: "bread", want: "butter, jam/red, jam, milk"},
		"not active behind the end": {inactive: "milk", opts: limit(3), want: "butter, jam/red, jam"},
	} {
		// Not in parallel: rules affect all questions.
		s.exec(t, "TRUNCATE rules, item_attributes RESTART IDENTITY")
		for _, d := range drafts(c.rules) {
			s.rule(t, d.kind, d.item, d.items...)
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
		if m := answer.Metadata; !slices.Equal(m.Rules, c.applied) || m.InactiveLeftOut != c.leftOut {
			t.Errorf("%s: rules %d and %d inactive left out, want %d and %d", name, m.Rules,
				m.InactiveLeftOut, c.applied, c.leftOut)
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
	similar, err := s.Ask(t.Context(), recommend.Similar("bread", limit(3)))
	if diff := cmp.Diff([]string{
		"jam: pinned by rule 1 and rule 2, bought together in 1 of 4 orders with bread",
		"milk: pinned by rule 1, in 1 of 5 orders",
		"butter: bought together in 2 of 4 orders with bread",
	}, reasons(similar, err)); diff != "" {
		t.Errorf("similar (-want +got):\n%s", diff)
	}
	popular, err := s.Ask(t.Context(), recommend.Popular(limit(3)))
	if diff := cmp.Diff([]string{
		"milk: pinned by rule 1, in 1 of 5 orders", "jam: pinned by rule 1, in 1 of 5 orders", "bread: in 4 of 5 orders",
	}, reasons(popular, err)); diff != "" {
		t.Errorf("popular (-want +got):\n%s", diff)
	}
	if one := popular.Recommendations[0]; one.SimilarityScore != 1 || one.Confidence != 0.2 ||
		one.OrdersTogether != 1 || one.Lift != 1 {
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
	if _, err := tx.Exec(t.Context(), "INSERT INTO rules (kind, items, reason, author) VALUES ('hide', "+
		"'{butter}', 'why', 'tester')"); err != nil {
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
