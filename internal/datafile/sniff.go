package datafile

import (
	"bytes"
	"io"
	"strings"
)

const (
	// sampleSize is how much of the text is looked at to tell what it is.
	sampleSize = 64 << 10
	sampleRows = 100
)

// shape is how the rows of a text are to be read.
type shape struct {
	format    Format
	separator byte // 0 for JSON lines, ' ' for any run of white space
}

var separators = map[Format]byte{CSV: ',', Semicolon: ';', TSV: '\t', Pipe: '|'}

// tables are the formats of tables in the order in which they are tried.
var tables = []Format{CSV, Semicolon, TSV, Pipe}

// sniff tells by content what the options leave open.
func sniff(text *window, opts Options, kind Kind) shape {
	switch {
	case opts.Format == Baskets:
		return shape{Baskets, basketSeparator(text.bytes())}
	case opts.Format != "":
		return shape{opts.Format, separators[opts.Format]}
	}
	if opts.Columns == nil {
		if start := bytes.TrimSpace(text.bytes()); start[0] == '{' {
			return shape{format: JSONLines}
		}
	}
	best, fit := CSV, -1
	for _, format := range tables {
		if f := fitness(text, separators[format], opts, kind); f > fit {
			best, fit = format, f
		}
	}
	if fit < headerFound && kind.Lists != nil && opts.Columns == nil && bytes.IndexByte(text.bytes(), 0) < 0 {
		if separator, sure := looksLikeBaskets(text, opts, kind); sure {
			return shape{Baskets, separator}
		}
	}
	return shape{best, separators[best]}
}

// headerFound outweighs any number of rows.
const headerFound = 1 << 30

// fitness says how well a separator takes the sample apart: best with a header that names what is needed, then by rows
// as wide as the header, or as there are columns. A header of one field fits nothing.
func fitness(text *window, separator byte, opts Options, kind Kind) int {
	rows := sampleFields(text, opts.dialect(separator).split)
	header, fit := opts.Columns, 0
	if header == nil {
		if len(rows) == 0 {
			return 0
		}
		at, found := headerAmong(rows, NewGlossary(kind))
		if found {
			fit = headerFound
		}
		header, rows = rows[at], rows[at+1:]
	}
	if len(header) < 2 {
		return 0
	}
	for _, row := range rows {
		if len(row) == len(header) {
			fit++
		}
	}
	return fit
}

// looksLikeBaskets is careful: order lines taken for baskets would be loaded as nonsense. It wants numbers separated by
// blanks; or names, not one of them a number, separated by commas, in rows of which no three quarters are equally long,
// under no known header.
func looksLikeBaskets(text *window, opts Options, kind Kind) (separator byte, sure bool) {
	several := false
	for i, row := range sampleFields(text, splitBlanks) {
		several = several || len(row) > 1
		if sure = i == 0 || sure; !sure {
			break
		}
		for _, field := range row {
			sure = sure && isNumber(field)
		}
	}
	if sure && several {
		return ' ', true
	}
	rows := sampleFields(text, opts.dialect(',').split)
	widths, words := map[int]int{}, NewGlossary(kind)
	for i, row := range rows {
		widths[len(row)]++
		for _, field := range row {
			if words.knows(field) && i == 0 || isNumber(field) {
				return 0, false
			}
		}
	}
	for _, n := range widths {
		if 4*n >= 3*len(rows) {
			return 0, false
		}
	}
	return ',', len(rows) > 0
}

// basketSeparator is the one that a basket list is known to need.
func basketSeparator(sample []byte) byte {
	for _, format := range tables {
		if bytes.IndexByte(sample, separators[format]) >= 0 {
			return separators[format]
		}
	}
	return ' '
}

// dialect is that of the options, with a separator.
func (o Options) dialect(separator byte) *dialect {
	return &dialect{separator: separator, quotes: o.Quotes, width: len(o.Columns)}
}

func isNumber(field string) bool {
	return field != "" && strings.Trim(field, "0123456789") == ""
}

// sampled is the part of the text that is in memory, as a text of its own. It ends with an error other than io.EOF, and
// so without its last row, when that row may be cut.
func sampled(text *window) *window {
	sample := &window{buf: text.bytes(), hi: len(text.bytes()), err: io.EOF}
	if !text.atEOF() {
		sample.err = io.ErrUnexpectedEOF
	}
	return sample
}

// sampleFields takes the first rows of the sample apart.
func sampleFields(text *window, split splitter) [][]string {
	scan := newScanner(sampled(text), split, Options{}, "")
	var rows [][]string
	for len(rows) < sampleRows {
		row, err := scan.next()
		if err != nil {
			break
		}
		rows = append(rows, row.texts())
	}
	return rows
}
