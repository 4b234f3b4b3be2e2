package oracle

import (
	"cmp"
	"maps"
	"slices"
)

// Rule is a rule in force.
type Rule struct {
	ID    int64
	Kind  string   // hide, allow, pin or apart
	Item  string   // for questions about this item only; "" for all
	Items []string // names, which may be unknown
}

// Attributes are an item's entries in the catalogue.
type Attributes struct {
	Category string
	Inactive bool // never recommended
}

// rulesOf returns the rules that apply to a question.
func (c *Counts) rulesOf(q Question) []Rule {
	seeds := c.known(q.Seeds)
	return slices.DeleteFunc(slices.Clone(q.Rules), func(r Rule) bool {
		return r.Item != "" && !slices.Contains(seeds, r.Item)
	})
}

// against lists the rules that prevent an item from being recommended: they hide it, allow only others, or keep
// it apart from a seed.
func against(rules []Rule, seeds []string, item string) []int64 {
	var ids []int64
	for _, r := range rules {
		names := slices.Contains(r.Items, item)
		meets := r.Kind == "apart" && slices.ContainsFunc(seeds, func(s string) bool { return slices.Contains(r.Items, s) })
		if names && (r.Kind == "hide" || meets) || !names && r.Kind == "allow" {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// wanted reports whether the question's own filters admit an item: it is not excluded and is in one of the
// categories.
func (q Question) wanted(item string) bool {
	category := q.Catalogue[item].Category
	return !slices.Contains(q.Exclude, item) &&
		(len(q.Categories) == 0 || category != "" && slices.Contains(q.Categories, category))
}

// filter returns a function that reports whether an item may be recommended.
func (c *Counts) filter(q Question) func(string) bool {
	rules, seeds := c.rulesOf(q), c.known(q.Seeds)
	return func(item string) bool {
		return q.wanted(item) && !q.Catalogue[item].Inactive && len(against(rules, seeds, item)) == 0
	}
}

// pins lists the pinned items that the question's filters admit, including those that may not be recommended:
// items pinned for a seed before those pinned everywhere, later rules first.
func (c *Counts) pins(q Question) []string {
	type pin struct {
		everywhere bool
		rule       int64
		place      int
	}
	compare := func(a, b pin) int {
		if a.everywhere != b.everywhere {
			return map[bool]int{false: -1, true: 1}[a.everywhere]
		}
		return cmp.Or(cmp.Compare(b.rule, a.rule), cmp.Compare(a.place, b.place))
	}
	best := map[string]pin{}
	seeds := c.known(q.Seeds)
	for _, r := range c.rulesOf(q) {
		for place, name := range r.Items {
			if _, known := c.Items[name]; r.Kind != "pin" || !known || slices.Contains(seeds, name) || !q.wanted(name) {
				continue
			}
			next := pin{r.Item == "", r.ID, place}
			if before, found := best[name]; !found || compare(next, before) < 0 {
				best[name] = next
			}
		}
	}
	return slices.SortedFunc(maps.Keys(best), func(a, b string) int { return compare(best[a], best[b]) })
}

// apartFilter enforces apart rules: of the items of such a rule, only the first is shown.
type apartFilter struct {
	rules []Rule
	shown map[int64]bool // rules with an item that was shown
	kept  map[int64]bool // rules that kept an item out
}

func newApartFilter(rules []Rule) *apartFilter {
	return &apartFilter{rules, map[int64]bool{}, map[int64]bool{}}
}

func (m *apartFilter) of(item string) (ids []int64) {
	for _, r := range m.rules {
		if r.Kind == "apart" && slices.Contains(r.Items, item) {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

func (m *apartFilter) refuses(item string) bool {
	return slices.ContainsFunc(m.of(item), func(id int64) bool { return m.shown[id] })
}

// show shows an item and reports whether that was possible; if not, it records the rules that kept it out.
func (m *apartFilter) show(item string) bool {
	refused := m.refuses(item)
	for _, id := range m.of(item) {
		if !refused {
			m.shown[id] = true
		} else if m.shown[id] {
			m.kept[id] = true
		}
	}
	return !refused
}

// answer returns what has to be shown: the pinned items, the ranked candidates that may follow, and the popular
// items that fill the remaining places. The latter depend on which candidates were taken only if candidates
// tie.
func (c *Counts) answer(q Question) (pinned []string, ranked []Candidate, filled []string, kept map[int64]bool) {
	may, wished := c.filter(q), c.pins(q)
	m := newApartFilter(c.rulesOf(q))
	for _, name := range wished {
		if may(name) && len(pinned) < q.Limit && m.show(name) {
			pinned = append(pinned, name)
		}
	}
	free := func(name string) bool { return !slices.Contains(wished, name) || !may(name) }
	eligible, popular := c.eligible(q)
	for _, r := range eligible {
		// Those past the limit may tie with those before it.
		full := len(pinned)+len(ranked) >= q.Limit
		if free(r.Item) && (!full && m.show(r.Item) || full && !m.refuses(r.Item)) {
			ranked = append(ranked, r)
		}
	}
	for _, name := range popular {
		if free(name) && len(pinned)+len(ranked)+len(filled) < q.Limit && m.show(name) {
			filled = append(filled, name)
		}
	}
	return pinned, ranked, filled, m.kept
}

// LeftOut returns the IDs of the rules that affected the answer, in order, and how many items are missing only
// because they are inactive. A pin rule affected it if one of its items is shown. A rule against an item
// affected it if the item, without any rules against it, would come before the last answer or in a place left
// empty.
func (c *Counts) LeftOut(q Question) (ruleIDs []int64, inactive int) {
	pinned, ranked, filled, kept := c.answer(q)
	shown := slices.Clone(pinned)
	for _, r := range ranked[:min(len(ranked), q.Limit-len(pinned))] {
		shown = append(shown, r.Item)
	}
	shown = append(shown, filled...)
	reported := maps.Clone(kept)
	rules, seeds := c.rulesOf(q), c.known(q.Seeds)
	for _, r := range rules {
		if r.Kind == "pin" && slices.ContainsFunc(pinned, func(name string) bool { return slices.Contains(r.Items, name) }) {
			reported[r.ID] = true
		}
	}
	open := q
	open.Rules, open.Catalogue = nil, map[string]Attributes{}
	for name, a := range q.Catalogue {
		open.Catalogue[name] = Attributes{Category: a.Category}
	}
	list := c.pins(q)
	eligible, popular := c.eligible(open)
	for _, r := range eligible {
		list = append(list, r.Item)
	}
	list = append(list, popular...)
	m := newApartFilter(rules)
	seen, places := map[string]bool{}, 0
	for _, name := range list {
		if places == q.Limit {
			break
		}
		if seen[name] {
			continue
		}
		seen[name] = true
		ids := against(rules, seeds, name)
		switch {
		case slices.Contains(shown, name):
			m.show(name)
			places++
		case m.refuses(name):
		case len(ids) > 0:
			for _, id := range ids {
				reported[id] = true
			}
		case q.Catalogue[name].Inactive:
			inactive++
		}
	}
	return slices.Sorted(maps.Keys(reported)), inactive
}
