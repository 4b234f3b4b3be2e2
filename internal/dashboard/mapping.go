package dashboard

import (
	"net/url"
	"slices"
	"strings"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/orderfile"
)

// mappingField is one of the options of a load. Its name is that of the flag.
type mappingField struct {
	Name, Label, Hint string
	Column            bool // it names a column
	Value             string
	Choices           [][2]string // value and what to show; nil is a text
	set               func(*orderfile.Options, string)
}

// mappingFields are in the order of the form.
func mappingFields() []mappingField {
	texts := func(to *[]string, text string) {
		for word := range strings.SplitSeq(text, ",") {
			if word = strings.TrimSpace(word); word != "" {
				*to = append(*to, word)
			}
		}
	}
	formats := [][2]string{{"", "Detect"}}
	for _, f := range datafile.Formats() {
		formats = append(formats, [2]string{string(f), string(f)})
	}
	return []mappingField{
		{Name: "order-column", Label: "Order", Column: true, set: func(o *orderfile.Options, s string) { o.OrderColumn = s }},
		{Name: "item-column", Label: "Item", Column: true, set: func(o *orderfile.Options, s string) { o.ItemColumn = s }},
		{
			Name: "quantity-column", Label: "Quantity", Column: true,
			set: func(o *orderfile.Options, s string) { o.QuantityColumn = s },
		},
		{Name: "time-column", Label: "Time", Column: true, set: func(o *orderfile.Options, s string) { o.TimeColumn = s }},
		{
			Name: "customer-column", Label: "Customer", Column: true,
			set: func(o *orderfile.Options, s string) { o.CustomerColumn = s },
		},
		{
			Name: "status-column", Label: "Status", Column: true,
			set: func(o *orderfile.Options, s string) { o.StatusColumn = s },
		},
		{
			Name: "columns", Label: "Column names of a file without a header", Hint: "order,item,quantity",
			set: func(o *orderfile.Options, s string) { texts(&o.Columns, s) },
		},
		{
			Name: "count-status", Label: "Statuses that count as bought", Hint: "paid, shipped",
			set: func(o *orderfile.Options, s string) { texts(&o.CountStatus, s) },
		},
		{
			Name: "skip-status", Label: "Statuses that do not", Hint: "test, on hold",
			set: func(o *orderfile.Options, s string) { texts(&o.SkipStatus, s) },
		},
		{
			Name: "time-format", Label: "Time format", Hint: "%d.%m.%Y %H:%M",
			set: func(o *orderfile.Options, s string) { o.TimeFormat = s },
		},
		{
			Name: "time-zone", Label: "Time zone", Hint: "Europe/Berlin",
			set: func(o *orderfile.Options, s string) { o.TimeZone = s },
		},
		{
			Name: "decimal", Label: "Decimal sign", Choices: [][2]string{{"", "Detect"}, {",", "comma"}, {".", "point"}},
			set: func(o *orderfile.Options, s string) { o.Decimal = s },
		},
		{
			Name: "format", Label: "Format", Choices: formats,
			set: func(o *orderfile.Options, s string) { o.Format = datafile.Format(s) },
		},
		{
			Name: "encoding", Label: "Encoding", Hint: "windows-1252",
			set: func(o *orderfile.Options, s string) { o.Encoding = s },
		},
		{Name: "sheet", Label: "Sheet of the Excel file", set: func(o *orderfile.Options, s string) { o.Sheet = s }},
		{
			Name: "quotes", Label: "Quotation marks",
			Choices: [][2]string{{"", "Detect"}, {"csv", "always quote"}, {"none", "ordinary characters"}},
			set:     func(o *orderfile.Options, s string) { o.Quotes = datafile.Quotes(s) },
		},
	}
}

// mapping are the options that a form says, and its fields with their values.
func mapping(values url.Values) (options orderfile.Options, fields []mappingField) {
	fields = mappingFields()
	for i := range fields {
		f := &fields[i]
		if f.Value = strings.TrimSpace(values.Get(f.Name)); f.Value != "" {
			f.set(&options, f.Value)
		}
	}
	return options, fields
}

// asForm writes what an error or a note says of flags as the form calls them.
func asForm(text string) string {
	for _, f := range mappingFields() {
		text = strings.ReplaceAll(text, "--"+f.Name, "“"+f.Label+"”")
	}
	return strings.NewReplacer("; --dry-run shows them", "", "--dry-run shows the rows", "see the rows below",
		"--again loads it anyway", "“Load even if already loaded” does", "use --again",
		"choose “Load even if already loaded”").Replace(text)
}

func rolesOf(m orderfile.Mapping) (roles [][2]string) {
	for _, role := range [][2]string{
		{"Order", m.Order},
		{"Item", m.Item},
		{"Quantity", m.Quantity},
		{"Time", m.Time},
		{"Customer", m.Customer},
		{"Status", m.Status},
		{"Returned", m.Returned},
		{"Time zone", m.Zone},
		{"Code", m.Code},
	} {
		if role[1] != "" {
			roles = append(roles, role)
		}
	}
	return roles
}

func unusedOf(m orderfile.Mapping) []string {
	var used []string
	for _, role := range rolesOf(m) {
		used = append(append(used, role[1]), strings.Split(role[1], ", ")...)
	}
	return slices.DeleteFunc(slices.Clone(m.Columns), func(name string) bool { return slices.Contains(used, name) })
}
