package orderfile

import (
	"bytes"
	"slices"
	"strings"
)

// RejectColumns are what a table of refused rows says of each of them behind its values. A table that ends in them was
// written by Inert texts.
var RejectColumns = []string{"file_number", "line_number", "reason", "detail", "raw"}

// IsRejects reports whether the columns are those of a table of refused rows.
func IsRejects(columns []string) bool {
	n := len(columns) - len(RejectColumns)
	return n > 0 && slices.Equal(columns[n:], RejectColumns)
}

// active are the characters with which a cell begins that a spreadsheet runs.
const active = "=+-@\t\r"

// Inert is the text with an apostrophe before it if a spreadsheet would run it. What has apostrophes before such a beginning
// gets one more, so that mended can take one away from each.
func Inert(text string) string {
	if plain := strings.TrimLeft(text, "'"); plain != "" && strings.IndexByte(active, plain[0]) >= 0 {
		return "'" + text
	}
	return text
}

// mended is what Inert was given.
func mended(text []byte) []byte {
	if plain := bytes.TrimLeft(text, "'"); len(plain) > 0 && len(plain) < len(text) && strings.IndexByte(active, plain[0]) >= 0 {
		return text[1:]
	}
	return text
}
