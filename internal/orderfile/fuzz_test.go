package orderfile_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/datafile/datatest"
	"github.com/alsobought/alsobought/internal/orderfile"
	"github.com/alsobought/alsobought/internal/spelling"
)

// The fuzz targets, one per reader, check every source against the same guarantees; see promises.

func FuzzContent(f *testing.F) {
	fuzz(f, orderfile.Options{})
}

func FuzzTable(f *testing.F) {
	fuzz(f, orderfile.Options{Options: datafile.Options{Format: datafile.CSV, Columns: []string{"order_id", "item_name", "quantity", "ordered_at"}}})
}

func FuzzHeader(f *testing.F) {
	fuzz(f, orderfile.Options{Options: datafile.Options{Format: datafile.Semicolon}})
}

func FuzzJSONLines(f *testing.F) {
	fuzz(f, orderfile.Options{Options: datafile.Options{Format: datafile.JSONLines}})
}

func FuzzBaskets(f *testing.F) {
	fuzz(f, orderfile.Options{Options: datafile.Options{Format: datafile.Baskets}})
}

func FuzzBasketsWithIDs(f *testing.F) {
	fuzz(f, orderfile.Options{Options: datafile.Options{Format: datafile.Baskets}, BasketIDs: "first"})
}

func FuzzUTF16(f *testing.F) {
	fuzz(f, orderfile.Options{Options: datafile.Options{Encoding: "utf-16"}})
}

func FuzzWindows1252(f *testing.F) {
	fuzz(f, orderfile.Options{Options: datafile.Options{Encoding: "windows-1252"}, TimeFormat: "%d.%m.%y %I:%M:%S %p %z"})
}

// fuzz uses the inputs of the cases as its seed corpus.
func fuzz(f *testing.F, opts orderfile.Options) {
	paths, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		_, files := readCase(f, path)
		input := unescape(f, files["input"])
		f.Add(input)
		f.Add(datatest.Gzip(f, input))
	}
	f.Fuzz(func(t *testing.T, source []byte) { promises(t, source, opts) })
}

// promises checks what must hold for every source: it is read to its end or refused with a FileError; reading it byte
// by byte gives the same result; its lines can be stored; and every non-blank line of the text is accounted for.
func promises(t *testing.T, source []byte, opts orderfile.Options) {
	t.Helper()
	whole := account(bytes.NewReader(source), opts)
	if diff := cmp.Diff(whole, account(iotest.OneByteReader(bytes.NewReader(source)), opts)); diff != "" {
		t.Fatalf("byte by byte (-whole +bytes):\n%s", diff)
	}
	r, err := orderfile.Open(bytes.NewReader(source), opts)
	if err != nil {
		wantFileError(t, err)
		return
	}
	var last int64
	numbers := map[int64]bool{}
	for {
		line, reject, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			wantFileError(t, err)
			return
		}
		number := line.Number
		if reject != nil {
			number = reject.Number
			wantReject(t, reject)
		} else {
			wantLine(t, line)
		}
		if number < last || number < 1 {
			t.Fatalf("row of line %d after line %d", number, last)
		}
		last = number
		numbers[number] = true
	}
	if sum := sha256.Sum256(source); r.Bytes() != int64(len(source)) || !bytes.Equal(r.SHA256(), sum[:]) {
		t.Fatalf("%d of %d bytes, sum %x", r.Bytes(), len(source), r.SHA256())
	}
	m := r.Mapping()
	if _, err := json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	if m.Compression != "" || m.Document || m.Encoding != "utf-8" || bytes.IndexByte(source, '"') >= 0 && m.Format != datafile.JSONLines {
		return // finding the lines of such a text would need the package's own reader
	}
	header := m.Header
	for number, text := range written(source) {
		switch {
		case number <= m.Above || strings.Trim(text, " \t"+m.Delimiter) == "":
		case header:
			header = false
		case !numbers[number]:
			t.Fatalf("line %d is not accounted for: %q", number, text)
		}
	}
}

// written yields the lines of a text with their numbers, without surrounding white space.
func written(source []byte) func(yield func(int64, string) bool) {
	text := strings.TrimSuffix(strings.ReplaceAll(string(source), "\ufeff", ""), "\x1a")
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	return func(yield func(int64, string) bool) {
		for i, line := range strings.Split(text, "\n") {
			if !yield(int64(i+1), strings.TrimSpace(line)) {
				return
			}
		}
	}
}

func wantFileError(t *testing.T, err error) {
	t.Helper()
	var fileError *datafile.FileError
	if !errors.As(err, &fileError) || strings.Contains(err.Error(), "\n") || !utf8.ValidString(err.Error()) {
		t.Fatalf("got %T %q, want a FileError of one line", err, err)
	}
}

func wantLine(t *testing.T, l orderfile.Line) {
	t.Helper()
	for _, text := range []string{l.Order, l.Item, l.Customer} {
		if len(text) > orderfile.MaxText || spelling.CleanString(text) != text || strings.Contains(text, "\x00") || !utf8.ValidString(text) {
			t.Fatalf("%+v: unfit text %q", l, text)
		}
	}
	if l.Order == "" || l.Item == "" || l.Quantity.Whole < 0 || l.Quantity.Micros < 0 || l.Quantity.Micros > 999_999 {
		t.Fatalf("unfit line %+v", l)
	}
	if at := l.OrderedAt; !at.IsZero() && (at.Year() < 1 || at.Year() > 9999) {
		t.Fatalf("unfit time %v", at)
	}
}

func wantReject(t *testing.T, r *orderfile.Reject) {
	t.Helper()
	known := false
	for _, reason := range append(orderfile.Reasons(), orderfile.NotBought()...) {
		known = known || reason == r.Reason
	}
	if !known || r.Detail == "" || strings.ContainsAny(r.Detail, "\n\r\x00") || !utf8.ValidString(r.Detail) || len(r.Raw) > datafile.MaxRaw {
		t.Fatalf("unfit reject %+v", r)
	}
}
