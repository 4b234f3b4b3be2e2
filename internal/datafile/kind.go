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
}

// Role is what a column is for.
type Role struct {
	Name    string   // words joined by '_'; errors speak of it, and of the flag --NAME-column that names its column
	Aliases []string // the names by which its column is found, the best first
	Column  string   // its column as the header calls it; "" finds it by alias, NoColumn says that there is none
	Needed  bool     // a source without it cannot be read
}

// NoColumn as the name of a column says that the file has no such column, whatever its header looks like.
const NoColumn = "-"

func (r Role) flag() string { return "--" + strings.ReplaceAll(r.Name, "_", "-") + "-column" }

// IsList reports whether a key of a JSON object is one of a list.
func (k Kind) IsList(key string) bool { return slices.Contains(k.Lists, plain(key)) }

// formats are those that a source of the kind may have.
func (k Kind) formats() []Format {
	if k.Lists != nil {
		return Formats()
	}
	return slices.DeleteFunc(Formats(), func(f Format) bool { return f == Baskets })
}
