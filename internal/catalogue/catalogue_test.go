package catalogue_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/catalogue"
	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
)

// Wrong rows are listed and counted, and nothing changes.
func TestWrongRows(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	mustLoad(t, pool, options, content("before.csv", "item,category,price\nkept,x,1\na,x,1\n"))
	before := state(t, pool)
	for _, c := range []struct {
		name    string
		sources []catalogue.Source
		want    catalogue.WrongError
		says    string
	}{
		{
			"one",
			[]catalogue.Source{content("one.csv", "item,price\na,2\nb,dear\n")},
			catalogue.WrongError{
				RowsRead: 2, RowsWrong: 1, First: []catalogue.Wrong{
					{"one.csv", 3, `price "dear": not a decimal number of 0 or more, such as 12.50`},
				},
			},
			`1 of 2 rows are invalid; nothing was changed: one.csv: line 3: price "dear": ` +
				`not a decimal number of 0 or more, such as 12.50`,
		},
		{
			"what cannot be read",
			[]catalogue.Source{content("dirty.csv", "item,price\n\"a\"b,1\nb\nc,\x00\nd,\xff\xff\n,1\nété à café é,1\n")},
			catalogue.WrongError{RowsRead: 6, RowsWrong: 5, First: []catalogue.Wrong{
				{"dirty.csv", 2, "text after a closing quote"},
				{"dirty.csv", 3, "1 field, the header has 2"},
				{"dirty.csv", 4, "NUL byte at byte 3 of the row"},
				{"dirty.csv", 5, "byte 0xFF at byte 3 of the row is not UTF-8"},
				{"dirty.csv", 6, "no item"},
			}},
			"",
		},
		{
			"contradictions",
			[]catalogue.Source{
				content("one.csv", "item,category,price,active\na,x,1,no\na,x,1.0,0\na,x,2,f\nb,y,,\nb,z,,\n"),
				content("two.csv", "item,category,label\nb,y,new\na,,\nc,,\n"),
			},
			catalogue.WrongError{RowsRead: 8, RowsWrong: 3, First: []catalogue.Wrong{
				{"one.csv", 4, `price "2" of "a", which is "1" on line 2`},
				{"one.csv", 6, `category "z" of "b", which is "y" on line 5`},
				{"two.csv", 3, `category "" of "a", which is "x" on line 2 of one.csv`},
			}},
			`3 of 8 rows are invalid; nothing was changed: one.csv: line 4: price "2" of "a", which is "1" on line 2; ` +
				`one.csv: line 6: category "z" of "b", which is "y" on line 5; ` +
				`two.csv: line 3: category "" of "a", which is "x" on line 2 of one.csv`,
		},
		{
			"both, in the order of the lines",
			[]catalogue.Source{content("one.csv", "item,active\na,yes\na,no\nb,perhaps\nc,yes\nc,no\n")},
			catalogue.WrongError{RowsRead: 5, RowsWrong: 3, First: []catalogue.Wrong{
				{"one.csv", 3, `active "false" of "a", which is "true" on line 2`},
				{"one.csv", 4, `active "perhaps": neither true nor false: use yes or no`},
				{"one.csv", 6, `active "false" of "c", which is "true" on line 5`},
			}},
			"",
		},
		{
			"no good row at all",
			[]catalogue.Source{content("one.jsonl", "{\"item\":1,\"url\":\"ftp://x\"}\n{\"item\":[]}\n")},
			catalogue.WrongError{RowsRead: 2, RowsWrong: 2, First: []catalogue.Wrong{
				{"one.jsonl", 1, `url "ftp://x": it must begin with http:// or https://`}, {
					"one.jsonl", 2, "item is a list or an object",
				},
			}},
			"",
		},
	} {
		for _, replace := range []bool{false, true} {
			opts := options
			opts.Replace = replace
			result, err := catalogue.Load(t.Context(), pool, c.sources, opts)
			got := new(catalogue.WrongError)
			if !errors.As(err, &got) {
				t.Errorf("%s: %v, want a WrongError", c.name, err)
				continue
			}
			if diff := cmp.Diff(c.want, *got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.name, diff)
			}
			if c.says != "" && err.Error() != c.says {
				t.Errorf("%s: %s\nwant %s", c.name, err, c.says)
			}
			if result.RowsRead != c.want.RowsRead || len(result.Files) != len(c.sources) ||
				result.Files[0].Mapping.Item != "item" {
				t.Errorf("%s: how it was read: %+v", c.name, result)
			}
			if diff := cmp.Diff(before, state(t, pool)); diff != "" {
				t.Errorf("%s changed something (-before +after):\n%s", c.name, diff)
			}
		}
	}
	assertHealthy(t, pool)
}

