// Package spelling normalises texts, so that texts which look the same are equal: it strips surrounding white space and
// invisible characters and composes accents (Unicode NFC). It changes nothing else.
//
// All names pass through it, whether from files, requests or flags.
package spelling

import (
	"bytes"
	"encoding/binary"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Clean returns the text in NFC without surrounding invisible characters. b must be valid UTF-8. The result is a slice
// of b if nothing within has to change; nil stays nil, and an empty text stays empty.
func Clean(b []byte) []byte {
	switch {
	case len(b) == 0:
		return b
	case Tight(b):
		if isASCII(b) {
			return b
		}
	default:
		trimmed := bytes.TrimFunc(b, unseen)
		if len(trimmed) == 0 {
			return b[:0:0]
		}
		b = trimmed
	}
	if norm.NFC.IsNormal(b) {
		return b
	}
	return norm.NFC.Bytes(b)
}

// CleanString is Clean for a string, which may be invalid UTF-8.
func CleanString(s string) string { return string(Clean([]byte(s))) }

// Tight reports whether a text is non-empty and begins and ends with a visible ASCII character. If all of it is ASCII,
// Clean returns it unchanged.
func Tight(b []byte) bool { return len(b) > 0 && visible(b[0]) && visible(b[len(b)-1]) }

func visible(c byte) bool { return ' ' < c && c < 0x7f }

func isASCII(b []byte) bool {
	for ; len(b) >= 8; b = b[8:] {
		if binary.NativeEndian.Uint64(b)&0x8080808080808080 != 0 {
			return false
		}
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// unseen reports whether r is white space or has no width: joiners, direction and byte order marks, the soft hyphen.
func unseen(r rune) bool {
	switch r {
	case 0xad, 0x180e, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2060, 0xfeff:
		return true
	}
	return unicode.IsSpace(r)
}
