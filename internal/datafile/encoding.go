package datafile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/transform"
)

// The encodings, as Mapping names them.
const (
	utf8Text    = "utf-8"
	utf16Text   = "utf-16"
	windows1252 = "windows-1252"
	latin1      = "latin-1"
)

// encodingNamed knows the usual spellings. "" stays "".
func encodingNamed(name string) (string, error) {
	switch strings.ToLower(name) {
	case "":
		return "", nil
	case "utf-8", "utf8":
		return utf8Text, nil
	case "utf-16", "utf16":
		return utf16Text, nil
	case "windows-1252", "windows1252", "cp1252":
		return windows1252, nil
	case "latin-1", "latin1", "iso-8859-1":
		return latin1, nil
	}
	return "", fmt.Errorf("unknown encoding %q: one of utf-8, utf-16, windows-1252, latin-1", name)
}

// decode returns the text of w as UTF-8 without byte order mark, and the name of the encoding it was in.
func decode(w *window, wanted string) (io.Reader, string) {
	w.fill(len(utf8Mark))
	head := w.bytes()
	var bigEndian bool
	switch {
	case wanted == windows1252:
		return transform.NewReader(w, charmap.Windows1252.NewDecoder()), windows1252
	case wanted == latin1:
		return transform.NewReader(w, charmap.ISO8859_1.NewDecoder()), latin1
	case wanted != utf16Text && bytes.HasPrefix(head, utf8Mark):
		w.advance(len(utf8Mark))
		return w, utf8Text
	case wanted != utf8Text && bytes.HasPrefix(head, littleEndianMark):
		w.advance(len(littleEndianMark))
	case wanted != utf8Text && bytes.HasPrefix(head, bigEndianMark):
		w.advance(len(bigEndianMark))
		bigEndian = true
	case wanted == utf16Text:
		bigEndian = len(head) > 0 && head[0] == 0 // no mark: an order file begins with an ASCII character
	default:
		return w, utf8Text
	}
	if bigEndian {
		return transform.NewReader(w, utf16Decoder{order: binary.BigEndian}), "utf-16be"
	}
	return transform.NewReader(w, utf16Decoder{order: binary.LittleEndian}), "utf-16le"
}

var (
	utf8Mark         = []byte("\xef\xbb\xbf")
	littleEndianMark = []byte("\xff\xfe")
	bigEndianMark    = []byte("\xfe\xff")
)

// utf16Decoder differs from the one of x/text in one point: half a character comes out as a byte that is no UTF-8, so
// that its row is refused, instead of as U+FFFD, which would be stored as part of a name.
type utf16Decoder struct {
	transform.NopResetter
	order binary.ByteOrder
}

// Transform is called by the reader of package transform.
func (d utf16Decoder) Transform(dst, src []byte, atEOF bool) (written, read int, err error) {
	for read < len(src) {
		if len(dst)-written < utf8.UTFMax {
			return written, read, transform.ErrShortDst
		}
		left := src[read:]
		if len(left) < 2 {
			if !atEOF {
				return written, read, transform.ErrShortSrc
			}
			dst[written] = invalidByte
			return written + 1, read + 1, nil
		}
		r := rune(d.order.Uint16(left))
		read += 2
		if utf16.IsSurrogate(r) {
			if len(left) < 4 && !atEOF {
				return written, read - 2, transform.ErrShortSrc
			}
			r = utf8.RuneError
			if len(left) >= 4 {
				r = utf16.DecodeRune(rune(d.order.Uint16(left)), rune(d.order.Uint16(left[2:])))
			}
			if r == utf8.RuneError {
				dst[written] = invalidByte
				written++
				continue
			}
			read += 2
		}
		written += utf8.EncodeRune(dst[written:], r)
	}
	return written, read, nil
}

const invalidByte = 0xff
