// Package datafile turns the bytes of a file into rows of fields, whatever the rows are about.
//
// It reads comma, semicolon, tab and pipe separated files, JSON lines, basket lists, Excel and Parquet files; plain or
// compressed with gzip or zstd; in UTF-8, UTF-16 or another encoding given by name. It detects the format and
// compression from the content. Every row of the source is returned exactly once: as a row of fields, or as a reject
// with its line number, reason and raw bytes. Fields are returned exactly as written; the caller decides which columns
// there are (see [Kind]) and which values are valid.
//
// The package never repairs a value and never drops a row. It knows nothing of orders and does not use a database. Its
// memory is bounded by a few MiB, plus all stored bytes of an Excel file or a page of each column of a Parquet file.
//
// # Rows
//
// A row is what one call of [Reader.Read] returns: a record of a table, or a line of a basket list or of JSON. Lines of
// only white space (other than the separator itself) are not rows and are not counted, but line numbers are those of
// the text as an editor shows it: they count every LF, CRLF and lone CR, including those inside quotes. In a table,
// lines of only separators are not rows either, nor is what precedes the header: a line "sep=;", lines that start with
// '#', and titles of one or two fields.
//
// # Tables
//
// A field whose first non-blank byte is a quote runs to the next quote that is not doubled, including any separators
// and line ends. A quote anywhere else is an ordinary character. Text between a closing quote and the next separator
// makes the row bad_quote: its first line of text is rejected, and reading continues with the next one. A quote that is
// never closed fails the file, because there is no way to tell where its row ends.
//
// Some programs write quotes as ordinary characters, as in 6" of pipe. So if each line of a quoted field would be a row
// of its own, the quotes are taken as ordinary characters and each line as a row. In fields separated by tabs or '|', a
// quote that closes before the end of its field is an ordinary character, too. See [Quotes].
//
// A row ends at an unquoted LF, CRLF or lone CR; one file may mix them.
//
// A row is rejected for the first of these reasons that applies: bad_quote, nul_byte, not_utf8, bad_json,
// repeated_header, wrong_columns. Rows may end in one separator more than the header if most of them do.
package datafile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	// MaxRow is the maximum length of a row in bytes, without its line end. A longer row stops reading with a FileError.
	MaxRow = 1 << 20
	// MaxRaw is the maximum number of raw bytes kept of a rejected row.
	MaxRaw = 4096
)

// Format is the format of a source. The empty Format detects it from the content.
type Format string

// Supported formats.
const (
	CSV       Format = "csv"
	TSV       Format = "tsv"
	Semicolon Format = "semicolon"
	Pipe      Format = "pipe"
	JSONLines Format = "jsonl"   // one object per line
	Baskets   Format = "baskets" // one list per line, separated by commas (or ; | tab) or by white space
	XLSX      Format = "xlsx"    // one sheet of an Excel file
	Parquet   Format = "parquet" // its rows are read like objects of JSON lines
)

// Formats lists the formats that can be asked for, for usage texts. Binary formats are detected from the content.
func Formats() []Format { return []Format{CSV, TSV, Semicolon, Pipe, JSONLines, Baskets} }

// Options describe a source. The zero value detects everything from the content.
type Options struct {
	Name   string // name of the source in errors; "" is "input"
	Format Format

	// Columns names the columns of a file that has no header.
	Columns []string

	// Quotes says how to interpret quotes in a table.
	Quotes Quotes

	// Sheet is the name of a sheet of an Excel file, or its number, from 1; "" is the first visible one that has the
	// columns.
	Sheet string

	// Encoding is "utf-8", "utf-16" or the IANA or WHATWG name of another encoding that is a superset of ASCII:
	// "windows-1252", "iso-8859-2", "cp850", "shift-jis". "" is the encoding of the byte order mark, or else UTF-8.
	Encoding string
}

// Validate returns everything that is wrong with the options for a source of the given kind.
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

// FileError means that a file as a whole cannot be read. Its text is one line and says what to do.
type FileError struct {
	Name    string // of the source
	Line    int64  // line of the text; 0 if the error concerns no single line
	Problem string // what is wrong, including Name and Line
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

// fail returns a FileError about the whole source. The problem follows the name.
func (o Options) fail(err error, problem string, args ...any) error {
	line := strings.ReplaceAll(fmt.Sprintf(problem, args...), "\n", "; ") // errors of libraries may have several lines
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
