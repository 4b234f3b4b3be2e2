package datafile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/transform"
)

// Encodings that are not defined by a character table.
const (
	utf8Text  = "utf-8"
	utf16Text = "utf-16"
)

// encodingNamed returns the canonical name of an encoding and, unless it is a Unicode encoding, its decoder. "" stays
// "".
func encodingNamed(name string) (string, encoding.Encoding, error) {
	plain := strings.ReplaceAll(strings.ToLower(name), "_", "-")
	switch plain {
	case "", utf8Text, utf16Text:
		return plain, nil, nil
	case "utf8", "utf16":
		return "utf-" + plain[3:], nil, nil
	case "latin-1", "latin1", "iso-8859-1", "iso8859-1": // the web treats it as windows-1252
		return "latin-1", charmap.ISO8859_1, nil
	}
	for _, prefix := range []string{"cp125", "windows125"} {
		if rest, found := strings.CutPrefix(plain, prefix); found {
			plain = "windows-125" + rest
		}
	}
	for _, spelling := range []string{strings.ToLower(name), plain, strings.ReplaceAll(plain, "-", "_")} {
		for _, index := range []func(string) (encoding.Encoding, error){ianaindex.IANA.Encoding, htmlindex.Get} {
			e, err := index(spelling)
			if err != nil || e == nil || !byteWise(e) {
				continue
			}
			return plain, e, nil
		}
	}
	return "", nil, fmt.Errorf("unknown encoding %q: say utf-8, utf-16, windows-1250 to windows-1258, iso-8859-1 to iso-8859-16, "+
		"cp437, cp850, cp866, koi8-r, shift-jis, euc-jp, gbk, gb18030, big5 or euc-kr", name)
}

// byteWise reports whether an ASCII byte always stands for itself in the encoding, so that line ends can be found
// before decoding.
func byteWise(e encoding.Encoding) bool {
	const ascii = "\tA,B;C|D\"E'\\~{1}\r\n"
	text, err := e.NewDecoder().String(ascii)
	back, _ := e.NewDecoder().String("\x1b$B")
	return err == nil && text == ascii && back == "\x1b$B"
}

// decode returns the text of w as UTF-8 without byte order mark, and the name of its original encoding. Invalid input
// becomes a byte that is not valid UTF-8, so that its row is rejected; U+FFFD would be stored as part of a name.
func decode(w *window, wanted string) (io.Reader, string) {
	w.fill(len(utf8Mark))
	head := w.bytes()
	wanted, table, _ := encodingNamed(wanted) // the error was checked with the options
	var bigEndian bool
	switch {
	case table != nil:
		return transform.NewReader(w, transform.Chain(table.NewDecoder(), undecodable{})), wanted
	case wanted != utf16Text && bytes.HasPrefix(head, utf8Mark):
		w.advance(len(utf8Mark))
		return w, utf8Text
	case wanted != utf8Text && bytes.HasPrefix(head, littleEndianMark):
		w.advance(len(littleEndianMark))
	case wanted != utf8Text && bytes.HasPrefix(head, bigEndianMark):
		w.advance(len(bigEndianMark))
		bigEndian = true
	case wanted == utf16Text:
		bigEndian = len(head) > 0 && head[0] == 0 // no byte order mark: an order file starts with an ASCII character
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
	replacement      = []byte("\uFFFD")
)

const invalidByte = 0xff

// undecodable replaces U+FFFD, which decoders produce for invalid input, by a byte that is not valid UTF-8.
type undecodable struct{ transform.NopResetter }

// Transform implements [transform.Transformer].
func (undecodable) Transform(dst, src []byte, atEOF bool) (written, read int, err error) {
	for read < len(src) {
		left := src[read:]
		if left[0] == replacement[0] && len(left) < len(replacement) && !atEOF {
			return written, read, transform.ErrShortSrc
		}
		if written == len(dst) {
			return written, read, transform.ErrShortDst
		}
		if bytes.HasPrefix(left, replacement) {
			dst[written] = invalidByte
			written++
			read += len(replacement)
			continue
		}
		n := bytes.IndexByte(left[1:], replacement[0]) + 1
		if n == 0 {
			n = len(left)
		}
		n = copy(dst[written:], left[:n])
		written += n
		read += n
	}
	return written, read, nil
}

// utf16Decoder is the decoder of x/text, except that half a surrogate pair does not become U+FFFD; see decode.
type utf16Decoder struct {
	transform.NopResetter
	order binary.ByteOrder
}

// Transform implements [transform.Transformer].
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
