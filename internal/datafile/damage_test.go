package datafile_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"

	"github.com/alsobought/alsobought/internal/datafile"
)

// TestAdvice expects the actual encoding of a text to be named first, with the name decoded from it.
func TestAdvice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		in   map[string]encoding.Encoding
	}{
		{"Pâté maison\nGroße Tüte\nThé vert\n", map[string]encoding.Encoding{"windows-1252": charmap.Windows1252, "cp850": charmap.CodePage850}},
		{"Žlutý čaj\nřeřicha\nmléko\n", map[string]encoding.Encoding{"windows-1250": charmap.Windows1250}},
		{"Чёрный хлеб\nмолоко\n", map[string]encoding.Encoding{
			"windows-1251": charmap.Windows1251, "koi8-r": charmap.KOI8R, "cp866": charmap.CodePage866,
		}},
		{"λευκό ψωμί\nΓάλα\n", map[string]encoding.Encoding{"windows-1253": charmap.Windows1253}},
		{"Beyaz peynir yağlı\nişkembe\n", map[string]encoding.Encoding{"windows-1254": charmap.Windows1254}},
		{"パンとバター\n牛乳\n", map[string]encoding.Encoding{"shift-jis": japanese.ShiftJIS}}, //nolint:gosmopolitan // that is the test
		{"牛奶面包\n白糖\n", map[string]encoding.Encoding{"gbk": simplifiedchinese.GBK}},     //nolint:gosmopolitan // that is the test
		{"우유 식빵\n사과\n", map[string]encoding.Encoding{"euc-kr": korean.EUCKR}},
		{"牛奶麵包\n白糖\n", map[string]encoding.Encoding{"big5": traditionalchinese.Big5}}, //nolint:gosmopolitan // that is the test
	} {
		for name, e := range c.in {
			text, err := e.NewEncoder().String("item,used\n" + strings.ReplaceAll(c.text, "\n", ",1\n"))
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(c.text, "\n")
			got := records(strings.NewReader(text), datafile.Options{Name: "X"}, parts())
			if want := ": say --encoding " + name + ", which reads \"" + first + "\", or"; !strings.Contains(got, want) {
				t.Errorf("got %s, want %s", got, want)
			}
			got = records(strings.NewReader(text), datafile.Options{Encoding: name}, parts())
			if want := "2: " + `"`; !strings.HasPrefix(got, want) || strings.Contains(got, "not_utf8") {
				t.Errorf("%s: got %s", name, got)
			}
		}
	}
}

// TestLateDamage reads texts whose first 64 KiB do not reveal the encoding.
func TestLateDamage(t *testing.T) {
	t.Parallel()
	start := "item,used\n" + strings.Repeat("a,1\n", 20_000)
	for _, c := range []struct{ name, more, want string }{
		{"one row", "caf\xe9,1\n", ""},
		{"few rows", strings.Repeat("caf\xe9,1\n", 900), ""},
		{"many rows", strings.Repeat("caf\xe9,1\n", 2000), "X is not UTF-8 (byte 0xE9 on line 20002): say --encoding windows-1252, which reads \"café\", or"},
		{"many, but more are good", strings.Repeat("caf\xe9,1\n"+strings.Repeat("café,1\n", 3), 2000), ""},
	} {
		r, err := datafile.Open(strings.NewReader(start+c.more), datafile.Options{Name: "X"}, parts())
		for err == nil {
			_, _, err = r.Read()
		}
		if ok := errors.Is(err, io.EOF) && c.want == "" || c.want != "" && strings.HasPrefix(err.Error(), c.want); !ok {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}
