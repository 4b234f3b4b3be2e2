package orderfile

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// role is what a column is for.
type role int

const (
	orderRole role = iota
	itemRole
	quantityRole
	timeRole
	customerRole
	roles
)

func (r role) String() string {
	return [roles]string{"order", "item", "quantity", "time", "customer"}[r]
}

// aliases are the names a column of each role goes by, the best first. When two columns would do, the better name wins,
// wherever the column stands: item_name beats stock_code.
var aliases = [roles][]string{
	orderRole: {
		"order_id", "order", "order_no", "order_number", "order_ref", "invoice_no", "invoice", "invoice_id", "invoice_number",
		"transaction_id", "transaction", "transaction_no", "transaction_number", "basket_id", "basket", "receipt_id", "receipt",
		"receipt_no", "receipt_number", "ticket_id", "ticket", "ticket_no", "ticket_number", "cart_id", "session_id",
	},
	itemRole: {
		"item_name", "item", "sku", "product", "product_name", "product_id", "description", "item_description",
		"product_description", "stock_code", "article", "article_name", "article_id", "article_no", "asin", "title", "item_id",
		"item_no", "item_number", "item_code", "product_code", "product_sku",
	},
	quantityRole: {"quantity", "qty", "units", "count", "item_quantity", "order_quantity", "quantity_ordered"},
	timeRole: {
		"ordered_at", "order_date", "order_time", "order_datetime", "order_timestamp", "date", "datetime", "timestamp",
		"invoice_date", "transaction_date", "transaction_time", "purchase_date", "purchased_at", "created_at", "time",
	},
	customerRole: {
		"customer_id", "customer", "customer_no", "customer_number", "client_id", "client", "user_id", "user", "member_id",
		"member",
	},
}

// Aliases returns the names by which columns are found, per role ("order", "item", "quantity", "time", "customer"), the
// best first. Case, blanks, '_', '-', '.' and '#' make no difference.
func Aliases() map[string][]string {
	all := map[string][]string{}
	for r, names := range aliases {
		all[role(r).String()] = slices.Clone(names)
	}
	return all
}

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

// claim is what a name means: a role, and how good a name for it, 0 being the best.
type claim struct {
	role role
	rank int
}

// glossary knows what every column name means, after the options have had their say.
type glossary map[string]claim

func newGlossary(opts Options) glossary {
	g := glossary{}
	wanted := opts.columnsWanted()
	for r, names := range aliases {
		if wanted[r] != "" {
			continue
		}
		for rank, name := range names {
			g[plain(name)] = claim{role(r), rank}
		}
	}
	for r, name := range wanted { // last: a column that is asked for serves no other role
		if name != "" && name != NoColumn {
			g[plain(name)] = claim{role: role(r)}
		}
	}
	return g
}

func (o Options) columnsWanted() [roles]string {
	return [roles]string{o.OrderColumn, o.ItemColumn, o.QuantityColumn, o.TimeColumn, o.CustomerColumn}
}

// columns is which column plays which role, -1 for none.
type columns [roles]int

// find gives each role its best column.
func (g glossary) find(header []string) (columns, error) {
	var found, twin columns
	var rank [roles]int
	for r := range found {
		found[r], twin[r] = -1, -1
	}
	for i, name := range header {
		c, known := g[plain(name)]
		switch {
		case !known:
		case found[c.role] < 0 || c.rank < rank[c.role]:
			found[c.role], twin[c.role], rank[c.role] = i, -1, c.rank
		case c.rank == rank[c.role]:
			twin[c.role] = i
		}
	}
	for r, i := range twin {
		if i >= 0 {
			return found, fmt.Errorf("has two columns called %q, %d and %d: rename one, or name another with --%s-column",
				header[i], found[r]+1, i+1, role(r))
		}
	}
	return found, nil
}

func (c columns) complete() bool { return c[orderRole] >= 0 && c[itemRole] >= 0 }

// missing says in words which column asked for, or needed, is not there; "" when none is.
func (c columns) missing(opts Options, header []string) string {
	for r, name := range opts.columnsWanted() {
		if name != "" && name != NoColumn && c[r] < 0 {
			return fmt.Sprintf("has no column %q (--%s-column): it has %s", name, role(r), list(header))
		}
	}
	for _, r := range []role{orderRole, itemRole} {
		if c[r] < 0 {
			return fmt.Sprintf("has no %s column: it has %s; say which one it is with --%s-column", r, list(header), r)
		}
	}
	return ""
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
