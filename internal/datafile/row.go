package datafile

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/alsobought/alsobought/internal/spelling"
)

// Row is one row of the text. It is valid until the next row is read, because its slices point into the text.
type Row struct {
	Line   int64 // line of the text on which the row begins, from 1
	lines  int64 // number of lines
	raw    []byte
	fields []field
	bad    Reason // BadQuote or ""
	open   int    // offset of a quote that is never closed
	spans  bool   // a quoted field contains line ends

	ascii bool // the text is known to be ASCII without NUL
	kept  int  // bytes kept by its rejects
}

type field struct {
	text    []byte // without the surrounding quotes
	start   int32  // offset in the row, if it is quoted
	doubled bool   // contains doubled quotes
}

// Len returns the number of fields; 0 for JSON lines.
func (r *Row) Len() int { return len(r.fields) }

// Value returns a field as intended and cleaned by package spelling: ="007", which makes spreadsheets keep leading
// zeros, becomes 007. It allocates only for doubled quotes and for names that are not in NFC.
func (r *Row) Value(i int) []byte {
	f := &r.fields[i]
	if len(f.text) == 0 || r.ascii && !f.doubled && f.text[0] != '=' && spelling.Tight(f.text) {
		return f.text
	}
	return spelling.Clean(f.unwrapped())
}

// unwrapped returns the text of a field without the conventions of CSV files and spreadsheets.
func (f *field) unwrapped() []byte {
	text := f.text
	if f.doubled {
		text = bytes.ReplaceAll(text, []byte(`""`), []byte(`"`))
	}
	if len(text) > 2 && text[0] == '=' && text[1] == '"' && bytes.IndexByte(text[2:], '"') == len(text)-3 {
		return text[2 : len(text)-1]
	}
	return text
}

// blank reports whether the row contains only white space and separators.
func (r *Row) blank() bool {
	if len(r.raw) > 0 && ' ' < r.raw[0] && r.raw[0] < 0x7f && (len(r.fields) == 0 || len(r.fields[0].text) > 0) {
		return false
	}
	separators := max(len(r.fields)-1, 0)
	for _, f := range r.fields {
		if len(bytes.TrimSpace(f.text)) > 0 {
			return false
		}
		separators += len(f.text)
	}
	return len(r.fields) > 1 && separators == len(r.raw) || len(bytes.TrimSpace(r.raw)) == 0
}

// A splitter finds the row at the start of data, which is not empty, and returns its length in bytes, including the
// line end. atEOF means that no more data follows.
type splitter func(r *Row, data []byte, atEOF bool) (n int, found outcome)

type outcome int

const (
	wholeRow outcome = iota
	partOfRow
	openQuote // the data ends inside quotes
)

// splitLine takes one line of the text as a row without fields.
func splitLine(r *Row, data []byte, atEOF bool) (int, outcome) {
	r.fields, r.bad, r.lines, r.kept = r.fields[:0], "", 1, 0
	end := bytes.IndexAny(data, "\r\n")
	if end < 0 {
		end = len(data)
	}
	return r.finish(data, end, atEOF)
}

// splitBlanks takes one line of the text as a row of fields separated by runs of white space.
func splitBlanks(r *Row, data []byte, atEOF bool) (int, outcome) {
	n, found := splitLine(r, data, atEOF)
	if found == wholeRow {
		for text := range bytes.FieldsSeq(r.raw) {
			r.fields = append(r.fields, field{text: text})
		}
	}
	return n, found
}

// fieldEnd returns the end of the unquoted field that starts at i: the next separator or line end.
func fieldEnd(data []byte, i int, separator byte) int {
	const low, high = 0x0101010101010101, 0x8080808080808080
	rest := data[i:]
	for ; len(rest) >= 8; rest = rest[8:] { // find the first match among eight bytes at once: XOR makes it zero
		w := binary.LittleEndian.Uint64(rest)
		s, n, r := w^low*uint64(separator), w^low*'\n', w^low*'\r'
		if found := ((s-low)&^s | (n-low)&^n | (r-low)&^r) & high; found != 0 {
			return len(data) - len(rest) + bits.TrailingZeros64(found)/8
		}
	}
	for i, c := range rest {
		if c == separator || c == '\n' || c == '\r' {
			return len(data) - len(rest) + i
		}
	}
	return len(data)
}

// closingQuote returns the end of the quoted text that starts at i, or -1 if it is not closed, and whether it contains
// doubled quotes.
func closingQuote(data []byte, i int) (end int, doubled bool) {
	for {
		next := bytes.IndexByte(data[i:], '"')
		if next < 0 {
			return -1, doubled
		}
		if i += next; i+1 == len(data) || data[i+1] != '"' {
			return i, doubled
		}
		doubled = true
		i += 2
	}
}

// finish completes a row that ends before data[end], which is a line end or the end of data.
func (r *Row) finish(data []byte, end int, atEOF bool) (int, outcome) {
	lineEnd := 0
	switch left := data[end:]; {
	case len(left) >= 2 && left[0] == '\r' && left[1] == '\n':
		lineEnd = 2
	case len(left) >= 2 || len(left) == 1 && (left[0] == '\n' || atEOF):
		lineEnd = 1
	case !atEOF: // no line end yet, or a CR whose LF may follow
		return 0, partOfRow
	}
	r.raw = data[:end]
	return end + lineEnd, wholeRow
}

// spanning returns the offset of the first quote that opens a field with line ends, or one that is never closed.
func (r *Row) spanning() int {
	for i := range r.fields {
		if hasLineEnd(r.fields[i].text) {
			return int(r.fields[i].start)
		}
	}
	return r.open
}

func hasLineEnd(b []byte) bool { return bytes.IndexByte(b, '\n') >= 0 || bytes.IndexByte(b, '\r') >= 0 }

// countLines counts LF, CRLF and lone CR.
func countLines(b []byte) int64 {
	return int64(bytes.Count(b, []byte{'\n'}) + bytes.Count(b, []byte{'\r'}) - bytes.Count(b, []byte("\r\n")))
}

// texts returns the fields of a row, trimmed.
func (r *Row) texts() []string {
	texts := make([]string, len(r.fields))
	for i := range r.fields {
		texts[i] = string(spelling.Clean(bytes.ToValidUTF8(r.fields[i].unwrapped(), replacement)))
	}
	return texts
}
