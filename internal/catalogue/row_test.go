package catalogue

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/orderfile"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", orderfile.MaxText/2)
	for _, c := range []struct {
		role   int
		value  string
		stored any    // the stored value,
		wrong  string // or the problem
	}{
		{itemRole, "a", "a", ""},
		{itemRole, "NULL", "NULL", ""},
		{itemRole, "", nil, "no item"},
		{itemRole, long, long, ""},
		{itemRole, long + "x", nil, "item of 2001 bytes, the maximum is 2000"},
		{categoryRole, "", "", ""},
		{categoryRole, "<b>\u202e", "<b>\u202e", ""},
		{labelRole, long + "x", nil, "label of 2001 bytes, the maximum is 2000"},
		{priceRole, "", "", ""},
		{priceRole, "0", "0", ""},
		{priceRole, "12.50", "12.50", ""},
		{priceRole, "+7", "7", ""},
		{priceRole, ".5", ".5", ""},
		{priceRole, "5.", "5.", ""},
		{priceRole, "0000000000000000000000000012", "0000000000000000000000000012", ""},
		{priceRole, "999999999999999.999999", "999999999999999.999999", ""},
		{priceRole, "1000000000000000", nil, `price "1000000000000000": more than 15 digits before the point`},
		{priceRole, "1.0000001", nil, `price "1.0000001": more than 6 digits after the point`},
		{priceRole, ".", nil, `price ".": not a decimal number of 0 or more, such as 12.50`},
		{priceRole, "-0", nil, `price "-0": not a decimal number of 0 or more, such as 12.50`},
		{priceRole, "+-1", nil, `price "+-1": not a decimal number of 0 or more, such as 12.50`},
		{priceRole, "1,5", nil, `price "1,5": not a decimal number of 0 or more, such as 12.50`},
		{priceRole, "1e3", nil, `price "1e3": not a decimal number of 0 or more, such as 12.50`},
		{priceRole, "1.2.3", nil, `price "1.2.3": not a decimal number of 0 or more, such as 12.50`},
		{priceRole, "NaN", nil, `price "NaN": not a decimal number of 0 or more, such as 12.50`},
		{priceRole, "١٢", nil, `price "١٢": not a decimal number of 0 or more, such as 12.50`},
		{activeRole, "", true, ""},
		{activeRole, "TRUE", true, ""},
		{activeRole, "t", true, ""},
		{activeRole, "Yes", true, ""},
		{activeRole, "y", true, ""},
		{activeRole, "1", true, ""},
		{activeRole, "False", false, ""},
		{activeRole, "F", false, ""},
		{activeRole, "no", false, ""},
		{activeRole, "N", false, ""},
		{activeRole, "0", false, ""},
		{activeRole, "12", nil, `active "12": neither true nor false: use yes or no`},
		{urlRole, "", "", ""},
		{urlRole, "https://shop.example/p?a=1&b=%20#x", "https://shop.example/p?a=1&b=%20#x", ""},
		{urlRole, "HTTP://SHOP.EXAMPLE", "HTTP://SHOP.EXAMPLE", ""},
		{urlRole, "https://[::1]:8443/ü", "https://[::1]:8443/ü", ""},
		{
			urlRole, "https://shop.example/" + strings.Repeat("x", orderfile.MaxText), nil,
			"url of 2021 bytes, the maximum is 2000",
		},
		{imageURLRole, "javascript:alert(1)", nil, `image_url "javascript:alert(1)": it must begin with http:// or https://`},
		{
			urlRole, "JavaScript://shop.example/%0aalert(1)", nil,
			`url "JavaScript://shop.example/%0aalert(1)": it must begin with http:// or https://`,
		},
		{urlRole, "data:text/html,x", nil, `url "data:text/html,x": it must begin with http:// or https://`},
		{urlRole, "file:///etc/passwd", nil, `url "file:///etc/passwd": it must begin with http:// or https://`},
		{urlRole, "//shop.example/p", nil, `url "//shop.example/p": it must begin with http:// or https://`},
		{urlRole, "shop.example/p", nil, `url "shop.example/p": it must begin with http:// or https://`},
		{urlRole, "java\tscript:alert(1)", nil, `url "java\tscript:alert(1)": it contains spaces: write them as %20`},
		{urlRole, "https://shop.example/a b", nil, `url "https://shop.example/a b": it contains spaces: write them as %20`},
		{
			urlRole, "https://shop.example/a\u00a0b", nil,
			`url "https://shop.example/a\u00a0b": it contains spaces: write them as %20`,
		},
		{
			urlRole, "https://shop.example/\x1b[31m", nil,
			`url "https://shop.example/\x1b[31m": it contains spaces: write them as %20`,
		},
		{urlRole, "https://", nil, `url "https://": it has no host`},
		{urlRole, "https:shop.example", nil, `url "https:shop.example": it has no host`},
		{urlRole, "https:///p", nil, `url "https:///p": it has no host`},
		{urlRole, "https://:80/p", nil, `url "https://:80/p": it has no host`},
		{
			urlRole, "https://me:secret@shop.example/", nil,
			`url "https://me:secret@shop.example/": it contains a user name: remove it`,
		},
		{urlRole, `https://shop.example\@evil.example/`, nil, `url "https://shop.example\\@evil.example/": not a URL`},
		{urlRole, "https://shop.example/%zz", nil, `url "https://shop.example/%zz": not a URL`},
	} {
		values := make([][]byte, roles)
		values[itemRole] = []byte("x")
		values[c.role] = []byte(c.value)
		var want, stored [attributes]any
		stored[labelRole] = "of the row before"
		want[itemRole] = "x"
		want[c.role] = c.stored
		problem := check(values, &stored)
		if problem != c.wrong {
			t.Errorf("%s %q: %q, want %q", names[c.role], c.value, problem, c.wrong)
		}
		if diff := cmp.Diff(want, stored); problem == "" && diff != "" {
			t.Errorf("%s %q (-want +got):\n%s", names[c.role], c.value, diff)
		}
	}
	if problem := check(make([][]byte, roles), &[attributes]any{}); problem != "no item" {
		t.Errorf("nothing at all: %q", problem)
	}
}