// Files without a good row are reported as having wrong rows, not as changed while being read: all files of a load, the
// last ones, or some in the middle.
func TestNoGoodRow(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	dir := t.TempDir()
	file := func(name, text string) catalogue.Source {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return catalogue.Source{Name: name, Open: func() (io.ReadCloser, error) { return os.Open(path) }}
	}
	const reason = "not a decimal number of 0 or more, such as 12.50"
	bad, worse, good := file("bad.csv", "item,price\na,x1\nb,x2\n"), file("worse.csv",
		"item,price\nc,x3\n"), file("good.csv", "item,price\nd,4\n")
	first := []catalogue.Wrong{
		{"bad.csv", 2, `price "x1": ` + reason},
		{"bad.csv", 3, `price "x2": ` + reason},
		{"worse.csv", 2, `price "x3": ` + reason},
	}
	for name, c := range map[string]struct {
		sources []catalogue.Source
		want    catalogue.WrongError
	}{
		"one":     {[]catalogue.Source{bad}, catalogue.WrongError{RowsRead: 2, RowsWrong: 2, First: first[:2]}},
		"several": {[]catalogue.Source{bad, worse}, catalogue.WrongError{RowsRead: 3, RowsWrong: 3, First: first}},
		"before good one": {
			[]catalogue.Source{bad, worse, good}, catalogue.WrongError{RowsRead: 4, RowsWrong: 3, First: first},
		},
		"after good one": {
			[]catalogue.Source{good, bad, worse}, catalogue.WrongError{RowsRead: 4, RowsWrong: 3, First: first},
		},
	} {
		result, err := catalogue.Load(t.Context(), pool, c.sources, options)
		got := new(catalogue.WrongError)
		if !errors.As(err, &got) {
			t.Errorf("%s: %v, want a WrongError", name, err)
			continue
		}
		if diff := cmp.Diff(c.want, *got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		for i, f := range result.Files {
			if source, err := os.ReadFile(filepath.Join(dir, f.Name)); err != nil || f.Bytes != int64(len(source)) ||
				f.Name != c.sources[i].Name {
				t.Errorf("%s: %s has %d bytes, want %d (%v)", name, f.Name, f.Bytes, len(source), err)
			}
		}
	}
	if left := state(t, pool); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// Of very many wrong rows the first are listed and all are counted, in bounded memory.
func TestManyWrongRows(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	var b strings.Builder
	b.WriteString("item,price\n")
	for i := range 30_000 {
		fmt.Fprintf(&b, "a,%d\nb%d,x\n", i, i)
	}
	_, err := catalogue.Load(t.Context(), pool, []catalogue.Source{content("many.csv", b.String())}, options)
	got := new(catalogue.WrongError)
	if !errors.As(err, &got) || got.RowsWrong != 59_999 || got.RowsRead != 60_000 || len(got.First) != catalogue.MaxWrong {
		t.Fatalf("%v", err)
	}
	for i, w := range got.First {
		if want := int64(i + 3); w.LineNumber != want {
			t.Errorf("wrong row %d is on line %d, want %d", i, w.LineNumber, want)
		}
	}
	if text := err.Error(); !strings.HasSuffix(text, "; and 59994 more") ||
		strings.Contains(text, "\n") || len(text) > 1000 {
		t.Errorf("%s", text)
	}
	if left := state(t, pool); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// Errors of a source as a whole are reported, and nothing changes.
func TestWrongSources(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	mustLoad(t, pool, options, content("before.csv", "item,category\nkept,x\n"))
	before := state(t, pool)
	good := "item,category\na,y\n"
	broken := errors.New("somebody pulled the cable")
	zipped := gzipped(t, []byte(good+strings.Repeat("c,d\n", 100_000)))
	for _, c := range []struct {
		name    string
		sources []catalogue.Source
		want    string
	}{
		{"none", nil, "nothing to load"},
		{
			"nothing but a header",
			[]catalogue.Source{content("empty.csv", "item,category\n")},
			"empty.csv: no rows: at most a header; nothing was changed",
		},
		{"two headers", []catalogue.Source{content("a", "item,category\n"), content("b", "item,category\n")}, "a b: no rows"},
		{"no item", []catalogue.Source{content("a.csv", "id,category\n1,x\n")}, "a.csv has no item column"},
		{
			"no attribute",
			[]catalogue.Source{content("a.csv", "item,colour\n1,x\n")},
			"a.csv has no column of category, label, url, image_url, price, active",
		},
		{
			"the second one",
			[]catalogue.Source{content("a.csv", good), content("b.csv", "colour\nx\n")},
			"b.csv has no item column",
		},
		{
			"a missing one", []catalogue.Source{
				content("a.csv", good),
				{Name: "gone", Open: func() (io.ReadCloser, error) { return os.Open("gone") }},
			}, "open gone: no such file",
		},
		{
			"a quote that is never closed",
			[]catalogue.Source{content("a.csv", good+"b,\"y\n"+strings.Repeat("c,d\n", 300_000))},
			"a.csv: line 3: a quote opened here is never closed",
		},
		{
			"half a file",
			[]catalogue.Source{content("a.csv.gz", string(zipped[:len(zipped)/2]))},
			"a.csv.gz ends in the middle of its gzip data",
		},
		{
			"a reader that breaks",
			[]catalogue.Source{reading("a.csv", io.MultiReader(strings.NewReader(good+strings.Repeat("c,d\n", 100_000)),
				readerFunc(func([]byte) (int, error) { return 0, broken })))},
			"read a.csv: somebody pulled the cable",
		},
	} {
		opts := options
		opts.Replace = true
		_, err := catalogue.Load(t.Context(), pool, c.sources, opts)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
		if strings.Contains(c.want, "no rows") != errors.Is(err, catalogue.ErrNoRows) {
			t.Errorf("%s: %v", c.name, err)
		}
		if diff := cmp.Diff(before, state(t, pool)); diff != "" {
			t.Errorf("%s changed something (-before +after):\n%s", c.name, diff)
		}
	}
	assertHealthy(t, pool)
}

// A file that grows while it is read is not the whole catalogue.
func TestChangedWhileRead(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	path := filepath.Join(t.TempDir(), "catalogue.csv")
	if err := os.WriteFile(path, []byte("item,price\n"+strings.Repeat("a,1\n", 20_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	growing := options
	growing.Progress = func(p catalogue.Progress) {
		if p.Rows != 10_000 {
			return
		}
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteString("b,")
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			t.Error(err)
		}
	}
	source := catalogue.Source{Name: "catalogue.csv", Open: func() (io.ReadCloser, error) { return os.Open(path) }}
	if _, err := catalogue.Load(t.Context(), pool, []catalogue.Source{source}, growing); err == nil ||
		!strings.HasPrefix(err.Error(), "catalogue.csv changed while it was read") {
		t.Errorf("error is %v", err)
	}
	if left := state(t, pool); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// The same text has the same result in every form that orders may have.
func TestDresses(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	text := []byte("item;label;price\r\nCafé;\"Kaffee \"\"Größe 1\"\"\";4.5\r\nThé;Grüner Tee;3\r\n")
	encoded := func(b []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	utf16 := encoded(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().Bytes(text))
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, dress := range []struct {
		name     string
		data     []byte
		encoding string
	}{
		{"plain", text, ""},
		{"gzip", gzipped(t, text), ""},
		{"zstd of UTF-16", encoder.EncodeAll(utf16, nil), ""},
		{"UTF-8 with mark", append([]byte("\ufeff"), text...), ""},
		{"UTF-16", utf16, ""},
		{"Windows-1252", encoded(charmap.Windows1252.NewEncoder().Bytes(text)), "windows-1252"},
		{"Latin-1", encoded(charmap.ISO8859_1.NewEncoder().Bytes(text)), "latin-1"},
	} {
		opts := options
		opts.File = datafile.Options{Encoding: dress.encoding}
		got := mustLoad(t, pool, opts, reading(dress.name, bytes.NewReader(dress.data)))
		if got.RowsRead != 2 || i > 0 && got.ItemsUnchanged != 2 || got.Files[0].Bytes != int64(len(dress.data)) {
			t.Errorf("%s: %+v", dress.name, got)
		}
	}
	want := map[string]entry{
		"Café": {attributes{"label": `Kaffee "Größe 1"`, "price": "9/2", "active": "true"}, "plain"},
		"Thé":  {attributes{"label": "Grüner Tee", "price": "3", "active": "true"}, "plain"},
	}
	if diff := cmp.Diff(want, entriesOf(t, pool)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func gzipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// File names need not be UTF-8.
func TestSourceIsStorable(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	got := mustLoad(t, pool, options, content("caf\xe9.csv", "item,price\na,1\n"))
	if want := "caf\uFFFD.csv"; got.Files[0].Name != want || entriesOf(t, pool)["a"].Source != want {
		t.Errorf("%+v, %+v", got, entriesOf(t, pool))
	}
}

func TestProgress(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	var reports []catalogue.Progress
	watched := options
	watched.Progress = func(p catalogue.Progress) { reports = append(reports, p) }
	text := "item,price\n" + strings.Repeat("a,1\n", 12_000)
	mustLoad(t, pool, watched, content("a.csv", text), content("b.csv", "item,label\nb,x\n"))
	last := catalogue.Progress{Bytes: int64(len(text) + len("item,label\nb,x\n")), Rows: 12_001, Merging: true}
	if len(reports) != 3 || reports[2] != last || reports[0].Rows != 5000 || reports[0].Merging {
		t.Errorf("%+v, want the last to be %+v", reports, last)
	}
}

func TestOptionsValidate(t *testing.T) {
	t.Parallel()
	if err := options.Validate(); err != nil {
		t.Error(err)
	}
	wrong := catalogue.Options{File: datafile.Options{Format: datafile.Baskets, Encoding: "ebcdic"}}
	if err := wrong.Validate(); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("want two problems, got %v", err)
	}
}

// Items in the catalogue stay when the orders that created them are reverted; items that nothing references do not.
func TestRevertLeavesTheCatalogue(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	mustBuild := func() {
		t.Helper()
		if _, err := builds.Run(t.Context(), pool, builds.Options{Settings: builds.DefaultSettings()}); err != nil {
			t.Fatal(err)
		}
		assertHealthy(t, pool)
	}
	mayBeUnused := func(want bool) {
		t.Helper()
		if got, err := db.New(pool).ItemMayBeUnused(t.Context()); err != nil || got != want {
			t.Errorf("items may be unused: %t, %v, want %t", got, err, want)
		}
	}
	items := func(want ...string) {
		t.Helper()
		if got := texts(t, pool, "SELECT i.name FROM items AS i ORDER BY i.name"); !slices.Equal(got, want) {
			t.Errorf("items %q, want %q", got, want)
		}
	}
	mayBeUnused(false)
	mustLoad(t, pool, options, content("catalogue.csv", "item,category\nboth,x\nonly catalogue,x\n"))
	mayBeUnused(false)
	first := mustOrder(t, pool, "order,item\n1,both\n1,only orders\n2,both\n")
	mayBeUnused(true) // not counted yet
	mustBuild()
	mayBeUnused(false)
	items("both", "only catalogue", "only orders")
	before := texts(t, pool, "SELECT a::text FROM item_attributes AS a ORDER BY a.item_id")

	for _, id := range []int64{first, mustOrder(t, pool, "order,item\n3,second\n")} {
		if _, err := load.Revert(t.Context(), pool, id, "tester"); err != nil {
			t.Fatal(err)
		}
	}
	assertHealthy(t, pool)
	mustBuild()
	items("both", "only catalogue")
	mayBeUnused(false)
	if diff := cmp.Diff(before,
		texts(t, pool, "SELECT a::text FROM item_attributes AS a ORDER BY a.item_id")); diff != "" {
		t.Errorf("the catalogue (-before +after):\n%s", diff)
	}

	// An item removed from the catalogue that nothing else references disappears with the next build.
	replace := options
	replace.Replace = true
	got := mustLoad(t, pool, replace, content("new.csv", "item,category\nboth,x\n"))
	if got.ItemsRemoved != 1 || got.ItemsUnchanged != 1 {
		t.Errorf("%+v", got)
	}
	items("both", "only catalogue")
	mayBeUnused(true)
	mustBuild()
	items("both")
	mayBeUnused(false)
}

// Lists are sorted by name, of one category or of all.
func TestLists(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	mustLoad(t, pool, options, content("a.csv", "item,category,active\nb,x,yes\na,x,no\nc,,\nB,X,\n"))
	q := db.New(pool)
	for _, c := range []struct {
		category string
		limit    int32
		want     []string
	}{
		{"", 10, []string{"B", "a", "b", "c"}},
		{"", 2, []string{"B", "a"}},
		{"x", 10, []string{"a", "b"}},
		{"X", 10, []string{"B"}},
		{"y", 10, nil},
	} {
		rows, err := q.ItemAttributesList(t.Context(), c.category, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range rows {
			got = append(got, r.ItemName)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("category %q, limit %d: %q, want %q", c.category, c.limit, got, c.want)
		}
	}
	categories, err := q.ItemAttributesCategoryList(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	x, upper := "x", "X"
	want := []db.ItemAttributesCategoryListRow{
		{Category: &upper, Items: 1, Active: 1}, {Category: &x, Items: 2, Active: 1}, {Items: 1, Active: 1},
	}
	if diff := cmp.Diff(want, categories); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSkipRejected loads the good rows and the first of contradicting rows, and accounts for the rest.
func TestSkipRejected(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	opts := options
	opts.SkipRejected = true
	text := "item,category,price\na,x,1\nb,y,dear\n,z,2\na,x,2\na,w,1\nc,,3\na,x,\n"
	got := mustLoad(t, pool, opts, content("one.csv", text))
	want := []catalogue.Wrong{
		{File: "one.csv", LineNumber: 3, Reason: `price "dear": not a decimal number of 0 or more, such as 12.50`},
		{File: "one.csv", LineNumber: 4, Reason: "no item"},
		{File: "one.csv", LineNumber: 5, Reason: `price "2" of "a", which is "1" on line 2`},
		{File: "one.csv", LineNumber: 6, Reason: `category "w" of "a", which is "x" on line 2`},
		{File: "one.csv", LineNumber: 8, Reason: `price "" of "a", which is "1" on line 2`},
	}
	if got.Wrong == nil || got.RowsRead != 7 || got.ItemsAdded != 2 || got.Wrong.RowsWrong != 5 {
		t.Fatalf("got %+v, %+v", got, got.Wrong)
	}
	if diff := cmp.Diff(want, got.Wrong.First); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
	before := state(t, pool)
	_, err := catalogue.Load(t.Context(), pool, []catalogue.Source{content("two.csv", "item,price\na,dear\n")}, opts)
	if wrong := new(catalogue.WrongError); !errors.As(err, &wrong) {
		t.Errorf("nothing but wrong rows: %v", err)
	}
	if diff := cmp.Diff(before, state(t, pool)); diff != "" {
		t.Errorf("the catalogue changed (-before +after):\n%s", diff)
	}
}
