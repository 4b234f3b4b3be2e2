package datafile

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// FuzzSplit checks the guarantees of the splitters: rows and line ends together make up the text; a row found in the
// beginning of a text is the row found in the whole text; and encoding/csv finds the same fields wherever it agrees
// with this package on what a CSV file is.
func FuzzSplit(f *testing.F) {
	for _, text := range []string{
		"a,b\n1,2\r\n3,4\r5,6", "\"a\"\"b\",\"c\nd\"\n", "a,\"b\"c\nd,\"e\n", "\"\"\n\"\"\"\"\n", "1 2  3\n\n \n", ",\n,,\r\n\r",
		"x\",\"abc\nx\",\"abc\n\"", "\"a\"", "\"a\"\r", "\"a\"\"", //nolint:dupword // no words
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, split := range []splitter{(&dialect{separator: ','}).split, (&dialect{separator: '\t', quotes: NoQuotes}).split, (&dialect{separator: ';', width: 3}).split, splitLine, splitBlanks} {
			splitAll(t, split, []byte(text))
		}
		compareWithCSV(t, text)
	})
}

func splitAll(t *testing.T, split splitter, data []byte) {
	t.Helper()
	var r Row
	for len(data) > 0 {
		n, found := split(&r, data, true)
		if found == openQuote {
			if data[r.open] != '"' {
				t.Fatalf("no quote at %d of %q", r.open, data)
			}
			return
		}
		if found != wholeRow || !bytes.HasPrefix(data, r.raw) || n < len(r.raw) {
			t.Fatalf("outcome %d, %d bytes, row %q of %q", found, n, r.raw, data)
		}
		end := string(data[len(r.raw):n])
		if end != "\n" && end != "\r\n" && end != "\r" && (end != "" || n < len(data)) {
			t.Fatalf("line end %q after row %q", end, r.raw)
		}
		if lines := countLines(data[:n]); r.lines != lines && (end != "" || r.lines != lines+1) {
			t.Fatalf("%d lines in %q", r.lines, data[:n])
		}
		for cut := range min(len(data), 64) {
			var early Row
			if m, found := split(&early, data[:cut], false); cut > 0 && found == wholeRow &&
				(m != n || early.bad != r.bad || !bytes.Equal(early.raw, r.raw) || len(early.fields) != len(r.fields)) {
				t.Fatalf("row %q, of its first %d bytes %q", r.raw, cut, early.raw)
			}
		}
		data = data[n:]
	}
}

// compareWithCSV ignores texts on which encoding/csv differs by design: it rewrites CRLF, rejects quotes inside fields,
// treats lines of blanks and separators as rows, and does not know the conventions of spreadsheets.
func compareWithCSV(t *testing.T, text string) {
	t.Helper()
	reader := csv.NewReader(strings.NewReader(text))
	reader.FieldsPerRecord = -1
	want, err := reader.ReadAll()
	if err != nil || strings.Contains(text, "\r") || strings.Contains(text, "=\"") || strings.ContainsAny(text, "\ufeff\x1a") {
		return
	}
	var got [][]string
	scan := newScanner(&window{src: strings.NewReader(text)}, (&dialect{separator: ','}).split, Options{}, "")
	for {
		row, err := scan.next()
		if err != nil {
			break
		}
		var fields []string
		for i := range row.fields {
			fields = append(fields, string(row.fields[i].unwrapped()))
		}
		got = append(got, fields)
	}
	var clean [][]string
	for _, fields := range want {
		if strings.TrimSpace(strings.Join(fields, "")) == "" {
			return
		}
		clean = append(clean, fields)
	}
	if diff := cmp.Diff(clean, got); diff != "" {
		t.Fatalf("%q (-encoding/csv +got):\n%s", text, diff)
	}
}

// FuzzUTF16Decoder expects to decode every text that x/text has encoded, however it is split into reads.
func FuzzUTF16Decoder(f *testing.F) {
	f.Add("order,item\n1,\U0001f381 caf\u00e9\n", true)
	f.Fuzz(func(t *testing.T, text string, bigEndian bool) {
		text = strings.ToValidUTF8(text, "\uFFFD")
		order := unicode.LittleEndian
		if bigEndian {
			order = unicode.BigEndian
		}
		encoded, err := unicode.UTF16(order, unicode.UseBOM).NewEncoder().String(text)
		if err != nil {
			t.Fatal(err)
		}
		decoded, _ := decode(&window{src: strings.NewReader(encoded)}, "")
		got := new(strings.Builder)
		for buf := make([]byte, 5); err == nil; {
			var n int
			n, err = decoded.Read(buf)
			got.Write(buf[:n])
		}
		if text != "" && got.String() != text {
			t.Fatalf("got %q, want %q", got, text)
		}
	})
}

var _ transform.Transformer = utf16Decoder{}