// Every role finds its own column, and the item column is the one that a load of orders would choose.
func TestColumnsAreFound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		header string
		want   [roles]string
	}{
		{
			"item_name,category,label,url,image_url,price,active", [roles]string{
				"item_name", "category", "label", "url", "image_url", "price", "active",
			},
		},
		{
			"SKU,Department,Title,Link,Image Link,Unit Price,In-Stock", [roles]string{
				"SKU", "Department", "Title", "Link", "Image Link", "Unit Price", "In-Stock",
			},
		},
		{"title,group", [roles]string{itemRole: "title", categoryRole: "group"}},
		{"product_name,product_id,price", [roles]string{itemRole: "product_name", priceRole: "price"}},
		{
			"name,stock_code,picture,enabled", [roles]string{
				itemRole: "stock_code", labelRole: "name", imageURLRole: "picture", activeRole: "enabled",
			},
		},
		{
			"product,product_category,product_url,available,display_name", [roles]string{
				"product", "product_category", "display_name", "product_url", "", "", "available",
			},
		},
		{"title,label,description,image", [roles]string{itemRole: "description", labelRole: "label", imageURLRole: "image"}},
		{
			"item,category,category_name,link,url,quantity,order_id,customer,", [roles]string{
				itemRole: "item", categoryRole: "category", urlRole: "url",
			},
		},
	} {
		r, err := datafile.OpenRecords(strings.NewReader(c.header+"\n"), datafile.Options{}, kind(Columns{}))
		if err != nil {
			t.Errorf("%s: %v", c.header, err)
			continue
		}
		if diff := cmp.Diff(c.want[:], r.Found()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.header, diff)
		}
	}
	for _, header := range []string{"name,category", "id,label", "label,price"} {
		if _, err := datafile.OpenRecords(strings.NewReader(header+"\n"), datafile.Options{}, kind(Columns{})); err == nil {
			t.Errorf("%s: an item was found, which may be something else", header)
		}
	}
}
