package orderfile

import (
	"slices"
	"strings"
)

// Kind is what the rows of a source are about, and which columns they may have.
type Kind struct {
	Thing   string // one of them, as errors call it: "order"
	Roles   []Role // the first has the first choice of a column that would do for several
	OneMore bool   // beside the needed ones there has to be one of the others, whichever
}

// Validate returns all that is wrong with the options of a source of the kind at once.
func (k Kind) Validate(opts Options) error {
	opts.records = &k
	return opts.Validate()
}

// Role is what a column is for.
type Role struct {
	Name    string   // words joined by '_'; errors speak of it, and of the flag --NAME-column that names its column
	Aliases []string // the names by which its column is found, the best first
	Column  string   // its column as the header calls it; "" finds it by alias, NoColumn says that there is none
	Needed  bool     // a source without it cannot be read
}

func (r Role) flag() string { return "--" + strings.ReplaceAll(r.Name, "_", "-") + "-column" }

// kind is that of the rows: of orders unless they are read as records.
func (o Options) kind() Kind {
	if o.records != nil {
		return *o.records
	}
	wanted := [roles]string{o.OrderColumn, o.ItemColumn, o.QuantityColumn, o.TimeColumn, o.CustomerColumn}
	k := Kind{Thing: "order", Roles: make([]Role, roles)}
	for r, names := range aliases {
		k.Roles[r] = Role{
			Name: role(r).String(), Aliases: names, Column: wanted[r], Needed: role(r) == orderRole || role(r) == itemRole,
		}
	}
	return k
}

// formats are those that a source of the kind may have. Only an order is a list of items.
func (o Options) formats() []Format {
	if o.records == nil {
		return Formats()
	}
	return slices.DeleteFunc(Formats(), func(f Format) bool { return f == Baskets })
}
