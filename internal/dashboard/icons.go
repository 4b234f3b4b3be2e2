package dashboard

import "html/template"

// icons are drawn in a square of 20, by lines of the text's colour.
var icons = map[string]template.HTML{
	"overview": `<path d="M3 11V17h4v-6zM8 3h4v14H8zM13 8h4v9h-4z"/>`,
	"item":     `<path d="M3 9.5V3h6.5L17 10.5 10.5 17zM6.5 6.5h.01"/>`,
	"basket":   `<path d="M2.5 8h15l-1.7 8.5H4.2zM6.5 8 9 3M13.5 8 11 3"/>`,
	"rules":    `<path d="M3 5h9M16 5h1M14 3v4M3 10h2M9 10h8M7 8v4M3 15h7M14 15h3M12 13v4"/>`,
	"loads":    `<path d="M10 13V3M6 7l4-4 4 4M3 13v4h14v-4"/>`,
	"builds":   `<path d="M10 2.5 17 6v8l-7 3.5L3 14V6zM3 6l7 3.5L17 6M10 9.5v8"/>`,
	"quality":  `<path d="M3 10h3l2-6 4 12 2-6h3"/>`,
	"health":   `<path d="M10 2.5 16.5 5v5c0 4-3 6.5-6.5 7.5C6.5 16.5 3.5 14 3.5 10V5zM7.5 10l2 2 3.5-4"/>`,
	"docs":     `<path d="M5 2.5h7l3.5 3.5v11.5H5zM8 9h5M8 12.5h5"/>`,
	"more":     `<path d="M4 10h.01M10 10h.01M16 10h.01"/>`,
}

// icon is one of icons, which says nothing that the text beside it does not.
func icon(name string) template.HTML {
	return `<svg class="icon" width="20" height="20" viewBox="0 0 20 20" aria-hidden="true">` + icons[name] + `</svg>`
}
