// Package spelling makes texts equal that look equal to everybody: white space and invisible characters around them are
// left out, and accents are one character with their letters (Unicode NFC). It changes nothing else.
//
// Names go through it wherever they come in: from files, requests and flags.
package spelling

import (
	"bytes"
	"encoding/binary"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Clean returns the text in NFC without what cannot be seen around it. It takes valid UTF-8, returns a part of b where
// nothing within has to change, and keeps nil apart from an empty text.
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

// CleanString is Clean for a string, which need not be valid UTF-8.
func CleanString(s string) string { return string(Clean([]byte(s))) }

// Tight reports whether a text that is not empty begins and ends with a visible ASCII character. If it is ASCII altogether, Clean
// leaves it as it is.
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

// unseen are white space and the characters of no width: joiners, marks of direction and of byte order, the soft
// hyphen.
func unseen(r rune) bool {
	switch r {
	case 0xad, 0x180e, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2060, 0xfeff:
		return true
	}
	return unicode.IsSpace(r)
}
