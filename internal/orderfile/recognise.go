package orderfile

import (
	"strings"

	"github.com/alsobought/alsobought/internal/datafile"
)

// column returns the profile's columns for a role.
func (p *profile) column(r role) string {
	return [roles]string{
		orderRole: p.order, itemRole: p.item, quantityRole: p.quantity, timeRole: p.time, zoneRole: p.zone,
		customerRole: p.customer, statusRole: p.status, lineStatusRole: p.lineStatus, cancelledRole: p.cancelled,
		returnedRole: p.returned, keptRole: p.kept, codeRole: p.sku,
	}[r]
}

// profileOf returns the profile of a source with the given columns, or nil if none matches.
func profileOf(has func(string) bool) *profile {
	for i := range profiles {
		all := true
		for name := range strings.SplitSeq(profiles[i].known, ", ") {
			all = all && has(name)
		}
		if all {
			return &profiles[i]
		}
	}
	return nil
}

// recognise assigns the columns of a source to roles: by the options first, then by the profile, then by the usual
// names.
func (o Options) recognise(kind datafile.Kind, p *profile, has func(string) bool) []datafile.Role {
	played := make([]datafile.Role, len(kind.Roles))
	for i, r := range kind.Roles {
		switch {
		case role(i) == itemRole && p != nil && strings.EqualFold(r.Column, "sku") && !has(r.Column) && p.sku != "":
			r.Column, r.Aliases = "", strings.Split(p.sku, " | ")
		case r.Column != "" && r.Column != datafile.NoColumn && !has(r.Column) && strings.Contains(r.Column, ","):
			names := strings.Split(r.Column, ",")
			r.Column, r.More = strings.TrimSpace(names[0]), trimmed(names[1:])
		case r.Column == "" && p != nil:
			r = p.play(r, p.column(role(i)), has)
		}
		played[i] = r
	}
	return played
}

// play assigns to the role the first of the profile's columns that exists. If none exists, as in another version of the
// export, the usual names apply; if the profile names no column for the role, nothing plays it.
func (p *profile) play(r datafile.Role, columns string, has func(string) bool) datafile.Role {
	if columns == "" {
		r.Aliases = nil
	}
	for choice := range strings.SplitSeq(columns, " | ") {
		names := strings.Split(choice, " + ")
		if choice != "" && (has(names[0]) || strings.Contains(choice, "[]")) {
			r.Aliases, r.More = []string{names[0]}, names[1:]
			break
		}
	}
	return r
}

func trimmed(names []string) []string {
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
	}
	return names
}
