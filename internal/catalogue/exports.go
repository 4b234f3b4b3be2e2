package catalogue

import (
	"bytes"
	"slices"
	"strings"

	"github.com/alsobought/alsobought/internal/datafile"
)

// export is how a program names the columns of the products that it writes.
type export struct {
	has     []string      // columns by which it is known
	columns [roles]string // what it calls each; "" for none
}

// exports are those whose columns would mislead: a description or a stock number that would be taken for the item.
// Orders name items as here; --item-column names another column.
var exports = []export{
	{ // Shopify, Products > Export. A variant is called as in its orders: Blue mug - S
		[]string{"handle", "title", "variant_price"}, [roles]string{
			itemRole: "title", categoryRole: "product_category", imageURLRole: "image_src", priceRole: "variant_price",
			activeRole: "published", statusRole: "status", groupRole: "handle",
			option1Role: "option1_value", option2Role: "option2_value", option3Role: "option3_value",
		},
	},
	{ // Google Merchant Center, a product feed
		[]string{"id", "title", "link", "availability"}, [roles]string{
			itemRole: "title", categoryRole: "product_type", urlRole: "link", imageURLRole: "image_link", priceRole: "price",
			activeRole: "availability",
		},
	},
	{ // WooCommerce, Products > Export
		[]string{"name", "sku", "regular_price", "categories"}, [roles]string{
			itemRole: "name", categoryRole: "categories", imageURLRole: "images", priceRole: "regular_price", activeRole: "published",
		},
	},
}

// recognise returns the roles as the export that has the columns names them, nil when none does.
func recognise(base []datafile.Role) func(has func(string) bool) []datafile.Role {
	return func(has func(string) bool) []datafile.Role {
		for _, e := range exports {
			if slices.ContainsFunc(e.has, func(name string) bool { return !has(name) }) {
				continue
			}
			named := slices.Clone(base)
			for i, column := range e.columns {
				if named[i].Aliases = nil; column != "" {
					named[i].Aliases = []string{column}
				}
			}
			return named
		}
		return nil
	}
}

// variants knows the rows of an export that has a row of each variant of a product, and of each of its pictures: only
// the first says what they share.
type variants struct {
	named bool     // the item's column was asked for: it is no title
	first [][]byte // the values of the product's first row
}

// complete adds to a row what the first of its product said, and the variant to its name. It is false for a row that is
// no item.
func (v *variants) complete(values [][]byte) bool {
	if picture, _, several := bytes.Cut(values[imageURLRole], []byte(", http")); several {
		values[imageURLRole] = picture
	}
	if len(values[groupRole]) == 0 {
		return true
	}
	options := slices.DeleteFunc(slices.Clone(values[option1Role:option3Role+1]), func(o []byte) bool { return len(o) == 0 })
	switch {
	case v.first == nil || !bytes.Equal(v.first[groupRole], values[groupRole]):
		v.first = make([][]byte, len(values))
		for i, value := range values {
			v.first[i] = bytes.Clone(value)
		}
	case len(options) == 0 && len(values[priceRole]) == 0: // one more picture
		return false
	default:
		for i, value := range v.first[:option1Role] {
			if len(values[i]) == 0 && i != priceRole && (i != itemRole || !v.named) {
				values[i] = value
			}
		}
	}
	if status := values[statusRole]; len(status) > 0 && !strings.EqualFold(string(status), "active") {
		values[activeRole] = []byte("no")
	}
	if variant := string(bytes.Join(options, []byte(" / "))); variant != "" && variant != "Default Title" && !v.named {
		values[itemRole] = append(append(bytes.Clone(values[itemRole]), " - "...), variant...)
	}
	return true
}
