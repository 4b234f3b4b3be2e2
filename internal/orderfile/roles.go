package orderfile

import (
	"slices"

	"github.com/alsobought/alsobought/internal/datafile"
)

// role is what a column is for: an index into the Roles of a datafile.Kind.
type role int

const (
	orderRole role = iota
	itemRole
	quantityRole
	timeRole
	customerRole
	statusRole     // a word that describes the order or the line
	lineStatusRole // of the line, if the order has a status too
	cancelledRole  // when the order was cancelled, if it was
	returnedRole   // the quantity given back
	keptRole       // the quantity kept
	zoneRole       // time zone of the time
	codeRole       // of the item, if items are identified by name
	roles
)

func (r role) String() string {
	return [roles]string{
		"order", "item", "quantity", "time", "customer", "status", "line_status", "cancelled", "returned", "kept", "zone",
		"code",
	}[r]
}

// aliases lists the names of a column for each role, best first. If two columns match, the better name wins regardless
// of position: item_name beats stock_code.
var aliases = [roles][]string{
	orderRole: {
		"order_id", "order", "order_no", "order_number", "order_ref", "invoice_no", "invoice", "invoice_id", "invoice_number",
		"transaction_id", "transaction", "transaction_no", "transaction_number", "basket_id", "basket", "receipt_id", "receipt",
		"receipt_no", "receipt_number", "ticket_id", "ticket", "ticket_no", "ticket_number", "cart_id", "session_id",
		"user_session",
	},
	itemRole: {
		"item_name", "item", "sku", "product", "product_name", "product_id", "description", "item_description",
		"product_description", "stock_code", "article", "article_name", "article_id", "article_no", "asin", "title", "item_id",
		"item_no", "item_number", "item_code", "product_code", "product_sku",
	},
	quantityRole: {
		"quantity", "qty", "units", "count", "item_quantity", "item_qty", "order_quantity", "quantity_ordered", "qty_ordered",
		"quantity_purchased", "qty_sold", "product_quantity", "product_qty",
	},
	timeRole: {
		"ordered_at", "order_date", "order_time", "order_datetime", "order_timestamp", "date", "datetime", "timestamp",
		"invoice_date", "transaction_date", "transaction_time", "purchase_date", "purchased_at", "created_at", "time",
		"sale_date", "date_created", "date_added", "event_time",
	},
	customerRole: {
		"customer_id", "customer", "customer_no", "customer_number", "client_id", "client", "user_id", "user", "member_id",
		"member",
	},
	statusRole: {
		"financial_status", "payment_status", "order_status", "order_state", "status", "event_type", "event_name", "event",
		"transaction_type",
	},
	lineStatusRole: {"item_status", "line_status", "lineitem_status"},
	cancelledRole: {
		"cancelled_at", "canceled_at", "cancelled_on", "canceled_on", "date_cancelled", "date_canceled", "cancelled", "canceled",
		"is_cancelled", "is_canceled", "voided", "void", "is_void", "void?",
	},
	returnedRole: {
		"qty_refunded", "quantity_refunded", "refunded_quantity", "refunded_qty", "qty_returned", "quantity_returned",
		"returned_quantity", "returned_qty", "product_quantity_refunded", "product_quantity_return",
	},
	keptRole: {"current_quantity"},
	zoneRole: {"time_zone", "tz"},
	codeRole: {
		"sku", "item_sku", "product_sku", "stock_code", "item_code", "product_code", "article_no", "article_id", "asin",
		"product_id", "item_id", "item_no", "item_number", "variant_sku",
	},
}

// Aliases returns the names by which columns are found, best first, per role ("order", "item", "quantity", "time",
// "customer", "status" ...). Case, spaces, '_', '-', '.' and '#' are ignored.
func Aliases() map[string][]string {
	all := map[string][]string{}
	for r, names := range aliases {
		all[role(r).String()] = slices.Clone(names)
	}
	return all
}

// kind returns the columns that the options ask for.
func (o Options) kind() datafile.Kind {
	wanted := [roles]string{
		o.OrderColumn, o.ItemColumn, o.QuantityColumn, o.TimeColumn, o.CustomerColumn, o.StatusColumn,
	}
	others := ""
	if o.StatusColumn != "" {
		others = datafile.NoColumn // only the named columns, or none
	}
	wanted[lineStatusRole], wanted[cancelledRole] = others, others
	k := datafile.Kind{
		Thing: "order", Roles: make([]datafile.Role, roles),
		Lists: []string{"items", "lines", "lineitems", "orderlines", "products"}, ListRole: int(itemRole),
		IDsFirst: o.BasketIDs == "first",
	}
	for r, names := range aliases {
		k.Roles[r] = datafile.Role{
			Name: role(r).String(), Aliases: names, Column: wanted[r], Needed: role(r) == orderRole || role(r) == itemRole,
			Join: " ",
		}
	}
	k.Roles[orderRole].Join = "/"
	k.Roles[codeRole].Unread = true
	known := k
	k.Recognise = func(has func(string) bool) []datafile.Role { return o.recognise(known, profileOf(has), has) }
	return k
}
