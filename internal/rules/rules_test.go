package rules_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/rules"
)

func mustAdd(t *testing.T, pool *pg.Pool, d rules.Draft) rules.Added {
	t.Helper()
	added, err := rules.Add(t.Context(), pool, d)
	if err != nil {
		t.Fatal(err)
	}
	return added
}

func mustExec(t *testing.T, pool *pg.Pool, statement string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func hiding(items ...string) rules.Draft {
	return rules.Draft{Kind: rules.Hide, Items: items, Reason: "recalled", Author: "tester"}
}

// ids returns the IDs of the listed rules, all of them or those in force.
func ids(t *testing.T, pool *pg.Pool, opts rules.ListOptions) []int64 {
	t.Helper()
	list, err := rules.List(t.Context(), pool, opts)
	if err != nil {
		t.Fatal(err)
	}
	found := []int64{}
	for _, r := range list {
		found = append(found, r.RuleID)
	}
	return found
}

func TestAdd(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	mustExec(t, pool, "INSERT INTO items (name) VALUES ('lamp'), ('bulb'), ('1/2\" pipe'), ('Größe')")
	from := time.Now().Add(-time.Hour).Truncate(time.Microsecond).UTC()
	until := from.Add(48 * time.Hour)
	elsewhere := until.In(time.FixedZone("", 7*3600))
	text := func(s string) *string { return &s }
	for name, c := range map[string]struct {
		draft   rules.Draft
		want    rules.Rule // except columns set by the database
		unknown []string
	}{
		"hide": {
			hiding("bulb"),
			rules.Rule{Kind: rules.Hide, Items: []string{"bulb"}, Reason: "recalled", Author: "tester"},
			[]string{},
		},
		"pin for an item, in its order, for a time": {
			rules.Draft{
				Kind: rules.Pin, Item: text("lamp"), Items: []string{"shade", "bulb"}, Reason: "offer", Author: "shop",
				ValidFrom: &from, ValidUntil: &elsewhere,
			},
			rules.Rule{
				Kind: rules.Pin, Item: text("lamp"), Items: []string{"shade", "bulb"}, Reason: "offer", Author: "shop",
				ValidFrom: from, ValidUntil: &until,
			},
			[]string{"shade"},
		},
		"trimmed, and each name once": {
			rules.Draft{
				Kind: rules.Allow, Item: text("\tGröße\n"), Items: []string{" bulb ", "bulb", "\u00a0lamp", "bulb\r\n"},
				Reason: " season ", Author: " shop ",
			},
			rules.Rule{
				Kind: rules.Allow, Item: text("Größe"), Items: []string{"bulb", "lamp"}, Reason: "season", Author: "shop",
			},
			[]string{},
		},
		"apart": {
			rules.Draft{Kind: rules.Apart, Items: []string{"lamp", "lamp ", "LAMP"}, Reason: "rivals", Author: "shop"},
			rules.Rule{Kind: rules.Apart, Items: []string{"lamp", "LAMP"}, Reason: "rivals", Author: "shop"},
			[]string{"LAMP"},
		},
		"nothing is known": {
			rules.Draft{
				Kind: rules.Hide, Item: text("moon"), Items: []string{"sun", "moon", "NA", "null", "1/2\" pipe"},
				Reason: "r", Author: "a",
			},
			rules.Rule{
				Kind: rules.Hide, Item: text("moon"), Items: []string{"sun", "moon", "NA", "null", "1/2\" pipe"},
				Reason: "r", Author: "a",
			},
			[]string{"moon", "sun", "NA", "null"},
		},
		"as long as can be": {
			rules.Draft{
				Kind: rules.Hide, Items: []string{strings.Repeat("é", 1000)}, Reason: strings.Repeat("r", 2000),
				Author: strings.Repeat("a", 2000),
			},
			rules.Rule{
				Kind: rules.Hide, Items: []string{strings.Repeat("é", 1000)}, Reason: strings.Repeat("r", 2000),
				Author: strings.Repeat("a", 2000),
			},
			[]string{strings.Repeat("é", 1000)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			given := slices.Clone(c.draft.Items)
			added := mustAdd(t, pool, c.draft)
			options := cmp.Options{cmpopts.IgnoreFields(rules.Rule{}, "RuleID", "CreatedAt")}
			if c.want.ValidFrom.IsZero() {
				options = append(options, cmpopts.IgnoreFields(rules.Rule{}, "ValidFrom"))
				if added.ValidFrom != added.CreatedAt || time.Since(added.ValidFrom).Abs() > time.Minute {
					t.Errorf("valid from %s, created %s", added.ValidFrom, added.CreatedAt)
				}
			}
			if diff := cmp.Diff(c.want, added.Rule, options); diff != "" {
				t.Errorf("rule (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.unknown, added.UnknownItems); diff != "" {
				t.Errorf("unknown (-want +got):\n%s", diff)
			}
			if !slices.Equal(given, c.draft.Items) {
				t.Errorf("the caller's names became %q", c.draft.Items)
			}
			list, err := rules.List(t.Context(), pool, rules.ListOptions{Before: added.RuleID + 1, Limit: 1})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]rules.Rule{added.Rule}, list); diff != "" {
				t.Errorf("listed (-added +listed):\n%s", diff)
			}
		})
	}
}

