package orderfile

import (
	"strings"

	"github.com/alsobought/alsobought/internal/datafile"
)

// column is what the profile says of a role.
func (p *profile) column(r role) string {
	return [roles]string{
		orderRole: p.order, itemRole: p.item, quantityRole: p.quantity, timeRole: p.time, zoneRole: p.zone,
		customerRole: p.customer, statusRole: p.status, lineStatusRole: p.lineStatus, cancelledRole: p.cancelled,
		returnedRole: p.returned, keptRole: p.kept, codeRole: p.sku,
	}[r]
}

// profileOf returns the profile of a source with such columns, nil if none is known.
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

// recognise returns the roles as a source with such columns names them: what the options ask for; else what its profile
// says; else what names are usual.
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

// play returns the role with the column that the profile names for it, the first that is there. Where none is, as in another version
// of the export, the usual names count; a role for which it names none is not played.
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
