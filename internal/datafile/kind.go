package datafile

import (
	"slices"
	"strings"
)

// Kind describes what the rows of a source are about and which columns they may have.
type Kind struct {
	Thing   string // singular noun for errors: "order"
	Roles   []Role // earlier ones have first choice of a column that suits several
	OneMore bool   // in addition to the required roles, one of the others must have a column

	// Lists are the keys under which a JSON object may hold a list, in lower case and without '_'; ListRole is the role of
	// such a list. Only a kind with lists may be read as baskets.
	Lists    []string
	ListRole int
	IDsFirst bool // the first field of a basket is its id, the value of the first role

	// Recognise, if set, returns the roles with the column names of the given source, or nil to keep Roles. has reports
	// whether the source has a column. JSON lists count as columns, and nested values are named by path, as in
	// customer.id.
	Recognise func(has func(name string) bool) []Role
}

// Role describes what a column is for.
type Role struct {
	Name    string   // words joined by '_'; used in errors, also for the flag --NAME-column
	Aliases []string // names by which its column is found, best first
	Column  string   // column name as in the header; "" finds it by alias, NoColumn means none
	Needed  bool     // a source without it cannot be read
	Unread  bool     // only the name of its column matters: Values leaves it alone

	More []string // further columns of a table whose values are appended, each after Join
	Join string
}

// NoColumn as a column name means that the file has no such column, whatever its header looks like.
const NoColumn = "-"

func (r Role) flag() string { return "--" + strings.ReplaceAll(r.Name, "_", "-") + "-column" }

// IsList reports whether a key of a JSON object, or the last part of a path, names a list. In GraphQL responses, lists
// are in edges or nodes below their name.
func (k Kind) IsList(key string) bool {
	key = strings.TrimSuffix(strings.TrimSuffix(key, ".edges"), ".nodes")
	return slices.Contains(k.Lists, plain(key[strings.LastIndexByte(key, '.')+1:]))
}

// recognised returns the kind with its roles named as in a source with these columns.
func (k Kind) recognised(header []string) Kind {
	if k.Recognise == nil {
		return k
	}
	names := make(map[string]bool, len(header))
	for _, name := range header {
		names[plain(name)] = true
	}
	if roles := k.Recognise(func(name string) bool { return names[plain(name)] }); roles != nil {
		k.Roles = roles
	}
	k.Recognise = nil
	return k
}

// formats returns the formats that a source of this kind may have.
func (k Kind) formats() []Format {
	if k.Lists != nil {
		return Formats()
	}
	return slices.DeleteFunc(Formats(), func(f Format) bool { return f == Baskets })
}

// needed returns the number of roles that a source cannot do without.
func (k Kind) needed() (n int) {
	for _, role := range k.Roles {
		if role.Needed {
			n++
		}
	}
	return n
}