// All problems are reported at once, by field, and nothing is added.
func TestAddRefuses(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	now := time.Now()
	at := func(t time.Time) *time.Time { return &t }
	text := func(s string) *string { return &s }
	names := func(n int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprint("item ", i))
		}
		return list
	}
	for name, c := range map[string]struct {
		change func(d *rules.Draft)
		want   []string // field and the beginning of the problem
	}{
		"nothing at all": {
			func(d *rules.Draft) { *d = rules.Draft{} },
			[]string{`kind is ""`, "items has 0 distinct names: choose 1 to 1000", "reason is empty", "author is empty"},
		},
		"all at once": {
			func(d *rules.Draft) {
				*d = rules.Draft{
					Kind: "HIDE", Item: text(" "), Items: []string{"a", "", "b\x00", "\xff", strings.Repeat("x", 2001)},
					Reason: "\t", Author: "a\x00",
					ValidFrom: at(time.Time{}), ValidUntil: at(time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)),
				}
			},
			[]string{
				`kind is "HIDE"`, "item is empty", "items[1] is empty", "items[2] is not valid UTF-8",
				"items[3] is not valid UTF-8", "items[4] has 2001 bytes",
				"reason is empty", "author is not valid UTF-8", "valid_from is in the year 1", "valid_until is not after",
			},
		},
		"too many items": {func(d *rules.Draft) { d.Items = names(1001) }, []string{"items has 1001 distinct names"}},
		"one apart": {
			func(d *rules.Draft) { d.Kind, d.Items = rules.Apart, []string{"a", " a"} },
			[]string{"items has 1 distinct names: choose 2"},
		},
		"apart for an item": {
			func(d *rules.Draft) { d.Kind, d.Items, d.Item = rules.Apart, names(2), text("a") }, []string{"item is not allowed"},
		},
		"item too long": {
			func(d *rules.Draft) { d.Item = text(strings.Repeat("é", 1001)) }, []string{"item has 2002 bytes"},
		},
		"reason too long": {
			func(d *rules.Draft) { d.Reason = strings.Repeat("x", 2001) }, []string{"reason has 2001 bytes"},
		},
		"over already": {
			func(d *rules.Draft) { d.ValidUntil = at(now.Add(-time.Second)) }, []string{"valid_until is not after"},
		},
		"long over": {
			func(d *rules.Draft) { d.ValidFrom, d.ValidUntil = at(now.Add(-2*time.Hour)), at(now.Add(-time.Hour)) },
			[]string{"valid_until is not"},
		},
		"ends at its start": {
			func(d *rules.Draft) { d.ValidFrom = at(now.Add(time.Hour)); d.ValidUntil = d.ValidFrom },
			[]string{"valid_until is not after"},
		},
		"ends before": {
			func(d *rules.Draft) { d.ValidFrom, d.ValidUntil = at(now.Add(2*time.Hour)), at(now.Add(time.Hour)) },
			[]string{"valid_until is not after"},
		},
		"begins far away": {
			func(d *rules.Draft) { d.ValidFrom = at(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)) },
			[]string{"valid_from is in the year 10000"},
		},
		"ends far away": {
			func(d *rules.Draft) { d.ValidUntil = at(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)) },
			[]string{"valid_until is after the year"},
		},
		"far away elsewhere": {func(d *rules.Draft) {
			d.ValidUntil = at(time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -7200)))
		}, []string{"valid_until is after the year"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := hiding("a")
			c.change(&d)
			_, err := rules.Add(t.Context(), pool, d)
			invalid := rules.InvalidError{}
			if !errors.As(err, &invalid) || len(invalid) != len(c.want) {
				t.Fatalf("error is %v, want %q", err, c.want)
			}
			for i, f := range invalid {
				if got := f.Field + " " + f.Problem; !strings.HasPrefix(got, c.want[i]) {
					t.Errorf("problem %d is %q, want %q", i, got, c.want[i])
				}
			}
			if strings.Contains(err.Error(), "\n") || !utf8.ValidString(err.Error()) {
				t.Errorf("error %q", err)
			}
			if len(ids(t, pool, rules.ListOptions{All: true})) > 0 {
				t.Error("a wrong rule was added")
			}
		})
	}
}

