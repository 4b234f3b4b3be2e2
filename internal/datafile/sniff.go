package datafile

import (
	"bytes"
	"io"
	"slices"
	"strings"
)

const (
	// sampleSize is how much of the text, in bytes, is inspected to detect its format.
	sampleSize = 64 << 10
	sampleRows = 100
)

// shape describes how to read the rows of a text.
type shape struct {
	format    Format
	separator byte // 0 for JSON lines, ' ' for any run of white space
}

var separators = map[Format]byte{CSV: ',', Semicolon: ';', TSV: '\t', Pipe: '|'}

// tables are the table formats in the order in which they are tried.
var tables = []Format{CSV, Semicolon, TSV, Pipe}

// sniff detects from the content what the options leave open.
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

// fitness rates how well a separator splits the sample: best if there is a header with the required names, then by the
// number of rows as wide as the header, or as the given columns. A header of one field scores nothing.
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

// looksLikeBaskets is conservative, because order lines read as baskets would be loaded as nonsense. It accepts numbers
// separated by white space; or names, none of them a number, separated by commas, in rows of which fewer than three
// quarters have the same length, without a known header, unless another separator splits all rows alike.
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
	for _, format := range tables[1:] {
		if isTable(sampleFields(text, opts.dialect(separators[format]).split)) {
			return 0, false
		}
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

// isTable reports whether several rows have the same number of fields, at least three.
func isTable(rows [][]string) bool {
	return len(rows) > 1 && len(rows[0]) > 2 &&
		!slices.ContainsFunc(rows, func(row []string) bool { return len(row) != len(rows[0]) })
}

// basketSeparator returns the separator of a text that is known to be a basket list.
func basketSeparator(sample []byte) byte {
	for _, format := range tables {
		if bytes.IndexByte(sample, separators[format]) >= 0 {
			return separators[format]
		}
	}
	return ' '
}

// dialect returns the dialect of the options with a separator.
func (o Options) dialect(separator byte) *dialect {
	return &dialect{separator: separator, quotes: o.Quotes, width: len(o.Columns)}
}

func isNumber(field string) bool {
	return field != "" && strings.Trim(field, "0123456789") == ""
}

// sampled returns the part of the text that is in memory as a text of its own. If its last row may be cut, it ends with
// an error other than io.EOF, which drops that row.
func sampled(text *window) *window {
	sample := &window{buf: text.bytes(), hi: len(text.bytes()), err: io.EOF}
	if !text.atEOF() {
		sample.err = io.ErrUnexpectedEOF
	}
	return sample
}

// sampleFields splits the first rows of the sample into fields.
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
