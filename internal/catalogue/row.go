package catalogue

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/orderfile"
)

// Roles of columns, in order of precedence.
const (
	itemRole = iota
	categoryRole
	labelRole
	urlRole
	imageURLRole
	priceRole
	activeRole
	attributes
)

// Roles of columns that only exports have, which tell exports apart and complete their rows.
const (
	groupRole = attributes + iota // the product that the rows are variants of
	statusRole
	option1Role
	option2Role
	option3Role
	roles
)

// kind returns the columns of a catalogue. The item comes first and uses the aliases of order loads, so that both
// choose the same column: a name that is a label next to a stock code is the item if there is no stock code.
func kind(c Columns) datafile.Kind {
	k := datafile.Kind{Thing: "item", OneMore: true, Roles: []datafile.Role{
		itemRole: {Name: "item", Aliases: orderfile.Aliases()["item"], Column: c.Item, Needed: true},
		categoryRole: {Name: "category", Column: c.Category, Aliases: []string{
			"category", "product_category", "item_category", "category_name", "department", "product_type", "product_group",
			"item_group", "group", "section",
		}},
		labelRole: {Name: "label", Column: c.Label, Aliases: []string{
			"label", "display_name", "item_label", "product_label", "title", "product_title", "item_title",
			"product_name", "article_name", "name",
		}},
		urlRole: {Name: "url", Column: c.URL, Aliases: []string{
			"url", "product_url", "item_url", "link", "product_link", "item_link", "page_url", "href",
		}},
		imageURLRole: {Name: "image_url", Column: c.ImageURL, Aliases: []string{
			"image_url", "image", "image_link", "image_src", "picture", "picture_url", "product_image", "photo",
			"photo_url", "img", "thumbnail",
			"thumbnail_url",
		}},
		priceRole: {Name: "price", Column: c.Price, Aliases: []string{
			"price", "unit_price", "item_price", "product_price", "list_price", "retail_price",
		}},
		activeRole: {Name: "active", Column: c.Active, Aliases: []string{
			"active", "is_active", "enabled", "is_enabled", "available", "is_available", "in_stock", "published", "for_sale",
			"availability",
		}},
		groupRole: {Name: "product"}, statusRole: {Name: "status"},
		option1Role: {Name: "option1"}, option2Role: {Name: "option2"}, option3Role: {Name: "option3"},
	}}
	k.Recognise = recognise(k.Roles)
	return k
}

// check returns what is wrong with the values of a row, "" if nothing is. It sets stored, by role, to the attributes to
// be stored: nil for a value that is not given, "" for one that is empty.
func check(values [][]byte, stored *[attributes]any) (problem string) {
	for r, value := range values[:attributes] {
		stored[r] = nil
		if value == nil && r != itemRole {
			continue
		}
		text := string(value)
		if len(text) > orderfile.MaxText {
			return fmt.Sprintf("%s of %d bytes, the maximum is %d", names[r], len(text), orderfile.MaxText)
		}
		stored[r] = text
		switch {
		case r == itemRole && text == "":
			return "no item"
		case r == activeRole:
			stored[r], problem = truth(text)
		case text == "":
		case r == urlRole || r == imageURLRole:
			problem = wrongURL(text)
		case r == priceRole:
			stored[r], problem = price(text)
		}
		if problem != "" {
			return fmt.Sprintf("%s %s: %s", names[r], datafile.Excerpt(value), problem)
		}
	}
	return ""
}

var names = [attributes]string{"item", "category", "label", "url", "image_url", "price", "active"}

// truth parses whether an item is active; the default is true.
func truth(text string) (active bool, problem string) {
	switch strings.ReplaceAll(strings.ToLower(text), "_", " ") {
	case "", "true", "yes", "t", "y", "1", "in stock", "instock", "preorder", "backorder":
		return true, ""
	case "false", "no", "f", "n", "0", "-1", "out of stock", "outofstock":
		return false, ""
	}
	return false, "neither true nor false: use yes or no"
}

// price checks a decimal number like a quantity, but also accepts 0. The number is stored as written, without sign and
// currency.
func price(text string) (number, problem string) {
	number = strings.TrimPrefix(withoutCurrency(text), "+")
	if len(number) < len(text) || strings.Contains(number, ".") { // 1,5 by itself may be two values
		number = pointed(number)
	}
	whole, fraction, _ := strings.Cut(number, ".")
	switch {
	case whole+fraction == "" || strings.Trim(whole+fraction, "0123456789") != "":
		return "", "not a decimal number of 0 or more, such as 12.50"
	case len(strings.TrimLeft(whole, "0")) > 15:
		return "", "more than 15 digits before the point"
	case len(fraction) > 6:
		return "", "more than 6 digits after the point"
	}
	return number, ""
}

// pointed returns a number with a decimal point and without thousands separators, if the number itself settles which is
// which: 1,299.00, 1.299,00 and 12,5 do; 1,299 does not and stays unchanged.
func pointed(number string) string {
	last := strings.LastIndexAny(number, ",.")
	if last < 0 || strings.Count(number, ",") == 0 {
		return number
	}
	whole, fraction := number[:last], number[last+1:]
	other := map[byte]string{',': ".", '.': ","}[number[last]]
	if strings.IndexByte(whole, number[last]) >= 0 ||
		number[last] == ',' && !strings.Contains(whole, other) && len(fraction) == 3 {
		return number
	}
	for i, group := range strings.Split(whole, other) {
		if i > 0 && len(group) != 3 || group == "" || len(group) > 3 && strings.Contains(whole, other) {
			return number
		}
	}
	return strings.ReplaceAll(whole, other, "") + "." + fraction
}

// withoutCurrency strips EUR, or a currency sign, from either end of a price.
func withoutCurrency(text string) string {
	isSign := func(r rune) bool { return unicode.Is(unicode.Sc, r) }
	isCode := func(code string) bool {
		return len(code) == 3 && strings.Trim(strings.ToUpper(code), "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
	}
	if before, after, found := strings.Cut(text, " "); found && isCode(before) {
		text = after
	} else if found && isCode(after) {
		text = before
	}
	return strings.TrimSpace(strings.TrimFunc(text, isSign))
}

// wrongURL returns what is wrong with a URL, "" if nothing is. URLs are shown in pages, where javascript: and data:
// URLs could run code and a password could be read.
func wrongURL(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return "it contains spaces: write them as %20"
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "not a URL"
	case u.Scheme != "http" && u.Scheme != "https":
		return "it must begin with http:// or https://"
	case u.Hostname() == "":
		return "it has no host"
	case u.User != nil:
		return "it contains a user name: remove it"
	}
	return ""
}