// Add accepts exactly what the constraints of the table accept, so its refusals never come from PostgreSQL.
func FuzzAdd(f *testing.F) {
	f.Add("hide", "", false, "a", "b", "why", int64(0), int64(0))
	f.Add("apart", "", false, "a", "a", "why", int64(-1), int64(1))
	f.Add("pin", "\x00", true, "\xff", " ", "\ufeff", int64(1)<<62, int64(-1)<<62)
	f.Add("allow", "a", true, "\u0085", "\u2028", "\ud7ff", int64(253402300799), int64(253402300800))
	pool := dbtest.New(f)
	f.Fuzz(func(t *testing.T, kind, item string, withItem bool, first, second, reason string, from, until int64) {
		d := rules.Draft{Kind: rules.Kind(kind), Items: []string{first, second}, Reason: reason, Author: "tester"}
		if withItem {
			d.Item = &item
		}
		if from != 0 {
			d.ValidFrom = new(time.Time)
			*d.ValidFrom = time.Unix(from, 0)
		}
		if until != 0 {
			d.ValidUntil = new(time.Time)
			*d.ValidUntil = time.Unix(until, 0)
		}
		added, err := rules.Add(t.Context(), pool, d)
		if invalid := (rules.InvalidError{}); errors.As(err, &invalid) {
			return
		}
		if err != nil {
			t.Fatalf("%+v: %v", d, err)
		}
		for _, name := range added.Items {
			if strings.TrimSpace(name) != name || name == "" {
				t.Errorf("kept %q", name)
			}
		}
		if ended, err := rules.End(t.Context(), pool, added.RuleID, "tester"); err != nil || ended.EndedAt == nil {
			t.Errorf("end %+v: %v", ended, err)
		}
	})
}

// Rules in force have begun and not ended; lists are complete across pages.
func TestList(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	if list, err := rules.List(t.Context(), pool, rules.ListOptions{}); err != nil || list == nil || len(list) > 0 {
		t.Errorf("%v, error %v", list, err)
	}
	mustExec(t, pool, `INSERT INTO rules (kind, items, reason, author, valid_from, valid_until) VALUES
		('hide', '{a}', 'for good', 't', now() - interval '1 day', NULL),
		('hide', '{a}', 'over', 't', now() - interval '2 days', now() - interval '1 day'),
		('hide', '{a}', 'over this moment', 't', now() - interval '1 day', now()),
		('hide', '{a}', 'to come', 't', now() + interval '1 day', NULL),
		('hide', '{a}', 'never', 't', now() + interval '1 day', now() + interval '1 day'),
		('hide', '{a}', 'from this moment', 't', now(), now() + interval '1 day')`)
	for _, c := range []struct {
		opts rules.ListOptions
		want []int64
	}{
		{rules.ListOptions{}, []int64{6, 1}},
		{rules.ListOptions{Limit: 1}, []int64{6}},
		{rules.ListOptions{Limit: 1, Before: 6}, []int64{1}},
		{rules.ListOptions{Before: 1}, []int64{}},
		{rules.ListOptions{All: true}, []int64{6, 5, 4, 3, 2, 1}},
		{rules.ListOptions{All: true, Limit: 4}, []int64{6, 5, 4, 3}},
		{rules.ListOptions{All: true, Limit: rules.MaxList, Before: 3}, []int64{2, 1}},
	} {
		if diff := cmp.Diff(c.want, ids(t, pool, c.opts)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.opts, diff)
		}
	}
	for _, opts := range []rules.ListOptions{{Limit: -1}, {Limit: rules.MaxList + 1}, {Before: -1}} {
		if _, err := rules.List(t.Context(), pool, opts); !errors.As(err, new(rules.InvalidError)) {
			t.Errorf("%+v: error is %v", opts, err)
		}
	}
}

