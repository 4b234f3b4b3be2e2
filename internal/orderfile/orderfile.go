// Package orderfile turns the rows of an order file into validated order lines.
//
// Package datafile splits the bytes into rows; this package interprets them. It returns every row exactly once, as a
// line or as a reject with its line number, reason and raw bytes. Values are returned exactly as written, except that
// surrounding white space is trimmed: NA, null, 007 and backslashes are taken literally.
//
// The package never repairs a value and never drops a row. It does not use a database.
//
// A row is what one call of [Reader.Read] returns. In a table it is one record. In a basket list and in JSON orders
// with a list of items it is one item: a basket of three items is three rows, but a basket that is bad as a whole is
// one.
//
// A row that can be split into values is rejected for the first of these reasons that applies: missing_order,
// damaged_order, missing_item, too_long, bad_quantity, bad_time.
//
// For a row that is valid but does not count as bought (see [NotBought]), Read returns both a line that takes something
// back and a reject that says why.
package orderfile

import (
	"errors"
	"fmt"
	"time"

	"github.com/alsobought/alsobought/internal/datafile"
)

// MaxText is the maximum length, in bytes, of an order id, an item name and a customer id.
const MaxText = 2000

// Options describe a source. The zero value detects everything from the content.
type Options struct {
	datafile.Options

	// Names of columns as in the header; case, spaces, '_', '-', '.' and '#' are ignored. "" finds the column by alias
	// (see Aliases); datafile.NoColumn means that there is none.
	OrderColumn, ItemColumn, QuantityColumn, TimeColumn, CustomerColumn, StatusColumn string

	// TimeZone applies to times without a zone: an IANA or other common zone name, or an offset. "" is UTC.
	TimeZone string

	// Decimal is the decimal separator of quantities, "," or "."; "" detects it, and defaults to ".".
	Decimal string

	// Statuses that count as bought, or do not, overriding the defaults.
	CountStatus, SkipStatus []string

	// TimeFormat is the strftime format of times, such as %Y-%m-%d %H:%M:%S. The directives are %Y %y %m %d %e %b %B %H %I
	// %p %M %S %f (1 to 9 digits of a second) %z (Z, +hh, +hhmm or +hh:mm) %F %T %%. A space matches any white space, and
	// numbers may have fewer digits. "" accepts ISO 8601 as people and databases write it: 2006-01-02, then optionally T
	// or a space and 15:04, then optionally :05, then optionally a fraction, then optionally a zone: Z, +hh, +hhmm or
	// +hh:mm. Years run from 1 to 9999; the first instant of year 1, which programs write for "no time", is rejected.
	TimeFormat string

	// BasketIDs is where a basket list gets its order ids from. "line" (or "") makes them from the file's base name, a
	// fingerprint of its beginning and the line number, as in orders.txt~5f2c0b1e:17 (see Lineage); "first" takes the
	// first field. Any value but "" declares the source to be a basket list.
	BasketIDs string

	// Earlier returns the lineages of previously loaded basket lists with a name, in any order. nil means that there are
	// none.
	Earlier func(name string) ([]Lineage, error) `json:"-"`
}

// Return is how much of its order and item a row takes back. The zero Return takes back nothing.
type Return struct {
	Quantity Quantity
	All      bool // all of it, whatever the quantity
}

// Any reports whether r takes anything back.
func (r Return) Any() bool { return r != Return{} }

// Line is one order line. A line returned with a reject is not bought: it takes back what Returned says, of the whole
// order if Item is empty, and nothing if Order is empty.
type Line struct {
	Number    int64     // line of the text on which the row begins, from 1
	Order     string    // never empty in a line without a reject; at most MaxText bytes, like Item and Customer
	Item      string    // never empty in a line without a reject
	Customer  string    // "" if not given
	Quantity  Quantity  // zero if not given
	OrderedAt time.Time // UTC; zero if not given
	Returned  Return    // how much of this item of the order the row takes back
}

// Reject is one rejected row.
type Reject struct {
	datafile.Reject

	Said *Said // the values of the row; nil if it could not be split into values
}

// Said holds the values of a rejected row as written, but trimmed and cut to little more than MaxText, so that a value
// that is too long stays too long. nil means that the source does not give the value.
type Said struct {
	Order     *string `json:"order_id,omitempty"`
	Item      *string `json:"item_name,omitempty"`
	Quantity  *string `json:"quantity,omitempty"`
	OrderedAt *string `json:"ordered_at,omitempty"`
	Customer  *string `json:"customer_id,omitempty"`
}

// Reasons for rejecting an order line, in addition to those for rows of any kind.
const (
	MissingOrder datafile.Reason = "missing_order" // empty order id
	DamagedOrder datafile.Reason = "damaged_order" // a spreadsheet turned the order id into a number, such as 1.23E+12
	MissingItem  datafile.Reason = "missing_item"  // empty item name
	TooLong      datafile.Reason = "too_long"      // an order id, item name or customer id is longer than MaxText bytes
	BadQuantity  datafile.Reason = "bad_quantity"  // not a positive decimal with at most 15 and 6 digits
	BadTime      datafile.Reason = "bad_time"      // not in a known time format, or not in the given one
)

// Reasons lists all reasons in the order of the checks.
func Reasons() []datafile.Reason {
	return append(datafile.Reasons(), MissingOrder, DamagedOrder, MissingItem, TooLong, BadQuantity, BadTime)
}

// Validate returns everything that is wrong with the options.
func (o Options) Validate() error {
	errs := []error{o.Options.Validate(o.kind())}
	if o.BasketIDs != "" && o.BasketIDs != "line" && o.BasketIDs != "first" {
		errs = append(errs, fmt.Errorf("unknown source of basket ids %q: line or first", o.BasketIDs))
	}
	if o.TimeZone != "" && zoneNamed(o.TimeZone) == nil {
		errs = append(errs, fmt.Errorf("unknown time zone %q: say one like Europe/Berlin, or +02:00", o.TimeZone))
	}
	if o.Decimal != "" && o.Decimal != "," && o.Decimal != "." {
		errs = append(errs, fmt.Errorf("unknown decimal sign %q: say a comma or a point", o.Decimal))
	}
	if _, err := parseTimeFormat(o.TimeFormat); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
