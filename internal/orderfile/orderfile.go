// Package orderfile turns the bytes of an order file into validated order lines.
//
// It reads comma, semicolon, tab and pipe separated files, JSON lines and basket lists; plain, gzip or zstd; in UTF-8,
// UTF-16, Windows-1252 or Latin-1; and tells by content which it is given. Every row of the source comes out exactly
// once: as a line, or as a reject with its line number, reason and raw bytes. What a row says arrives exactly as
// written, except that outer white space is trimmed: NA, null, 007 and backslashes mean themselves.
//
// Records reads rows of another kind, those of a catalogue, with the same means: what their values may be is for who asks.
//
// The package never repairs a value, never drops a row, never holds more than a few MiB whatever it is given, and knows
// no database and no load.
//
// # Rows
//
// A row is what one call of [Reader.Read] returns. In a table it is one record. In a basket list and in JSON orders with
// a list of items it is one item: a basket of three items is three rows, and a basket that is bad as a whole is one.
// Lines of white space only (other than the separator itself) are not rows and are not counted, but line numbers are
// those of the text as an editor shows it: they count every LF, CRLF and lone CR, also inside quotes.
//
// # Tables
//
// A field whose first byte is a quote runs to the next quote that is not doubled, line ends and separators included. A
// quote anywhere else is a character like any other. Text between a closing quote and the next separator makes the row
// bad_quote: its first line of text is rejected and reading goes on with the next one. A quote that is opened and never
// closed fails the file, for nobody can say where its row was meant to end; one that another, at the end of a later field,
// happens to close makes one row of all between, as in every CSV reader.
//
// A row ends at LF, CRLF or a lone CR, also in one file, unless they are quoted.
//
// # Checks
//
// A row is refused for the first of these that applies: bad_quote, nul_byte, not_utf8, bad_json, wrong_columns,
// missing_order, missing_item, too_long, bad_quantity, bad_time.
package orderfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// MaxRow is how many bytes one row may have, its line end apart. A longer one ends the reading with a FileError.
	MaxRow = 1 << 20
	// MaxText is how many bytes an order id, an item name and a customer id may have.
	MaxText = 2000
	// MaxRaw is how many bytes of a refused row are kept.
	MaxRaw = 4096
)

// Format is the shape of a source. The empty Format means: tell by content.
type Format string

// The formats.
const (
	CSV       Format = "csv"
	TSV       Format = "tsv"
	Semicolon Format = "semicolon"
	Pipe      Format = "pipe"
	JSONLines Format = "jsonl"   // one object per line, a line of an order or an order with a list of items
	Baskets   Format = "baskets" // one order per line, its items separated by commas (or ; | tab) or else by blanks
)

// Formats lists every format, for usage texts.
func Formats() []Format { return []Format{CSV, TSV, Semicolon, Pipe, JSONLines, Baskets} }

// NoColumn as the name of a column says that the file has no such column, whatever its header looks like.
const NoColumn = "-"

// Options say what is known of a source beforehand. The zero value means: tell everything by content.
type Options struct {
	Name   string // what to call the source in errors; "" is "input"
	Format Format

	// Columns names the columns of a file that has no header.
	Columns []string

	// The names of columns as the header gives them, matched without regard to case, blanks, '_', '-', '.' and '#'.
	// "" finds the column by alias (see Aliases), NoColumn says that there is none.
	OrderColumn, ItemColumn, QuantityColumn, TimeColumn, CustomerColumn string

	// TimeFormat is how times are written, as in strftime: %Y-%m-%d %H:%M:%S. The directives are %Y %y %m %d %e %b %B
	// %H %I %p %M %S %f (1 to 9 digits of a second) %z (Z, +hh, +hhmm or +hh:mm) %F %T %%. A blank stands for any white
	// space, numbers may have fewer digits. "" accepts ISO 8601 as written by people and databases: 2006-01-02, then
	// optionally T or a blank and 15:04, then optionally :05, then optionally a fraction, then optionally a zone: Z,
	// +hh, +hhmm or +hh:mm. Without zone a time is UTC. Years run from 1 to 9999;
	// the first instant of year 1, which programs write for "no time", is refused.
	TimeFormat string

	// Encoding is "utf-8", "utf-16", "windows-1252" or "latin-1"; "" is UTF-8, or what a byte order mark says.
	Encoding string

	// BasketIDs says where a basket list has its order ids: "line" (or "") makes them of the file's name, without its
	// directory, and the line number, as in orders.txt:17; "first" takes the first field. Either says that it is one.
	BasketIDs string

	records *Kind // what the rows are about, when they are no orders
}

