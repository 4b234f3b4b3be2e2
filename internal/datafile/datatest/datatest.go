// Package datatest provides tests with the same text in every supported form.
package datatest

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
)

// Dresses returns readers of the same text in different forms, by name: compressed, byte by byte and, if it is UTF-8
// and encodingName is "", in other encodings.
func Dresses(t testing.TB, input []byte, encodingName string) map[string]io.Reader {
	t.Helper()
	all := map[string]io.Reader{
		"as it is":     bytes.NewReader(input),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(input)),
		"with the end": iotest.DataErrReader(bytes.NewReader(input)),
		"gzip":         bytes.NewReader(Gzip(t, input)),
		"gzip twice":   bytes.NewReader(append(Gzip(t, input[:len(input)/2]), Gzip(t, input[len(input)/2:])...)),
		"zstd":         bytes.NewReader(Zstd(t, input)),
	}
	if encodingName != "" || !utf8.Valid(input) || bytes.IndexByte(input, 0) >= 0 {
		return all // the errors depend on the encoding
	}
	all["UTF-8 with mark"] = bytes.NewReader(append([]byte("\xef\xbb\xbf"), input...))
	for name, e := range map[string]encoding.Encoding{
		"UTF-16LE": unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
		"UTF-16BE": unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	} {
		text, err := e.NewEncoder().Bytes(input)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = bytes.NewReader(text)
		all[name+" zstd byte by byte"] = iotest.OneByteReader(bytes.NewReader(Zstd(t, text)))
	}
	return all
}

// Gzip compresses b.
func Gzip(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Zstd compresses b.
func Zstd(t testing.TB, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}