func TestEnd(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	later := time.Now().Add(time.Hour)
	now, toCome := mustAdd(t, pool, hiding("a")), hiding("b")
	toCome.ValidFrom = &later
	future := mustAdd(t, pool, toCome)
	bounded := hiding("c")
	bounded.ValidUntil = &later
	early := mustAdd(t, pool, bounded)
	mustExec(t, pool, `INSERT INTO rules (kind, items, reason, author, valid_from, valid_until) VALUES
		('hide', '{a}', 'over', 't', now() - interval '2 days', now() - interval '1 day')`)

	ended, err := rules.End(t.Context(), pool, now.RuleID, "undoer")
	if err != nil || ended.EndedAt == nil || ended.ValidUntil == nil || *ended.EndedBy != "undoer" ||
		!ended.ValidUntil.Equal(*ended.EndedAt) {
		t.Fatalf("%+v, error %v", ended, err)
	}
	want := now.Rule
	want.ValidUntil, want.EndedAt, want.EndedBy = ended.ValidUntil, ended.EndedAt, ended.EndedBy
	if diff := cmp.Diff(want, ended); diff != "" {
		t.Errorf("ended (-want +got):\n%s", diff)
	}
	if ended, err := rules.End(t.Context(), pool, early.RuleID, "undoer"); err != nil || !ended.ValidUntil.Before(later) {
		t.Errorf("early: %+v, error %v", ended, err)
	}
	// A future rule never comes into force.
	if ended, err := rules.End(t.Context(), pool, future.RuleID, "undoer"); err != nil ||
		!ended.ValidUntil.Equal(ended.ValidFrom) {
		t.Errorf("to come: %+v, error %v", ended, err)
	}
	for _, id := range []int64{now.RuleID, early.RuleID, future.RuleID, 4, 99, 0, -1} {
		if _, err := rules.End(t.Context(), pool, id, "other"); !errors.Is(err, rules.ErrNotFound) {
			t.Errorf("rule %d ended: %v", id, err)
		}
	}
	if got := ids(t, pool, rules.ListOptions{}); len(got) > 0 {
		t.Errorf("in force: %v", got)
	}
	if got := ids(t, pool, rules.ListOptions{All: true}); len(got) != 4 {
		t.Errorf("the audit has %v", got)
	}
}

// Of concurrent attempts to end a rule, one succeeds.
func TestEndAtOnce(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	added := mustAdd(t, pool, hiding("a"))
	var done atomic.Int32
	var together sync.WaitGroup
	for i := range 8 {
		together.Go(func() {
			switch _, err := rules.End(t.Context(), pool, added.RuleID, fmt.Sprint("undoer ", i)); {
			case err == nil:
				done.Add(1)
			case !errors.Is(err, rules.ErrNotFound):
				t.Error(err)
			}
		})
	}
	together.Wait()
	if done.Load() != 1 {
		t.Errorf("ended %d times", done.Load())
	}
}

// Rules inserted by SQL are listed and ended like any other.
func TestInsertedBySQL(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	mustExec(t, pool,
		`INSERT INTO rules (kind, items, reason, author) VALUES ('hide', ARRAY['a'], 'recalled', current_user)`)
	if got := ids(t, pool, rules.ListOptions{}); len(got) != 1 {
		t.Errorf("in force: %v", got)
	}
	mustExec(t, pool, `UPDATE rules SET valid_until = now() WHERE rule_id = 1`)
	if _, err := rules.End(t.Context(), pool, 1, "other"); !errors.Is(err, rules.ErrNotFound) {
		t.Errorf("ended: %v", err)
	}
	mustExec(t, pool, `INSERT INTO rules (kind, items, reason, author, valid_until)
		SELECT 'hide', array_agg(name), 'out of season', current_user, '2999-03-01'
		FROM (VALUES ('a'), ('b')) AS out_of_season (name)`)
	mustExec(t, pool,
		`UPDATE rules SET valid_until = greatest(now(), valid_from), ended_at = now(), ended_by = current_user
			WHERE rule_id = 2`)
	if got := ids(t, pool, rules.ListOptions{}); len(got) > 0 {
		t.Errorf("in force: %v", got)
	}
}
