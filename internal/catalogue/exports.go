package catalogue

import (
	"bytes"
	"slices"
	"strings"

	"github.com/alsobought/alsobought/internal/datafile"
)

// export describes the columns of a program's product export.
type export struct {
	has     []string      // columns that identify it
	columns [roles]string // name of the column per role; "" for none
}

// exports are those whose columns would be misread, because a description or a stock number would be taken for the
// item. The item column matches what the program writes into orders; --item-column selects another.
var exports = []export{
	{ // Shopify, Products > Export. Variants are named as in orders: Blue mug - S
		[]string{"handle", "title", "variant_price"}, [roles]string{
			itemRole: "title", categoryRole: "product_category", imageURLRole: "image_src", priceRole: "variant_price",
			activeRole: "published", statusRole: "status", groupRole: "handle",
			option1Role: "option1_value", option2Role: "option2_value", option3Role: "option3_value",
		},
	},
	{ // Shopify, with the column names of since 2025
		[]string{"url_handle", "title", "published_on_online_store"}, [roles]string{
			itemRole: "title", categoryRole: "product_category", imageURLRole: "product_image_url", priceRole: "price",
			activeRole: "published_on_online_store", statusRole: "status", groupRole: "url_handle",
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
			itemRole: "name", categoryRole: "categories", imageURLRole: "images", priceRole: "regular_price",
			activeRole: "published",
		},
	},
}

// recognise returns a function that returns the roles of the export with the given columns, or nil if there is none.
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

// variants completes the rows of an export that has one row per variant and per picture of a product, of which only the
// first has the values they share.
type variants struct {
	named bool     // the item column was chosen by an option, so it is not the title
	first [][]byte // values of the product's first row
}

// complete adds the values of the product's first row to a row, and the variant to its name. It returns false for a row
// that is not an item.
func (v *variants) complete(values [][]byte) bool {
	if picture, _, several := bytes.Cut(values[imageURLRole], []byte(", http")); several {
		values[imageURLRole] = picture
	}
	if len(values[groupRole]) == 0 {
		return true
	}
	options := slices.DeleteFunc(slices.Clone(values[option1Role:option3Role+1]),
		func(o []byte) bool { return len(o) == 0 })
	switch {
	case v.first == nil || !bytes.Equal(v.first[groupRole], values[groupRole]):
		v.first = make([][]byte, len(values))
		for i, value := range values {
			v.first[i] = bytes.Clone(value)
		}
	case len(options) == 0 && len(values[priceRole]) == 0: // an additional picture
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
