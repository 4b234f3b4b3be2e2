package datafile

import (
	"slices"
	"strings"
)

// Kind is what the rows of a source are about, and which columns they may have.
type Kind struct {
	Thing   string // one of them, as errors call it: "order"
	Roles   []Role // the first has the first choice of a column that would do for several
	OneMore bool   // beside the needed ones there has to be one of the others, whichever

	// Lists are the keys under which a JSON object may hold a list, in small letters and without '_', and ListRole is the
	// role that such a list plays. Only a kind that has lists may be read as baskets.
	Lists    []string
	ListRole int
	IDsFirst bool // the first field of a basket is its id, that of the first role

	// Recognise, if there is one, is told which columns a source has and returns the roles as that source names them; nil
	// stays with Roles. Lists in JSON count as columns, and what is nested is called by its path, as in customer.id.
	Recognise func(has func(name string) bool) []Role
}

// Role is what a column is for.
type Role struct {
	Name    string   // words joined by '_'; errors speak of it, and of the flag --NAME-column that names its column
	Aliases []string // the names by which its column is found, the best first
	Column  string   // its column as the header calls it; "" finds it by alias, NoColumn says that there is none
	Needed  bool     // a source without it cannot be read

	More []string // other columns of a table whose values follow, each behind Join
	Join string
}

// NoColumn as the name of a column says that the file has no such column, whatever its header looks like.
const NoColumn = "-"

func (r Role) flag() string { return "--" + strings.ReplaceAll(r.Name, "_", "-") + "-column" }

// IsList reports whether a key of a JSON object, or a path that ends in it, is one of a list. In answers of GraphQL a list is called
// edges, or nodes, below its name.
func (k Kind) IsList(key string) bool {
	key = strings.TrimSuffix(strings.TrimSuffix(key, ".edges"), ".nodes")
	return slices.Contains(k.Lists, plain(key[strings.LastIndexByte(key, '.')+1:]))
}

// recognised is the kind as a source with these columns names its roles.
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

// formats are those that a source of the kind may have.
func (k Kind) formats() []Format {
	if k.Lists != nil {
		return Formats()
	}
	return slices.DeleteFunc(Formats(), func(f Format) bool { return f == Baskets })
}
