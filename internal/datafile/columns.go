package datafile

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// plain is what is left of a column name when it is compared.
func plain(name string) string {
	p := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || strings.ContainsRune("_-.#", r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
	if p == "" {
		return name
	}
	return p
}

// claim is what a name may mean: a role of the kind, and how good a name for it, 0 being the best.
type claim struct{ role, rank int }

// Glossary knows what every column name may mean.
type Glossary struct {
	kind   Kind
	claims map[string][]claim // by name, as compared; the first role first
}

// NewGlossary makes the glossary of the roles of a kind.
func NewGlossary(kind Kind) Glossary {
	g := Glossary{kind: kind, claims: map[string][]claim{}}
	for r, wanted := range g.kind.Roles {
		if wanted.Column != "" {
			continue
		}
		for rank, name := range wanted.Aliases {
			g.claims[plain(name)] = append(g.claims[plain(name)], claim{r, rank})
		}
	}
	for r, wanted := range g.kind.Roles { // last: a column that is asked for serves no other role
		if wanted.Column != "" && wanted.Column != NoColumn {
			name := plain(wanted.Column)
			if wanted.More == nil {
				g.claims[name] = nil
			}
			g.claims[name] = append([]claim{{role: r}}, g.claims[name]...)
		}
	}
	return g
}

// Meaning returns the first role that the name may stand for, and how good a name for it, 0 being the best.
func (g Glossary) Meaning(name string) (role, rank int, known bool) {
	claims := g.claims[plain(name)]
	if len(claims) == 0 {
		return 0, 0, false
	}
	return claims[0].role, claims[0].rank, true
}

func (g Glossary) knows(name string) bool { return len(g.claims[plain(name)]) > 0 }

// columns is which column plays which role, -1 for none.
type columns []int

// find gives each role its best column, one role after the other: a column that has one is not there for the next.
func (g Glossary) find(header []string) (columns, error) {
	if g.kind.Recognise != nil {
		g = NewGlossary(g.kind.recognised(header))
	}
	type candidate struct{ column, rank int }
	candidates := make([][]candidate, len(g.kind.Roles))
	for i, name := range header {
		for _, c := range g.claims[plain(name)] {
			candidates[c.role] = append(candidates[c.role], candidate{i, c.rank})
		}
	}
	found := make(columns, len(g.kind.Roles))
	for r, list := range candidates {
		best, twin := candidate{column: -1}, -1
		for _, c := range list {
			switch {
			case g.taken(found[:r], c.column):
			case best.column < 0 || c.rank < best.rank:
				best, twin = c, -1
			case c.rank == best.rank:
				twin = c.column
			}
		}
		if found[r] = best.column; twin >= 0 {
			return found, fmt.Errorf("has two columns called %q, %d and %d: rename one, or name another with %s",
				header[twin], best.column+1, twin+1, g.kind.Roles[r].flag())
		}
	}
	return found, nil
}

// taken reports whether a column plays one of the roles, alone.
func (g Glossary) taken(found columns, column int) bool {
	i := slices.Index(found, column)
	return i >= 0 && g.kind.Roles[i].More == nil
}

// complete reports whether every role is played that has to be.
func (g Glossary) complete(c columns) bool {
	for r, wanted := range g.kind.Roles {
		if wanted.Needed && c[r] < 0 {
			return false
		}
	}
	return true
}

// missing says in words which column asked for, or needed, is not there; "" when none is.
func (g Glossary) missing(c columns, header []string) string {
	for r, wanted := range g.kind.Roles {
		if wanted.Column != "" && wanted.Column != NoColumn && c[r] < 0 {
			return fmt.Sprintf("has no column %q (%s): it has %s", wanted.Column, wanted.flag(), list(header))
		}
	}
	for r, wanted := range g.kind.Roles {
		if wanted.Needed && c[r] < 0 {
			return fmt.Sprintf("has no %s column: it has %s; say which one it is with %s", wanted.Name, list(header), wanted.flag())
		}
	}
	if others := g.others(c); len(others) > 0 {
		names := make([]string, len(others))
		for i, other := range others {
			names[i] = other.Name
		}
		return fmt.Sprintf("has no column of %s: it has %s; say which one is what, as with %s",
			strings.Join(names, ", "), list(header), others[0].flag())
	}
	return ""
}

// others are the roles of which one has to be played and none is.
func (g Glossary) others(c columns) (others []Role) {
	for r, wanted := range g.kind.Roles {
		switch {
		case wanted.Needed, wanted.Aliases == nil && wanted.Column == "": // the second only some sources have
		case !g.kind.OneMore, c[r] >= 0:
			return nil
		default:
			others = append(others, wanted)
		}
	}
	return others
}

// list writes column names for an error: bounded, on one line.
func list(header []string) string {
	const most = 20
	var shown []string
	for _, name := range header[:min(len(header), most)] {
		if len(name) > 40 {
			name = name[:40] + "…"
		}
		shown = append(shown, fmt.Sprintf("%q", strings.ToValidUTF8(name, "\uFFFD")))
	}
	if more := len(header) - most; more > 0 {
		shown = append(shown, fmt.Sprintf("%d more", more))
	}
	if len(shown) == 0 {
		return "none"
	}
	return strings.Join(shown, ", ")
}
