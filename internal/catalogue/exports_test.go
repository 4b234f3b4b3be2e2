package catalogue

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/datafile"
)

// TestExports reads product exports of known programs: "-" is a value that is not given, "skipped" a row that is not an
// item.
func TestExports(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, columns, text, want string }{
		{
			"Shopify", "", "Handle,Title,Body (HTML),Product Category,Published,Option1 Name,Option1 Value,Option2 " +
				"Value,Variant SKU,Variant Price,Image Src,Status\n" +
				"tea,Green tea,<p>,Drinks,TRUE,Size,S,loose,T-S,4.50,https://x.example/a.jpg,active\n" +
				"tea,,,,,,L,,T-L,8,,\n" + "tea,,,,,,,,,,https://x.example/b.jpg,\n" +
				"pot,Pot,,,true,Title,Default Title,,P,12,,draft\n" + ",Cup,,,,,,,,1,,\n",
			"Green tea - S / loose|Drinks|-|-|https://x.example/a.jpg|4.50|true\nGreen tea - " +
				"L|Drinks|-|-|https://x.example/a.jpg|8|true\n" +
				"skipped\nPot||-|-||12|false\nCup||-|-||1|true\n",
		},
		{
			"Shopify since 2025", "", "Title,URL handle,Description,Product category,Published on online store,Status,SKU,Option1 name,Option1 value,Price,Product image URL\n" +
				"Green tea,tea,<p>,Drinks,TRUE,Active,T-S,Size,S,4.50,https://x.example/a.jpg\n" + ",tea,,,,,T-L,,L,8,\n" +
				"Pot,pot,,,TRUE,archived,P,Size,1 l,12,\n" + ",pot,,,,,Q,,2 l,15,\n" + "Cup,cup,,,FALSE,active,C,Title,Default Title,1,\n",
			"Green tea - S|Drinks|-|-|https://x.example/a.jpg|4.50|true\nGreen tea - L|Drinks|-|-|https://x.example/a.jpg|8|true\n" +
				"Pot - 1 l||-|-||12|false\nPot - 2 l||-|-||15|false\nCup||-|-||1|false\n",
		},
		{
			"Shopify by number", "variant sku", "Handle,Title,Option1 Value,Variant SKU,Variant Price\ntea,Green tea,S,T-S,4.50\ntea,,L,T-L,8\npot,Pot,,,3\n",
			"T-S|-|-|-|-|4.50|-\nT-L|-|-|-|-|8|-\nno item\n",
		},
		{
			"a feed", "", "id\ttitle\tdescription\tlink\timage_link\tavailability\tprice\n" +
				"1\tTea\tgood\thttps://x.example/t\thttps://x.example/t.jpg\tout_of_stock\t12.00 " +
				"EUR\n2\tPot\tgood\t\t\tin stock\tUSD 3\n",
			"Tea|-|-|https://x.example/t|https://x.example/t.jpg|12.00|false\nPot|-|-|||3|true\n",
		},
		{
			"WooCommerce", "", "ID,Type,SKU,Name,Published,Description,Regular price,Categories,Images\n" +
				"1,simple,T,Tea,1,good,4.5,\"Drinks, Drinks > Tea\",\"https://x.example/a.jpg, " +
				"https://x.example/b.jpg\"\n2,simple,,Pot,-1,,,,\n",
			"Tea|Drinks, Drinks > Tea|-|-|https://x.example/a.jpg|4.5|true\nPot||-|-|||false\n",
		},
	} {
		r, err := datafile.OpenRecords(strings.NewReader(c.text), datafile.Options{}, kind(Columns{Item: c.columns}))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var got strings.Builder
		v := variants{named: c.columns != ""}
		for {
			var record datafile.Record
			reject, err := r.Read(&record)
			if errors.Is(err, io.EOF) {
				break
			}
			if reject != nil || err != nil {
				t.Fatalf("%s: %v, %v", c.name, reject, err)
			}
			if !v.complete(record.Values) {
				got.WriteString("skipped\n")
				continue
			}
			var stored [attributes]any
			if problem := check(record.Values, &stored); problem != "" {
				got.WriteString(problem + "\n")
				continue
			}
			for i, value := range stored {
				switch value := value.(type) {
				case nil:
					got.WriteString("-")
				case string:
					got.WriteString(value)
				case bool:
					got.WriteString(map[bool]string{true: "true", false: "false"}[value])
				}
				got.WriteByte("||||||\n"[i])
			}
		}
		if diff := cmp.Diff(c.want, got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestCurrencies(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"12.00 EUR": "12.00", "EUR 12": "12", "€12.5": "12.5", "12.5 €": "12.5", "$ 3": "3", "3 x": "", "EUR": "", "€": "",
		"1 EUR 2": "", "+3 USD": "3",
		"1,299.00 EUR": "1299.00", "1.299,00 €": "1299.00", "12,50 EUR": "12.50", "1,299 EUR": "", "1,29,9.0 EUR": "",
	} {
		if got, _ := price(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
