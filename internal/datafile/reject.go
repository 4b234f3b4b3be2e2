package datafile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Reason says why a row was rejected. Reasons are stable: they are stored and counted.
type Reason string

// Reasons for rejecting a row of any kind.
const (
	BadQuote       Reason = "bad_quote"       // text after a closing quote
	NULByte        Reason = "nul_byte"        // contains a NUL byte, which PostgreSQL cannot store
	NotUTF8        Reason = "not_utf8"        // contains bytes that are invalid in the encoding of the file
	BadJSON        Reason = "bad_json"        // not a JSON object, or one of the wrong shape
	RepeatedHeader Reason = "repeated_header" // repeats the header, as in concatenated files
	WrongColumns   Reason = "wrong_columns"   // more or fewer fields than the header
)

// Reasons lists the reasons in the order of the checks.
func Reasons() []Reason {
	return []Reason{BadQuote, NULByte, NotUTF8, BadJSON, RepeatedHeader, WrongColumns}
}

// Reject is one rejected row.
type Reject struct {
	Number int64 // line of the text on which the row begins, from 1
	Reason Reason
	Detail string // one readable line, valid UTF-8
	// The row in the decompressed and decoded text, without line end, at most MaxRaw bytes; empty for later rejects of a
	// row that has very many.
	Raw []byte
}

// Reject rejects the row for a reason. The detail is one readable line.
func (r *Row) Reject(reason Reason, detail string, args ...any) *Reject {
	raw := []byte{}
	if r.kept < 16*MaxRaw { // a row of a megabyte may contain hundreds of thousands of bad items
		raw = bytes.Clone(r.raw[:min(len(r.raw), MaxRaw)])
		r.kept += len(raw)
	}
	return &Reject{Number: r.Line, Reason: reason, Detail: fmt.Sprintf(detail, args...), Raw: raw}
}

// check makes the checks that need only the raw bytes. It returns nil if they pass.
func (r *Row) check(encoding string) *Reject {
	r.ascii = isPlainASCII(r.raw)
	switch {
	case r.bad == BadQuote:
		return r.Reject(BadQuote, "text after a closing quote")
	case r.ascii:
		return nil
	case bytes.IndexByte(r.raw, 0) >= 0:
		return r.Reject(NULByte, "NUL byte at byte %d of the row", bytes.IndexByte(r.raw, 0)+1)
	case !utf8.Valid(r.raw):
		at := invalidUTF8(r.raw)
		if encoding != utf8Text {
			return r.Reject(NotUTF8, "what stands at byte %d of the row is no character in %s", at+1, encoding)
		}
		return r.Reject(NotUTF8, "byte 0x%02X at byte %d of the row is not UTF-8", r.raw[at], at+1)
	}
	return nil
}

// Excerpt quotes a value for an error, on one line and cut to its first 40 bytes.
func Excerpt(b []byte) string {
	const most = 40
	if len(b) <= most {
		return fmt.Sprintf("%q", b)
	}
	return fmt.Sprintf("%q", strings.ToValidUTF8(string(b[:most]), "")+"…")
}

// invalidUTF8 returns the offset of the first byte that is not valid UTF-8, or -1.
func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// isPlainASCII reports whether the text is ASCII without NUL.
func isPlainASCII(b []byte) bool {
	const low, high = 0x0101010101010101, 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		if w := binary.NativeEndian.Uint64(b); (w|(w-low))&high != 0 {
			return false
		}
	}
	for _, c := range b {
		if c == 0 || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
