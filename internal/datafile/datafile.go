// Package datafile turns the bytes of a file into rows of fields, whatever the rows are about.
//
// It reads comma, semicolon, tab and pipe separated files, JSON lines, basket lists, Excel and Parquet files; plain,
// gzip or zstd; in UTF-8, UTF-16 or another encoding that is named; and tells by content which it is given. Every row
// of the source comes out exactly once: as a row of fields, or as a reject with its line number, reason and raw bytes.
// What a row says arrives exactly as written: what its values may be is for who asks, as is which columns there are
// (see [Kind]).
//
// The package never repairs a value, never drops a row, and knows no database and no order. It holds a few MiB whatever it
// is given; of an Excel file all its stored bytes, of Parquet a page of each column.
//
// # Rows
//
// A row is what one call of [Reader.Read] returns: a record of a table, or a line of a basket list or of JSON. Lines of
// white space only (other than the separator itself) are not rows and are not counted, but line numbers are those of
// the text as an editor shows it: they count every LF, CRLF and lone CR, also inside quotes. In a table, lines of
// separators only are no rows either, nor is what stands above the header: a line "sep=;", lines that begin with '#',
// titles of one or two fields.
//
// # Tables
//
// A field whose first byte is a quote, blanks apart, runs to the next quote that is not doubled, separators and line
// ends included. A quote anywhere else is a character like any other. Text between a closing quote and the next
// separator makes the row bad_quote: its first line of text is rejected and reading goes on with the next one. A quote
// that is opened and never closed fails the file, for nobody can say where its row was meant to end.
//
// Some programs write quotes as letters, as in 6" of pipe. So a quoted field that holds line ends is not believed when
// each of its lines would be a row by itself: its quotes are letters, and each line is a row. In fields separated by
// tabs or '|' a quote that is closed before the end of its field is a letter, too. See [Quotes].
//
// A row ends at LF, CRLF or a lone CR, also in one file, unless they are quoted.
//
// A row is refused for the first of these that applies: bad_quote, nul_byte, not_utf8, bad_json, repeated_header,
// wrong_columns. Rows may end in one separator more than the header if most of them do.
package datafile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	// MaxRow is how many bytes one row may have, its line end apart. A longer one ends the reading with a FileError.
	MaxRow = 1 << 20
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
	JSONLines Format = "jsonl"   // one object per line
	Baskets   Format = "baskets" // a list of things per line, separated by commas (or ; | tab) or else by blanks
	XLSX      Format = "xlsx"    // a sheet of an Excel file
	Parquet   Format = "parquet" // a row is like an object of JSON lines
)

// Formats lists every format that may be asked for, for usage texts. Files that are no text are known by their content.
func Formats() []Format { return []Format{CSV, TSV, Semicolon, Pipe, JSONLines, Baskets} }

// Options say what is known of a source beforehand. The zero value means: tell everything by content.
type Options struct {
	Name   string // what to call the source in errors; "" is "input"
	Format Format

	// Columns names the columns of a file that has no header.
	Columns []string

	// Quotes say what a quote in a table is.
	Quotes Quotes

	// Sheet is the name of the sheet of an Excel file, or its number from 1; "" is the first visible one that has the
	// columns.
	Sheet string

	// Encoding is "utf-8", "utf-16" or the name of another encoding in which ASCII means itself, as IANA or the web
	// have it: "windows-1252", "iso-8859-2", "cp850", "shift-jis". "" is UTF-8, or what a byte order mark says.
	Encoding string
}

// Validate returns all that is wrong with the options of a source of rows of a kind at once.
func (o Options) Validate(kind Kind) error {
	var errs []error
	if formats := kind.formats(); o.Format != "" && !slices.Contains(formats, o.Format) {
		errs = append(errs, fmt.Errorf("unknown format %q: one of %s", o.Format, listed(formats)))
	}
	if len(o.Columns) > 0 && (o.Format == JSONLines || o.Format == Baskets) {
		errs = append(errs, fmt.Errorf("columns are named for a table without header, not for %s", o.Format))
	}
	if !slices.Contains([]Quotes{"", AutoQuotes, CSVQuotes, NoQuotes}, o.Quotes) {
		errs = append(errs, fmt.Errorf("unknown quotes %q: auto, csv or none", o.Quotes))
	}
	if _, _, err := encodingNamed(o.Encoding); err != nil {
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

// FileError says that a file as a whole cannot be read. Its text is one line and says what to do.
type FileError struct {
	Name    string // the source
	Line    int64  // line of the text, 0 when no single line is to blame
	Problem string // what is wrong, Name and Line included
	Err     error  // the cause, or nil

	Columns []string // what the source has, when a column that is needed, or was asked for, is not there; the first 100
}

func (e *FileError) Error() string { return e.Problem }

func (e *FileError) Unwrap() error { return e.Err }

func (o Options) name() string {
	if o.Name == "" {
		return "input"
	}
	return o.Name
}

// fail is a FileError that blames the whole source. The problem is put behind the name.
func (o Options) fail(err error, problem string, args ...any) error {
	line := strings.ReplaceAll(fmt.Sprintf(problem, args...), "\n", "; ") // what libraries say may have several
	return &FileError{Name: o.name(), Problem: o.name() + " " + line, Err: err}
}

// failFor is a FileError of a column that is not there.
func (o Options) failFor(header []string, problem string) error {
	return &FileError{Name: o.name(), Problem: o.name() + " " + strings.ReplaceAll(problem, "\n", "; "), Columns: bounded(header)}
}

// failAt is a FileError that blames one line. The problem is put behind "NAME: line N".
func (o Options) failAt(line int64, problem string, args ...any) error {
	return &FileError{
		Name: o.name(), Line: line, Problem: fmt.Sprintf("%s: line %d", o.name(), line) + fmt.Sprintf(problem, args...),
	}
}
