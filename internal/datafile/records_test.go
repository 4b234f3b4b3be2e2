package datafile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/datafile/datatest"
)

// parts is a kind with names that match either of two roles.
func parts() datafile.Kind {
	return datafile.Kind{Thing: "item", OneMore: true, Roles: []datafile.Role{
		{Name: "item", Aliases: []string{"item", "sku", "title"}, Needed: true},
		{Name: "label", Aliases: []string{"label", "title", "name"}},
		{Name: "in_use", Aliases: []string{"in_use", "used"}},
	}}
}

// records renders everything that a source yields, with "-" for a value that is not given.
func records(source io.Reader, opts datafile.Options, kind datafile.Kind) string {
	var b strings.Builder
	r, err := datafile.OpenRecords(source, opts, kind)
	if err != nil {
		return fmt.Sprintf("open: %v\n", err)
	}
	var record datafile.Record
	for {
		reject, err := r.Read(&record)
		switch {
		case err != nil:
			if !errors.Is(err, io.EOF) {
				fmt.Fprintf(&b, "error: %v\n", err)
			}
			if reject, again := r.Read(&record); reject != nil || !errors.Is(again, err) {
				fmt.Fprintf(&b, "after the end: %v, %v\n", reject, again)
			}
			fmt.Fprintf(&b, "%s %q\n", r.Shape().Format, r.Found())
			return b.String()
		case reject != nil:
			fmt.Fprintf(&b, "%d: %s: %s\n", reject.Number, reject.Reason, reject.Detail)
		default:
			fmt.Fprintf(&b, "%d:", record.Number)
			for _, value := range record.Values {
				if value == nil {
					b.WriteString(" -")
				} else {
					fmt.Fprintf(&b, " %+q", value)
				}
			}
			b.WriteByte('\n')
		}
	}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, input, want string
		opts              datafile.Options
		change            func(*datafile.Kind)
	}{
		{
			name: "a table", input: "used,SKU,Title\n no ,A 1,\"a, \"\"b\"\"\"\n,B,\n",
			want: "2: \"A 1\" \"a, \\\"b\\\"\" \"no\"\n3: \"B\" \"\" \"\"\ncsv [\"SKU\" \"Title\" \"used\"]\n",
		},
		{
			name: "what is a label beside a better item is the item without it", input: "title;used\na;1\n",
			want: "2: \"a\" - \"1\"\nsemicolon [\"title\" \"\" \"used\"]\n",
		},
		{
			name: "the item chooses first, whatever comes first", input: "title\tname\titem\na\tb\tc\n",
			want: "2: \"c\" \"a\" -\ntsv [\"item\" \"title\" \"\"]\n",
		},
		{
			name: "a column that is asked for", input: "title|name|item\na|b|c\n",
			change: func(k *datafile.Kind) { k.Roles[0].Column, k.Roles[1].Column = "TITLE", "item" },
			want:   "2: \"a\" \"c\" -\npipe [\"title\" \"item\" \"\"]\n",
		},
		{
			name: "a column that is not wanted", input: "sku,title,used\na,b,c\n",
			change: func(k *datafile.Kind) { k.Roles[1].Column = datafile.NoColumn },
			want:   "2: \"a\" - \"c\"\ncsv [\"sku\" \"\" \"used\"]\n",
		},
		{
			name: "without header", input: "a,1\nb,\n", opts: datafile.Options{Columns: []string{"item", "used"}},
			want: "1: \"a\" - \"1\"\n2: \"b\" - \"\"\ncsv [\"item\" \"\" \"used\"]\n",
		},
		{
			name: "rows that cannot be read", input: "item,used\na\n\"b\"c,1\nd,\x00\ne,\xff\xff\nf,\u00e9t\u00e9 \u00e0 caf\u00e9 \u00e9\n",
			want: "2: wrong_columns: 1 field, the header has 2\n3: bad_quote: text after a closing quote\n4: nul_byte: NUL byte at byte 3 of the row\n" +
				"5: not_utf8: byte 0xFF at byte 3 of the row is not UTF-8\n6: \"f\" - \"\\u00e9t\\u00e9 \\u00e0 caf\\u00e9 \\u00e9\"\ncsv [\"item\" \"\" \"used\"]\n",
		},
		{
			name:  "JSON lines: null is empty, no key is nothing, and true is a word",
			input: `{"sku":"a","title":null,"used":true}` + "\n" + `{"sku":7,"used":false}` + "\n\n" + `{"sku":"b","other":{}}` + "\n",
			want:  "1: \"a\" \"\" \"true\"\n2: \"7\" - \"false\"\n4: \"b\" - -\njsonl [\"sku\" \"title\" \"used\"]\n",
		},
		{
			name: "JSON that is wrong", opts: datafile.Options{Format: datafile.JSONLines},
			input: `{"item":["a"],"used":1}` + "\n" + `{"item":"a","ITEM":"b"}` + "\n" + `["item"]` + "\n" + `{"item":"a\u0000"}` + "\n" + `{"item":"\ud800"}` + "\n" + `{"item`,
			want: "1: bad_json: item is a list or an object\n2: bad_json: two keys for the item, one of them \"item\"\n3: bad_json: not a JSON object\n" +
				"4: nul_byte: NUL byte in the item\n5: not_utf8: half a surrogate pair in the item\n6: bad_json: the JSON object is not closed\njsonl [\"item\" \"\" \"used\"]\n",
		},
		{
			name: "a list of items is none", input: `{"items":["a"],"used":1}` + "\n",
			want: "open: X has no item column: it has \"items\", \"used\"; say which one it is with --item-column\n",
		},
		{
			name: "no item", input: "name,used\na,1\n",
			want: "open: X has no item column: it has \"name\", \"used\"; say which one it is with --item-column; the columns of a file without header are named with --columns\n",
		},
		{
			name: "nothing but items", input: "item,colour\na,red\n",
			want: "open: X has no column of label, in_use: it has \"item\", \"colour\"; say which one is what, as with --label-column; the columns of a file without header are named with --columns\n",
		},
		{
			name: "a column asked for that is not there", input: "item,used\na,1\n", change: func(k *datafile.Kind) { k.Roles[2].Column = "busy" },
			want: "open: X has no column \"busy\" (--in-use-column): it has \"item\", \"used\"; the columns of a file without header are named with --columns\n",
		},
		{
			name: "two columns alike", input: "item,in_use,IN USE\na,1,2\n",
			want: "open: X has two columns called \"IN USE\", 2 and 3: rename one, or name another with --in-use-column\n",
		},
		{name: "lines of words are no baskets", input: "a b\nc d\n1 2\n", want: "open: X has no item column: it has \"a b\"; say which one it is with --item-column; the columns of a file without header are named with --columns\n"},
		{name: "no text", input: "\x00\x01\x02\x03", want: "open: X is a binary file: export the items as CSV\n"},
		{name: "a picture", input: "\x89PNG", want: "open: X is a picture, not an item file\n"},
		{name: "nothing", input: " \n", want: "open: X is empty: there is nothing to load\n"},
		{name: "a header", input: "item,used\n", want: "csv [\"item\" \"\" \"used\"]\n"},
		{
			name: "baskets", input: "a\n", opts: datafile.Options{Format: datafile.Baskets},
			want: "open: unknown format \"baskets\": one of csv, tsv, semicolon, pipe, jsonl\n",
		},
		{
			name: "a long row", input: "item,used\na," + strings.Repeat("x", datafile.MaxRow),
			want: "error: X: line 2 is longer than 1 MiB: this is not an item file\ncsv [\"item\" \"\" \"used\"]\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			kind := parts()
			if c.change != nil {
				c.change(&kind)
			}
			opts := c.opts
			opts.Name = "X"
			for dress, source := range datatest.Dresses(t, []byte(c.input), opts.Encoding) {
				if strings.HasPrefix(c.want, "open: X is") && dress != "as it is" {
					continue // what it looks like by its first bytes
				}
				if diff := cmp.Diff(c.want, records(source, opts, kind)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", dress, diff)
				}
			}
		})
	}
}

func FuzzRecords(f *testing.F) {
	for _, text := range []string{"item,used\na,1\n", "title\tname\n\"a\"\"b\"\tc", `{"item":"a","used":null}`, "item;used\r\n\"a\nb\";\r\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		whole := records(bytes.NewReader(source), datafile.Options{}, parts())
		if diff := cmp.Diff(whole, records(iotest.OneByteReader(bytes.NewReader(source)), datafile.Options{}, parts())); diff != "" {
			t.Fatalf("byte by byte (-whole +bytes):\n%s", diff)
		}
	})
}
