// Package orderfile turns the rows of an order file into validated order lines.
//
// Package datafile takes the bytes apart, this package knows what they say: every row comes out exactly once, as a line or as
// a reject with its line number, reason and raw bytes. What a row says arrives exactly as written, except that outer white
// space is trimmed: NA, null, 007 and backslashes mean themselves.
//
// The package never repairs a value, never drops a row, and knows no database and no load.
//
// A row is what one call of [Reader.Read] returns. In a table it is one record. In a basket list and in JSON orders with
// a list of items it is one item: a basket of three items is three rows, and a basket that is bad as a whole is one.
//
// A row that can be taken apart is refused for the first of these that applies: missing_order, damaged_order, missing_item,
// too_long, bad_quantity, bad_time.
//
// A row that can be read but does not count as bought (see [NotBought]) is both: a line that takes something back, and a
// reject that says why.
package orderfile

import (
	"errors"
	"fmt"
	"time"

	"github.com/alsobought/alsobought/internal/datafile"
)

// MaxText is how many bytes an order id, an item name and a customer id may have.
const MaxText = 2000

// Options say what is known of a source beforehand. The zero value means: tell everything by content.
type Options struct {
	datafile.Options

	// The names of columns as the header gives them, matched without regard to case, blanks, '_', '-', '.' and '#'.
	// "" finds the column by alias (see Aliases), datafile.NoColumn says that there is none.
	OrderColumn, ItemColumn, QuantityColumn, TimeColumn, CustomerColumn, StatusColumn string

	// TimeZone is that of times that name none: a name of the IANA or another usual one, or an offset. "" is UTC.
	TimeZone string

	// Decimal is "," or "." before the fraction of quantities; "" is told by the quantities, and is a point otherwise.
	Decimal string

	// Statuses that count as bought, or not, whatever is usual.
	CountStatus, SkipStatus []string

	// TimeFormat is how times are written, as in strftime: %Y-%m-%d %H:%M:%S. The directives are %Y %y %m %d %e %b %B
	// %H %I %p %M %S %f (1 to 9 digits of a second) %z (Z, +hh, +hhmm or +hh:mm) %F %T %%. A blank stands for any white
	// space, numbers may have fewer digits. "" accepts ISO 8601 as written by people and databases: 2006-01-02, then
	// optionally T or a blank and 15:04, then optionally :05, then optionally a fraction, then optionally a zone: Z,
	// +hh, +hhmm or +hh:mm. Without zone a time is UTC. Years run from 1 to 9999;
	// the first instant of year 1, which programs write for "no time", is refused.
	TimeFormat string

	// BasketIDs says where a basket list has its order ids: "line" (or "") makes them of the file's name, without its
	// directory, a fingerprint of its beginning, and the line number, as in orders.txt~5f2c0b1e:17 (see Lineage); "first" takes
	// the first field. Either says that it is one.
	BasketIDs string

	// Earlier returns the lineages of basket lists of a name that were loaded before, in any order. nil: there were none.
	Earlier func(name string) ([]Lineage, error) `json:"-"`
}

// Return is what a row takes back of its order and item. The zero Return takes back nothing.
type Return struct {
	Quantity Quantity
	All      bool // whatever the quantity
}

// Any reports whether anything is taken back.
func (r Return) Any() bool { return r != Return{} }

// Line is one order line as understood. A line with a reject beside it is not bought: it takes back what Returned says, of
// an order as a whole when it names no item, and of nothing when it names no order.
type Line struct {
	Number    int64     // line of the text on which its row begins, from 1
	Order     string    // never empty, at most MaxText bytes, as are Item and Customer
	Item      string    // never empty
	Customer  string    // "" when not given
	Quantity  Quantity  // zero when not given
	OrderedAt time.Time // UTC; zero when not given
	Returned  Return    // of this item of the order, by this row
}

// Reject is one row that was refused.
type Reject struct {
	datafile.Reject

	Said *Said // what the row says, as far as it could be told apart; nil when it could not
}

// Said is what a refused row says, each value as written, trimmed, and cut when it is longer than MaxText (a little above it, so that it
// stays too long). nil is a value that the source does not give.
type Said struct {
	Order     *string `json:"order_id,omitempty"`
	Item      *string `json:"item_name,omitempty"`
	Quantity  *string `json:"quantity,omitempty"`
	OrderedAt *string `json:"ordered_at,omitempty"`
	Customer  *string `json:"customer_id,omitempty"`
}

// The reasons for which an order line is refused, beside those of a row of any kind.
const (
	MissingOrder datafile.Reason = "missing_order" // empty order id
	DamagedOrder datafile.Reason = "damaged_order" // an order id that a spreadsheet made a number of: 1.23E+12
	MissingItem  datafile.Reason = "missing_item"  // empty item name
	TooLong      datafile.Reason = "too_long"      // order id, item name or customer id above MaxText bytes
	BadQuantity  datafile.Reason = "bad_quantity"  // not a decimal number above 0 with at most 15 digits before and 6 after the point
	BadTime      datafile.Reason = "bad_time"      // not a time in the known forms, or in the given one
)

// Reasons lists every reason in the order of the checks.
func Reasons() []datafile.Reason {
	return append(datafile.Reasons(), MissingOrder, DamagedOrder, MissingItem, TooLong, BadQuantity, BadTime)
}

// Validate returns all that is wrong with the options at once.
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
