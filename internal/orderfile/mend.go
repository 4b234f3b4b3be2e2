package orderfile

import (
	"bytes"
	"slices"
	"strings"
)

// RejectColumns are the columns that a table of rejected rows adds after the values of each row. The texts of a table
// that ends in these columns were written by Inert.
var RejectColumns = []string{"file_number", "line_number", "reason", "detail", "raw"}

// IsRejects reports whether the columns are those of a table of rejected rows.
func IsRejects(columns []string) bool {
	n := len(columns) - len(RejectColumns)
	return n > 0 && slices.Equal(columns[n:], RejectColumns)
}

// active lists the characters that make a spreadsheet run a cell which starts with one of them.
const active = "=+-@\t\r"

// Inert prefixes the text with an apostrophe if a spreadsheet would run it. Text that already has apostrophes before
// such a character gets one more, so that mended can always remove one.
func Inert(text string) string {
	if plain := strings.TrimLeft(text, "'"); plain != "" && strings.IndexByte(active, plain[0]) >= 0 {
		return "'" + text
	}
	return text
}

// mended undoes Inert.
func mended(text []byte) []byte {
	if plain := bytes.TrimLeft(text, "'"); len(plain) > 0 && len(plain) < len(text) && strings.IndexByte(active, plain[0]) >= 0 {
		return text[1:]
	}
	return text
}
