package oracle

import (
	"cmp"
	"maps"
	"slices"
)

// Rule is one that is in force.
type Rule struct {
	ID    int64
	Kind  string   // hide, allow, pin or apart
	Item  string   // for questions about this item only; "" for all
	Items []string // names that need not be known
}

// Attributes are what the catalogue says of an item.
type Attributes struct {
	Category string
	Inactive bool // never recommended
}

// rulesOf are the rules that speak of a question.
func (c *Counts) rulesOf(q Question) []Rule {
	asked := c.known(q.Asked)
	return slices.DeleteFunc(slices.Clone(q.Rules), func(r Rule) bool { return r.Item != "" && !slices.Contains(asked, r.Item) })
}

// against lists the rules by which an item is not recommended: they hide it, allow others only, or keep it apart from an asked item.
func against(rules []Rule, asked []string, item string) []int64 {
	var ids []int64
	for _, r := range rules {
		names := slices.Contains(r.Items, item)
		meets := r.Kind == "apart" && slices.ContainsFunc(asked, func(a string) bool { return slices.Contains(r.Items, a) })
		if names && (r.Kind == "hide" || meets) || !names && r.Kind == "allow" {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// wanted reports whether the question itself asks for an item: it is not excluded, and of one of its categories.
func (q Question) wanted(item string) bool {
	category := q.Catalogue[item].Category
	return !slices.Contains(q.Exclude, item) && (len(q.Categories) == 0 || category != "" && slices.Contains(q.Categories, category))
}

// filter tells what may be recommended.
func (c *Counts) filter(q Question) func(string) bool {
	rules, asked := c.rulesOf(q), c.known(q.Asked)
	return func(item string) bool {
		return q.wanted(item) && !q.Catalogue[item].Inactive && len(against(rules, asked, item)) == 0
	}
}

// pins lists what rules put first and the question asks for, what may not be recommended included: what is pinned for an asked item before what
// is pinned everywhere, later rules first.
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
	asked := c.known(q.Asked)
	for _, r := range c.rulesOf(q) {
		for place, name := range r.Items {
			if _, known := c.Items[name]; r.Kind != "pin" || !known || slices.Contains(asked, name) || !q.wanted(name) {
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

// company tells who may stand beside what was shown: of items that a rule keeps apart one is.
type company struct {
	rules []Rule
	shown map[int64]bool // rules of which an item was shown
	kept  map[int64]bool // rules that kept one out
}

func newCompany(rules []Rule) *company {
	return &company{rules, map[int64]bool{}, map[int64]bool{}}
}

func (m *company) of(item string) (ids []int64) {
	for _, r := range m.rules {
		if r.Kind == "apart" && slices.Contains(r.Items, item) {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

func (m *company) refuses(item string) bool {
	return slices.ContainsFunc(m.of(item), func(id int64) bool { return m.shown[id] })
}

// show shows an item, or remembers which rules kept it out.
func (m *company) show(item string) bool {
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

// answer is what has to be shown: pinned items, the ranked candidates that may follow, and what fills the rest, which depends on which of
// the candidates were taken only where candidates tie.
func (c *Counts) answer(q Question) (pinned []string, ranked []Candidate, filled []string, kept map[int64]bool) {
	may, wished := c.filter(q), c.pins(q)
	m := newCompany(c.rulesOf(q))
	for _, name := range wished {
		if may(name) && len(pinned) < q.Limit && m.show(name) {
			pinned = append(pinned, name)
		}
	}
	free := func(name string) bool { return !slices.Contains(wished, name) || !may(name) }
	standing, popular := c.standing(q)
	for _, r := range standing {
		// Those past the limit may still tie with those before it.
		if free(r.Item) && (len(pinned)+len(ranked) < q.Limit && m.show(r.Item) || len(pinned)+len(ranked) >= q.Limit && !m.refuses(r.Item)) {
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

// LeftOut returns the ids of the rules that made the answer what it is, in order, and how many items are not in it only because they are not
// active. A rule that pins an item did when the item is shown; a rule against an item did when the item would stand, without all that is
// against it, before a place that is taken, or on one that is left empty.
func (c *Counts) LeftOut(q Question) (rules []int64, inactive int) {
	pinned, ranked, filled, kept := c.answer(q)
	shown := slices.Clone(pinned)
	for _, r := range ranked[:min(len(ranked), q.Limit-len(pinned))] {
		shown = append(shown, r.Item)
	}
	shown = append(shown, filled...)
	told := maps.Clone(kept)
	said, asked := c.rulesOf(q), c.known(q.Asked)
	for _, r := range said {
		if r.Kind == "pin" && slices.ContainsFunc(pinned, func(name string) bool { return slices.Contains(r.Items, name) }) {
			told[r.ID] = true
		}
	}
	open := q
	open.Rules, open.Catalogue = nil, map[string]Attributes{}
	for name, a := range q.Catalogue {
		open.Catalogue[name] = Attributes{Category: a.Category}
	}
	list := c.pins(q)
	standing, popular := c.standing(open)
	for _, r := range standing {
		list = append(list, r.Item)
	}
	list = append(list, popular...)
	m := newCompany(said)
	seen, places := map[string]bool{}, 0
	for _, name := range list {
		if places == q.Limit {
			break
		}
		if seen[name] {
			continue
		}
		seen[name] = true
		ids := against(said, asked, name)
		switch {
		case slices.Contains(shown, name):
			m.show(name)
			places++
		case m.refuses(name):
		case len(ids) > 0:
			for _, id := range ids {
				told[id] = true
			}
		case q.Catalogue[name].Inactive:
			inactive++
		}
	}
	return slices.Sorted(maps.Keys(told)), inactive
}
