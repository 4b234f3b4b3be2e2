package datafile

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// plain normalises a column name for comparison.
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

// claim is a possible meaning of a name: a role of the kind, and the rank of the name for that role, 0 being the best.
type claim struct{ role, rank int }

// Glossary maps column names to their possible meanings.
type Glossary struct {
	kind   Kind
	claims map[string][]claim // by normalised name; the first role comes first
}

// NewGlossary returns the glossary of the roles of a kind.
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
	for r, wanted := range g.kind.Roles { // last: a column asked for by name plays no other role
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

// Meaning returns the first role that the name may stand for, and the rank of the name for it, 0 being the best.
func (g Glossary) Meaning(name string) (role, rank int, known bool) {
	claims := g.claims[plain(name)]
	if len(claims) == 0 {
		return 0, 0, false
	}
	return claims[0].role, claims[0].rank, true
}

func (g Glossary) knows(name string) bool { return len(g.claims[plain(name)]) > 0 }

// columns is the index of the column of each role, -1 for none.
type columns []int

// find assigns each role its best column. Roles are served in order, and a column that is taken is not available to the
// next role.
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

// taken reports whether a column is the only column of one of the roles.
func (g Glossary) taken(found columns, column int) bool {
	i := slices.Index(found, column)
	return i >= 0 && g.kind.Roles[i].More == nil
}

// complete reports whether every required role has a column.
func (g Glossary) complete(c columns) bool {
	for r, wanted := range g.kind.Roles {
		if wanted.Needed && c[r] < 0 {
			return false
		}
	}
	return true
}

// missing describes the requested or required column that does not exist; "" if there is none.
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

// others returns the roles of which at least one is required, if none of them has a column.
func (g Glossary) others(c columns) (others []Role) {
	for r, wanted := range g.kind.Roles {
		switch {
		case wanted.Needed, wanted.Aliases == nil && wanted.Column == "": // no alias: optional
		case !g.kind.OneMore, c[r] >= 0:
			return nil
		default:
			others = append(others, wanted)
		}
	}
	return others
}

// list formats column names for an error: bounded, on one line.
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