// Line is one order line as understood.
type Line struct {
	Number    int64     // line of the text on which its row begins, from 1
	Order     string    // never empty, at most MaxText bytes, as are Item and Customer
	Item      string    // never empty
	Customer  string    // "" when not given
	Quantity  Quantity  // zero when not given
	OrderedAt time.Time // UTC; zero when not given
}

// Reject is one row that was refused.
type Reject struct {
	Number int64 // line of the text on which the row begins, from 1
	Reason Reason
	Detail string // one line for people, valid UTF-8
	Raw    []byte // the row as in the decompressed and decoded text, without line end, at most MaxRaw bytes; empty for
	// later rejects of a row that has very many
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

// Reason is why a row was refused. Reasons are stable: they are stored and counted.
type Reason string

// The reasons.
const (
	BadQuote     Reason = "bad_quote"     // text after a closing quote
	NULByte      Reason = "nul_byte"      // holds a NUL byte, which PostgreSQL cannot store
	NotUTF8      Reason = "not_utf8"      // holds bytes that are no text in the encoding of the file
	BadJSON      Reason = "bad_json"      // no JSON object, or one of the wrong shape
	WrongColumns Reason = "wrong_columns" // more or fewer fields than the header
	MissingOrder Reason = "missing_order" // empty order id
	MissingItem  Reason = "missing_item"  // empty item name
	TooLong      Reason = "too_long"      // order id, item name or customer id above MaxText bytes
	BadQuantity  Reason = "bad_quantity"  // not a decimal number above 0 with at most 15 digits before and 6 after the point
	BadTime      Reason = "bad_time"      // not a time in the known forms, or in the given one
)

// Reasons lists every reason in the order of the checks.
func Reasons() []Reason {
	return []Reason{
		BadQuote, NULByte, NotUTF8, BadJSON, WrongColumns, MissingOrder, MissingItem, TooLong, BadQuantity, BadTime,
	}
}

// FileError says that a file as a whole cannot be read. Its text is one line and says what to do.
type FileError struct {
	Name    string // the source
	Line    int64  // line of the text, 0 when no single line is to blame
	Problem string // what is wrong, Name and Line included
	Err     error  // the cause, or nil
}

func (e *FileError) Error() string { return e.Problem }

func (e *FileError) Unwrap() error { return e.Err }

// Validate returns all that is wrong with the options at once.
func (o Options) Validate() error {
	var errs []error
	if formats := o.formats(); o.Format != "" && !slices.Contains(formats, o.Format) {
		errs = append(errs, fmt.Errorf("unknown format %q: one of %s", o.Format, listed(formats)))
	}
	if o.BasketIDs != "" && o.BasketIDs != "line" && o.BasketIDs != "first" {
		errs = append(errs, fmt.Errorf("unknown source of basket ids %q: line or first", o.BasketIDs))
	}
	if len(o.Columns) > 0 && (o.Format == JSONLines || o.Format == Baskets) {
		errs = append(errs, fmt.Errorf("columns are named for a table without header, not for %s", o.Format))
	}
	if _, err := encodingNamed(o.Encoding); err != nil {
		errs = append(errs, err)
	}
	if _, err := parseTimeFormat(o.TimeFormat); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func listed(formats []Format) string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = string(f)
	}
	return strings.Join(names, ", ")
}

func (o Options) name() string {
	if o.Name == "" {
		return "input"
	}
	return o.Name
}

// fail is a FileError that blames the whole source. The problem is put behind the name.
func (o Options) fail(err error, problem string, args ...any) error {
	return &FileError{Name: o.name(), Problem: o.name() + " " + fmt.Sprintf(problem, args...), Err: err}
}

// failAt is a FileError that blames one line. The problem is put behind "NAME: line N".
func (o Options) failAt(line int64, problem string, args ...any) error {
	return &FileError{
		Name: o.name(), Line: line, Problem: fmt.Sprintf("%s: line %d", o.name(), line) + fmt.Sprintf(problem, args...),
	}
}
