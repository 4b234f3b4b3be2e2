package orderfile

// profile describes a known export. Columns are named as the export writes them; case, spaces, '_', '-', '.' and '#'
// are ignored. " + " joins several columns into one value; of several separated by " | ", the first that exists counts.
// In JSON a name is a path, and "list[].name" is a path within a list.
type profile struct {
	name  string
	known string // the columns that tell it from all other exports, separated by ", "

	order, item, sku     string // sku is the column that --item-column sku selects
	quantity             string
	time, zone           string
	customer             string
	status, lineStatus   string
	cancelled            string
	returned, kept       string
	down                 bool   // only the first line of an order has its order, customer, time and status
	prefix               bool   // items start with a code in brackets, as in [SKU] name
	noSale               string // statuses that are no sale in this export, separated by ", "
	monthFirst, dayFirst bool   // how to read dates with slashes if nothing else settles it
}

// profiles are the known exports. To add one, give the columns that identify it and those it uses, and put a few lines
// in its format into testdata/cases.
var profiles = []profile{
	{
		name:  "Shopify orders",
		known: "Name, Lineitem name, Lineitem quantity, Financial Status",
		order: "Name", item: "Lineitem name", sku: "Lineitem sku", quantity: "Lineitem quantity",
		time: "Created at", customer: "Email | Phone",
		status: "Financial Status", cancelled: "Cancelled at", down: true,
	},
	{
		name:  "Squarespace orders",
		known: "Order ID, Lineitem name, Lineitem quantity, Financial Status",
		order: "Order ID", item: "Lineitem name", sku: "Lineitem sku", quantity: "Lineitem quantity",
		time: "Created at", customer: "Email", status: "Financial Status", cancelled: "Cancelled at", down: true,
	},
	{
		name:  "Shopify GraphQL API",
		known: "name, createdAt, displayFinancialStatus",
		order: "name", item: "lineItems[].title | lineItems[].name", sku: "lineItems[].sku", quantity: "lineItems[].quantity",
		time: "createdAt", customer: "customer.id | email",
		status: "displayFinancialStatus", cancelled: "cancelledAt", kept: "lineItems[].currentQuantity",
	},
	{
		name:  "Shopify API",
		known: "line_items, financial_status, name",
		order: "name", item: "line_items[].name", sku: "line_items[].sku", quantity: "line_items[].quantity",
		time: "created_at", customer: "customer.id | email",
		status: "financial_status", cancelled: "cancelled_at", kept: "line_items[].current_quantity",
	},
	{
		name:  "WooCommerce API",
		known: "line_items, date_created, order_key",
		order: "id", item: "line_items[].name", sku: "line_items[].sku", quantity: "line_items[].quantity",
		time: "date_created_gmt | date_created", customer: "customer_id | billing.email", status: "status",
	},
	{
		name:  "WooCommerce items",
		known: "order_id, item_name, item_quantity, status",
		order: "order_id", item: "item_name", sku: "item_sku", quantity: "item_quantity",
		time: "date | order_date | paid_date", customer: "customer_id | customer_user | billing_email", status: "status",
		returned: "item_refunded_quantity | item_refunded_qty", down: true,
	},
	{
		name:  "WooCommerce orders",
		known: "Order Number, Order Status, Item Name, Order Date",
		order: "Order Number", item: "Item Name", sku: "SKU", quantity: "Quantity | Quantity (- Refund)",
		time: "Order Date", customer: "Customer User ID | Email (Billing)", status: "Order Status",
		down: true,
	},
	{
		name:  "Square items",
		known: "Transaction ID, Item, Qty, Event Type, Price Point Name",
		order: "Transaction ID", item: "Item", sku: "SKU", quantity: "Qty",
		time: "Date + Time", zone: "Time Zone", customer: "Customer ID", status: "Event Type", monthFirst: true,
	},
	{
		name:  "Amazon orders",
		known: "amazon-order-id, purchase-date, product-name",
		order: "amazon-order-id", item: "product-name", sku: "sku | asin", quantity: "quantity | quantity-purchased",
		time: "purchase-date", customer: "buyer-email", status: "order-status", lineStatus: "item-status",
	},
	{
		name:  "Amazon order report",
		known: "order-id, order-item-id, purchase-date, product-name",
		order: "order-id", item: "product-name", sku: "sku | asin", quantity: "quantity-purchased | quantity",
		time: "purchase-date", customer: "buyer-email", status: "order-status", lineStatus: "item-status",
	},
	{
		name:  "Etsy items",
		known: "Item Name, Transaction ID, Listing ID, Order ID",
		order: "Order ID", item: "Item Name", sku: "SKU | Listing ID", quantity: "Quantity",
		time: "Sale Date | Date Paid", customer: "Buyer", monthFirst: true,
	},
	{
		name:  "Magento items",
		known: "qty_ordered, name, sku",
		order: "increment_id | order_id", item: "name", sku: "sku", quantity: "qty_ordered",
		time: "created_at", customer: "customer_id | customer_email", status: "status | state", returned: "qty_refunded",
	},
	{
		name:  "Magento API",
		known: "increment_id, items, created_at",
		order: "increment_id", item: "items[].name", sku: "items[].sku", quantity: "items[].qty_ordered",
		time: "created_at", customer: "customer_id | customer_email", status: "status | state",
		returned: "items[].qty_refunded",
	},
	{
		name:  "PrestaShop items",
		known: "id_order, product_name, product_quantity",
		order: "id_order", item: "product_name", sku: "product_reference | product_id", quantity: "product_quantity",
		time: "date_add | invoice_date", customer: "id_customer", status: "current_state_name | order_state",
		returned: "product_quantity_refunded | product_quantity_return",
	},
	{
		name:  "Odoo order lines",
		known: "Order Reference, Order Lines/Product",
		order: "Order Reference", item: "Order Lines/Product", quantity: "Order Lines/Quantity | Order Lines/Ordered Quantity",
		time: "Order Date | Creation Date", customer: "Customer", status: "Status", down: true, prefix: true,
	},
	{
		name:  "Odoo orders",
		known: "Order Reference, Product, Quantity",
		order: "Order Reference", item: "Product", quantity: "Quantity | Ordered Quantity", time: "Order Date | Date",
		customer: "Customer", status: "Status", down: true, prefix: true,
	},
	{
		name:  "Odoo sales lines",
		known: "order_id/name, product_id/name",
		order: "order_id/name", item: "product_id/name", quantity: "product_uom_qty | qty", time: "order_id/date_order",
		customer: "order_id/partner_id/name", status: "order_id/state | state", down: true, prefix: true,
	},
	{
		name:  "Loyverse items",
		known: "Receipt number, Receipt type, Item, Quantity",
		order: "Receipt number", item: "Item", sku: "SKU", quantity: "Quantity",
		time: "Date", customer: "Customer contacts | Customer name", status: "Receipt type", lineStatus: "Status",
	},
	{
		name:  "Lightspeed sales",
		known: "Receipt Number, Line Type, Quantity, Register",
		order: "Receipt Number", item: "Product | Details", sku: "Sku", quantity: "Quantity",
		time: "Date", customer: "Customer Code | Customer Name", status: "Status", lineStatus: "Line Type", down: true,
		noSale: "Sale, Payment",
	},
	{
		name:  "Lightspeed lines",
		known: "Sale ID, Description, Qty, Completed",
		order: "Sale ID", item: "Description", sku: "System ID | Custom SKU", quantity: "Qty", time: "Date | Completed",
		customer: "Customer",
	},
	{
		name:  "BigCommerce orders",
		known: "Order ID, Product Name, Order Status, Product SKU",
		order: "Order ID", item: "Product Name", sku: "Product SKU", quantity: "Product Qty | Product Quantity",
		time: "Order Date + Order Time | Order Date", customer: "Customer ID | Customer Email", status: "Order Status",
		returned: "Quantity Refunded",
	},
	{
		name:  "BigCommerce API",
		known: "products, date_created, customer_id, status",
		order: "id", item: "products[].name", sku: "products[].sku", quantity: "products[].quantity",
		time: "date_created", customer: "customer_id", status: "status", returned: "products[].quantity_refunded",
	},
	{
		name:  "GA4 export, one item a row",
		known: "transaction_id, item_name, event_timestamp",
		order: "transaction_id", item: "item_name", sku: "item_id", quantity: "quantity",
		time: "event_timestamp", customer: "user_pseudo_id | user_id", status: "event_name",
	},
	{
		name:  "GA4 export",
		known: "event_name, ecommerce.transaction_id, items",
		order: "ecommerce.transaction_id", item: "items[].item_name", sku: "items[].item_id", quantity: "items[].quantity",
		time: "event_timestamp", customer: "user_pseudo_id | user_id", status: "event_name",
	},
	{
		name:  "eBay orders",
		known: "Sales Record Number, Order Number, Item Title",
		order: "Order Number", item: "Item Title", sku: "Custom Label | Item Number", quantity: "Quantity",
		time: "Sale Date", customer: "Buyer Username", monthFirst: true,
	},
	{
		name:  "UCI Online Retail",
		known: "InvoiceNo, StockCode, Description, UnitPrice",
		order: "InvoiceNo", item: "Description", sku: "StockCode", quantity: "Quantity", time: "InvoiceDate",
		customer: "CustomerID", monthFirst: true,
	},
	{
		name:  "UCI Online Retail II",
		known: "Invoice, StockCode, Description, Price, Customer ID",
		order: "Invoice", item: "Description", sku: "StockCode", quantity: "Quantity", time: "InvoiceDate",
		customer: "Customer ID", monthFirst: true,
	},
}
