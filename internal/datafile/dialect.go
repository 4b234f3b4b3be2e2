package datafile

import (
	"bytes"
	"unicode"
)

// Quotes says how to interpret quotes in a table. The empty Quotes follows CSV unless the quotes are clearly ordinary
// characters.
type Quotes string

// How quotes are interpreted.
const (
	AutoQuotes Quotes = "auto" // same as the empty Quotes
	CSVQuotes  Quotes = "csv"  // a field that starts with one runs to the next, whatever is in between
	NoQuotes   Quotes = "none" // an ordinary character
)

// dialect describes how the text of a table is split into fields.
type dialect struct {
	separator byte
	quotes    Quotes
	width     int // number of fields per row; 0 if not known yet
}

// split is the splitter of the dialect.
func (d *dialect) split(r *Row, data []byte, atEOF bool) (int, outcome) {
	if d.quotes == NoQuotes {
		return d.splitLine(r, data, atEOF)
	}
	n, found := d.splitQuoted(r, data, atEOF)
	if found == wholeRow && r.bad == "" && !r.spans || d.quotes == CSVQuotes || d.width == 0 {
		return n, found
	}
	var letters bool // the opened quote is an ordinary character
	switch {
	case r.bad != "":
		letters = !d.ofText()
	case found == wholeRow:
		letters = d.wholeRows(r.raw, r.spanning(), true)
	case found == openQuote && (atEOF || len(data) > MaxRow):
		letters = d.wholeRows(data, r.spanning(), atEOF)
	}
	if !letters {
		return n, found
	}
	bad := r.bad
	m, again := d.splitLine(r, data, atEOF)
	if bad != "" && len(r.fields) != d.width {
		r.bad = bad
	}
	return m, again
}

// ofText reports whether the separator is a character that often occurs in text.
func (d *dialect) ofText() bool { return d.separator != '\t' && d.separator != '|' }

// splitQuoted treats every quote at the start of a field as an opening quote.
func (d *dialect) splitQuoted(r *Row, data []byte, atEOF bool) (int, outcome) {
	r.fields, r.bad, r.lines, r.kept, r.spans = r.fields[:0], "", 1, 0, false
	quoted := false
	for i := 0; ; i++ {
		var f field
		switch start := i; {
		case i < len(data) && data[i] == '"':
			quoted = true
			end, doubled := closingQuote(data, i+1)
			if end >= 0 {
				i = d.afterQuote(data, end)
			}
			if end < 0 || i == len(data) && !atEOF { // the last quote may turn out to be doubled
				r.open = start
				return 0, openQuote
			}
			if i < len(data) && data[i] != d.separator && data[i] != '\n' && data[i] != '\r' {
				n, found := splitLine(r, data, atEOF)
				r.bad = BadQuote
				return n, found
			}
			f = field{data[start+1 : end], int32(start), doubled}
		case i < len(data) && data[i] == ' ':
			f, i = d.inLine(data, i)
		default:
			i = fieldEnd(data, i, d.separator)
			f.text = data[start:i]
		}
		r.fields = append(r.fields, f)
		if i < len(data) && data[i] == d.separator {
			continue
		}
		n, found := r.finish(data, i, atEOF)
		if r.spans = quoted && found == wholeRow && hasLineEnd(r.raw); r.spans {
			r.lines += countLines(r.raw)
		}
		return n, found
	}
}

// splitLine takes one line of the text as a row: quotes never span lines.
func (d *dialect) splitLine(r *Row, data []byte, atEOF bool) (int, outcome) {
	n, found := splitLine(r, data, atEOF)
	if found == wholeRow {
		r.fields = d.fields(r.raw, r.fields)
	}
	return n, found
}

// fields appends the fields of a line.
func (d *dialect) fields(line []byte, fields []field) []field {
	for i := 0; ; i++ {
		var f field
		if d.quotes == NoQuotes {
			end := fieldEnd(line, i, d.separator)
			f, i = field{text: line[i:end]}, end
		} else {
			f, i = d.inLine(line, i)
		}
		if fields = append(fields, f); i >= len(line) {
			return fields
		}
	}
}

// inLine returns the field that starts at i, and its end. Quotes count only if the closing one ends the field on the
// same line; blanks around them are not part of the field.
func (d *dialect) inLine(data []byte, i int) (field, int) {
	start := i
	for i < len(data) && data[i] == ' ' {
		i++
	}
	if i < len(data) && data[i] == '"' {
		if end, doubled := closingQuote(data, i+1); end >= 0 && !hasLineEnd(data[i:end]) {
			after := d.afterQuote(data, end)
			if after == len(data) || data[after] == d.separator || data[after] == '\n' || data[after] == '\r' {
				return field{data[i+1 : end], int32(i), doubled}, after
			}
		}
	}
	end := fieldEnd(data, i, d.separator)
	return field{text: data[start:end]}, end
}

// afterQuote returns the end of the blanks that follow a closing quote.
func (d *dialect) afterQuote(data []byte, end int) int {
	end++
	for end < len(data) && data[end] == ' ' {
		end++
	}
	return end
}

// wholeRows reports whether the lines of data, including the one with the quote at open, are rows of their own: all
// have as many fields as rows have, and, if the separator often occurs in text, a column other than that of the quote
// has values with digits in the same form. A quote that closes after such lines is an ordinary character.
func (d *dialect) wholeRows(data []byte, open int, atEOF bool) bool {
	const enough = 20 // lines
	quoted := len(d.fields(data[:open], nil)) - 1
	var first []field
	lines := 0
	for len(data) > 0 && lines < enough {
		end := bytes.IndexAny(data, "\r\n")
		if end < 0 {
			if !atEOF {
				break
			}
			end = len(data)
		}
		fields := d.fields(data[:end], nil)
		switch {
		case len(fields) != d.width:
			return false
		case lines == 0:
			first = fields
		case d.ofText() && !alike(first, fields, quoted):
			return false
		}
		lines++
		if data = data[end:]; bytes.HasPrefix(data, []byte("\r\n")) {
			data = data[1:]
		}
		data = data[min(1, len(data)):]
	}
	return lines > 1 || lines == 1 && !d.ofText()
}

// alike reports whether a column other than but has values with digits in the same form in both rows.
func alike(a, b []field, but int) bool {
	for i := range a {
		form, digits := writtenAs(a[i].text)
		if other, _ := writtenAs(b[i].text); i != but && digits && form == other {
			return true
		}
	}
	return false
}

// writtenAs returns the form of a value, with a 9 for each run of digits and an a for each run of letters, and whether
// the value contains digits.
func writtenAs(text []byte) (form string, digits bool) {
	var last rune
	var b []rune
	for _, r := range string(bytes.TrimSpace(text[:min(len(text), 64)])) {
		switch {
		case unicode.IsDigit(r):
			r, digits = '9', true
		case unicode.IsLetter(r):
			r = 'a'
		}
		if r != last || r != '9' && r != 'a' {
			b = append(b, r)
		}
		last = r
	}
	return string(b), digits
}
