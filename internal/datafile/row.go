package datafile

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/alsobought/alsobought/internal/spelling"
)

// Row is one row as found in the text. It is valid until the next one is read: its slices point into the text.
type Row struct {
	Line   int64 // of the text on which it begins, from 1
	lines  int64 // how many it takes
	raw    []byte
	fields []field
	bad    Reason // BadQuote or ""
	open   int    // where the quote was opened that is not closed
	spans  bool   // a quoted field holds line ends:
	first  int    // where the first such was opened

	ascii bool // its text is ASCII without NUL, once it was checked
	kept  int  // bytes of it that its rejects keep
}

type field struct {
	text    []byte // without the quotes around it
	doubled bool   // holds doubled quotes
}

// Fits reports at little cost that a field is as package spelling cleans it; false says nothing.
func (r *Row) Fits(text []byte) bool { return r.ascii && len(r.fields) > 0 && spelling.Tight(text) }

// Len is the number of fields; 0 for JSON lines.
func (r *Row) Len() int { return len(r.fields) }

// Text returns a field as it was meant: ="007", which makes spreadsheets keep a number as it is, is 007. It allocates
// only for doubled quotes.
func (r *Row) Text(i int) []byte {
	f := r.fields[i]
	text := f.text
	if f.doubled {
		text = bytes.ReplaceAll(text, []byte(`""`), []byte(`"`))
	}
	if len(text) > 2 && text[0] == '=' && text[1] == '"' && bytes.IndexByte(text[2:], '"') == len(text)-3 {
		return text[2 : len(text)-1]
	}
	return text
}

// blank reports whether nothing stands in the row but white space, and separators.
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

// A splitter finds the row at the start of data, which is not empty, and returns how many bytes it takes, its line end
// included. atEOF says that no more data follow.
type splitter func(r *Row, data []byte, atEOF bool) (n int, found outcome)

type outcome int

const (
	wholeRow outcome = iota
	partOfRow
	openQuote // part of a row that ends inside quotes
)

// splitLine takes a line of the text for a row of no fields.
func splitLine(r *Row, data []byte, atEOF bool) (int, outcome) {
	r.fields, r.bad, r.lines, r.kept = r.fields[:0], "", 1, 0
	end := bytes.IndexAny(data, "\r\n")
	if end < 0 {
		end = len(data)
	}
	return r.finish(data, end, atEOF)
}

// splitBlanks takes a line of the text for a row of fields separated by any run of white space.
func splitBlanks(r *Row, data []byte, atEOF bool) (int, outcome) {
	n, found := splitLine(r, data, atEOF)
	if found == wholeRow {
		for text := range bytes.FieldsSeq(r.raw) {
			r.fields = append(r.fields, field{text: text})
		}
	}
	return n, found
}

// fieldEnd returns where the field ends that begins at i and is not quoted.
func fieldEnd(data []byte, i int, separator byte) int {
	const low, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(data); i += 8 { // of eight bytes at once, those that are zero after an exclusive or
		w := binary.LittleEndian.Uint64(data[i:])
		s, n, r := w^low*uint64(separator), w^low*'\n', w^low*'\r'
		if found := ((s-low)&^s | (n-low)&^n | (r-low)&^r) & high; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(data) && data[i] != separator && data[i] != '\n' && data[i] != '\r' {
		i++
	}
	return i
}

// closingQuote returns where the quoted text that begins at i ends, -1 when it does not, and whether it holds doubled
// quotes.
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

// finish closes a row that ends before data[end], which is a line end or the end of data.
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

// countLines counts LF, CRLF and lone CR.
func countLines(b []byte) int64 {
	return int64(bytes.Count(b, []byte{'\n'}) + bytes.Count(b, []byte{'\r'}) - bytes.Count(b, []byte("\r\n")))
}

// texts are the fields of a row, trimmed.
func (r *Row) texts() []string {
	texts := make([]string, len(r.fields))
	for i := range r.fields {
		texts[i] = string(spelling.Clean(bytes.ToValidUTF8(r.Text(i), replacement)))
	}
	return texts
}
