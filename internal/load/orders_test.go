package load_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/orderfile"
)

// oddTexts are names and ids that other loaders alter, refuse or confuse.
var oddTexts = []string{
	"Cal Kit - Std - 34L Regulator 100PPM/Tedlar Bag", "plain", "PLAIN", "a, b", `say "hi"`, `"`, `""`, "two\nlines",
	"two\r\nlines", "two\rlines",
	"NA", "null", "NULL", "nil", "None", "NaN", `\N`, `\.`, `\`, `ends in \`, `C:\temp\new`, "007", "7", "-", "0", "1e3",
	"true", "'", "'; DROP TABLE items; --",
	"😀", "👩‍👩‍👧", "é", "İ", "ß", "SS", "inner  blanks", "inner blanks", "tab\tinside", "\x01", "\x7f", "a\u00a0b",
	"%s %d", "$1", "{a,b}", "(1,2)",
	"=SUM(A1)", "a;b", "a|b", "../..", "?q=1&r=2#x", "%2F", strings.Repeat("x", orderfile.MaxText),
	strings.Repeat("é", orderfile.MaxText/2),
}

// row is a generated source row and its expected outcome.
type row struct {
	order, item, customer string
	quantity              string // "" only in files without the column
	at                    time.Time

	number           int64           // line on which the row begins
	reason           datafile.Reason // "" for a good row
	raw              string          // of a row that is rejected or not bought
	status, refunded string          // only in files with these columns
	back             string          // what it takes back: a quantity, "all", or "" for nothing
}

// file is a generated order file.
type file struct {
	name string
	data []byte
	rows []row
}

// writer writes rows as CSV in all of its variants.
type writer struct {
	rnd     *rand.Rand
	b       strings.Builder
	line    int64
	lineEnd string
	returns bool // columns tell which rows are not bought
}

// randomFile generates a file of n rows with few distinct orders and items, so that lines repeat within it and across
// files.
func randomFile(rnd *rand.Rand, name string, n int) file {
	w := &writer{rnd: rnd, line: 1, lineEnd: pick(rnd, "\n", "\r\n"), returns: rnd.IntN(2) == 0}
	header := "order_id,item_name,quantity,ordered_at,customer_id"
	if w.returns {
		header += ",status,qty_refunded"
	}
	w.end(header)
	f := file{name: name}
	for i := range n {
		var r row
		if i > 0 && rnd.IntN(8) == 0 {
			r = w.bad()
			if w.returns && r.reason != datafile.WrongColumns {
				r.raw += ",,"
			}
		} else {
			r = w.good()
		}
		if w.returns && i > 0 && r.reason == "" {
			w.giveBack(&r)
		}
		if i == 0 { // without a valid non-ASCII character the reader would assume another encoding
			r.item = "😀"
		}
		r.number = w.line
		if r.reason == "" || r.back != "" {
			r.raw = strings.Join([]string{
				w.field(r.order), w.field(r.item), w.field(r.quantity), w.field(w.time(r.at)), w.field(r.customer),
			}, ",")
			if w.returns {
				r.raw += "," + r.status + "," + r.refunded
			}
		}
		w.end(r.raw)
		f.rows = append(f.rows, r)
		if rnd.IntN(20) == 0 {
			w.end(pick(rnd, "", "   ", "\t")) // not a row
		}
	}
	f.data = []byte(w.b.String())
	if rnd.IntN(2) == 0 {
		f.data = bytes.TrimRight(f.data, "\r\n")
	}
	return f
}

func (w *writer) end(text string) {
	w.b.WriteString(text + w.lineEnd)
	w.line += int64(strings.Count(text, "\n")+strings.Count(text, "\r")-strings.Count(text, "\r\n")) + 1
}

func (w *writer) good() row {
	r := row{
		order:    fmt.Sprintf("order %d", w.rnd.IntN(60)),
		item:     pick(w.rnd, oddTexts...),
		quantity: pick(w.rnd, "1", "1", "2", "3.5", "0.000001", "+4", "007", "999999999999999", ".5", "2."),
	}
	if w.rnd.IntN(10) == 0 {
		r.order = pick(w.rnd, oddTexts...)
	}
	if w.rnd.IntN(3) > 0 {
		r.customer = pick(w.rnd, append([]string{"b", "a", "B", "C00012"}, oddTexts...)...)
	}
	if w.rnd.IntN(3) > 0 {
		r.at = time.Date(2020+w.rnd.IntN(5), time.Month(1+w.rnd.IntN(12)), 1+w.rnd.IntN(28), w.rnd.IntN(24),
			w.rnd.IntN(60), w.rnd.IntN(60),
			w.rnd.IntN(1_000_000)*1000, time.UTC)
	}
	return r
}

// giveBack turns a good row into one of few orders and items, which may take something back.
func (w *writer) giveBack(r *row) {
	r.order, r.item = fmt.Sprintf("order %d", w.rnd.IntN(12)), pick(w.rnd, oddTexts[:8]...)
	switch w.rnd.IntN(12) {
	case 0:
		r.status, r.reason, r.back = pick(w.rnd, "refunded", "Returned"), orderfile.Refunded, "all"
	case 1:
		r.status, r.reason, r.back = pick(w.rnd, "cancelled", "CANCELED", "voided"), orderfile.Cancelled, "all"
		if w.rnd.IntN(3) == 0 {
			r.item = "" // the whole order
		}
	case 2:
		r.back, r.quantity, r.reason = "1.5", "-1.5", orderfile.Negative
	case 3:
		r.quantity, r.refunded, r.reason, r.back = "2", "2.0", orderfile.Refunded, "all"
	case 4, 5:
		r.quantity, r.refunded, r.back = "2", "0.5", "0.5"
	default:
		r.status, r.refunded = pick(w.rnd, "", "paid", "some word"), pick(w.rnd, "", "0", "0.000")
	}
}

// bad generates a row that must be rejected and writes it.
func (w *writer) bad() row {
	r := row{}
	long := strings.Repeat("y", orderfile.MaxText+1)
	for _, c := range []struct {
		reason datafile.Reason
		raws   []string
	}{
		{orderfile.MissingOrder, []string{",x,1,,", "   ,x,1,,", `"",x,0,never,`}},
		{orderfile.MissingItem, []string{"o1,,1,,", "o1,   ,1,,", `o1,"  ",0,never,`}},
		{
			orderfile.TooLong, []string{
				long + ",x,1,,", "o1," + long + ",1,,", "o1,x,1,," + long, "o1," + strings.Repeat(long, 3) + ",1,,",
			},
		},
		{orderfile.BadQuantity, []string{
			"o1,x,0,,", "o1,x,-0,,", "o1,x,,,", "o1,x,  ,,", "o1,x,many,,", `o1,x,"1,5,5",,`, "o1,x,1e3,,",
			"o1,x,NaN,,", "o1,x,NA,never,",
			"o1,x,1234567890123456,,", "o1,x,0.0000001,,", "o1,x,0x10,,",
		}},
		{
			orderfile.BadTime, []string{
				"o1,x,1,never,", "o1,x,1,2024-13-01,", "o1,x,1,2023-02-29,", "o1,x,1,0001-01-01,",
				`o1,x,1,"1. 13. 2024",`, "o1,x,1,NA,",
			},
		},
		{datafile.WrongColumns, []string{"o1,x", "o1", "o1,x,1,,,", "o1,x,1,,c,more", `"o1,x,1,,"`}},
		{datafile.NULByte, []string{"o1,x\x00y,1,,", "\x00,,,,"}},
		{datafile.NotUTF8, []string{"o1,caf\xe9,1,,", "o1,\xff,0,,", "o1,\xed\xa0\x80,1,,", "o1,half \xf0\x9f\x98,1,,"}},
		{datafile.BadQuote, []string{`"o1"x,y,1,,`, `o1,"x" y,1,,`}},
	} {
		if r.reason == "" || w.rnd.IntN(3) == 0 { // any reason, the first ones less often
			r.reason, r.raw = c.reason, pick(w.rnd, c.raws...)
		}
	}
	return r
}

// field writes a value with or without quotes and surrounding spaces.
func (w *writer) field(value string) string {
	if w.rnd.IntN(4) == 0 {
		value = pick(w.rnd, " ", "\t", "\u00a0", "\u2003 ") + value + pick(w.rnd, "", " ", "  ")
	}
	if strings.ContainsAny(value, ",\r\n") || strings.HasPrefix(strings.TrimLeft(value, " "), `"`) || w.rnd.IntN(4) == 0 {
		return `"` + strings.ReplaceAll(value, `"`, `""`) + `"`
	}
	return value
}

func (w *writer) time(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.In(time.FixedZone("", pick(w.rnd, 0, 2*3600, -9*3600-1800))).Format(pick(w.rnd, time.RFC3339Nano,
		"2006-01-02 15:04:05.000000-0700"))
}

// packed returns the data uncompressed or compressed with gzip or zstd.
func packed(rnd *rand.Rand, data []byte) []byte {
	var b bytes.Buffer
	switch rnd.IntN(3) {
	case 0:
		w := gzip.NewWriter(&b)
		_, _ = w.Write(data) // a buffer cannot fail
		_ = w.Close()
	case 1:
		w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
		if err != nil {
			panic(err) // the options are constant
		}
		_, _ = w.Write(data)
		_ = w.Close()
	default:
		return data
	}
	return b.Bytes()
}

func pick[T any](rnd *rand.Rand, from ...T) T { return from[rnd.IntN(len(from))] }
