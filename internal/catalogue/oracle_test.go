package catalogue_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/catalogue"
	"github.com/alsobought/alsobought/internal/dbtest"
)

var columns = []string{"category", "label", "url", "image_url", "price", "active"}

// attributes holds the values that a file gives for an item, by column; missing columns are not given.
type attributes map[string]string

// entry is the expected item of the catalogue: its non-empty values by column, and the file that last changed it.
type entry struct {
	Values attributes
	Source string
}

// ledger is the expected contents of the catalogue, in plain maps.
type ledger struct {
	entries map[string]entry
	items   map[string]bool // items in orders or catalogues
	ordered map[string]bool
}

// load records files in the ledger, one map per file, in order.
func (b *ledger) load(files []map[string]attributes, replace bool) (want catalogue.Result) {
	together, last := map[string]attributes{}, map[string]string{}
	for i, f := range files {
		for item, values := range f {
			if together[item] == nil {
				together[item] = attributes{}
			}
			maps.Copy(together[item], values)
			last[item] = fileName(i)
		}
	}
	for item, values := range together {
		e, known := b.entries[item]
		next := entry{Values: maps.Clone(e.Values), Source: last[item]}
		if !known {
			next.Values = attributes{"active": "true"}
		}
		for column, value := range values {
			switch {
			case column == "active" && (value == "no" || value == "0"):
				next.Values[column] = "false"
			case column == "active":
				next.Values[column] = "true"
			case value == "":
				delete(next.Values, column)
			case column == "price":
				next.Values[column] = exact(value)
			default:
				next.Values[column] = value
			}
		}
		switch {
		case !known:
			want.ItemsAdded++
			if !b.items[item] {
				want.ItemsNew++
				b.items[item] = true
			}
		case maps.Equal(e.Values, next.Values):
			want.ItemsUnchanged++
			next = e
		default:
			want.ItemsChanged++
		}
		b.entries[item] = next
	}
	for item := range b.entries {
		if _, named := together[item]; replace && !named {
			delete(b.entries, item)
			want.ItemsRemoved++
		}
	}
	var without, unordered int64
	for item := range b.ordered {
		if _, named := b.entries[item]; !named {
			without++
		}
	}
	for item := range b.entries {
		if !b.ordered[item] {
			unordered++
		}
	}
	want.OrderedWithoutAttributes, want.InNoOrder = &without, &unordered
	return want
}

func exact(decimal string) string {
	r, ok := new(big.Rat).SetString(decimal)
	if !ok {
		return "not a number: " + decimal
	}
	return r.RatString()
}

func fileName(i int) string { return fmt.Sprintf("file %d", i) }

// entriesOf reads the entries from the catalogue.
func entriesOf(t *testing.T, pool *pgxpool.Pool) map[string]entry {
	t.Helper()
	rows, err := db.New(pool).ItemAttributesList(t.Context(), "", 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	entries := map[string]entry{}
	for _, r := range rows {
		e := entry{Values: attributes{"active": fmt.Sprint(r.Active)}, Source: r.Source}
		for column, value := range map[string]*string{
			"category": r.Category, "label": r.Label, "url": r.URL,
			"image_url": r.ImageURL,
		} {
			if value != nil {
				e.Values[column] = *value
			}
		}
		if r.Price.Valid {
			text, err := r.Price.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			e.Values["price"] = exact(string(text))
		}
		if r.ChangedBy != "tester" || time.Since(r.ChangedAt) > patience {
			t.Errorf("%s was changed by %q at %v", r.ItemName, r.ChangedBy, r.ChangedAt)
		}
		entries[r.ItemName] = e
	}
	return entries
}

var names = []string{
	"a", "b", "c", "A", "a/b", "1/2 l", "\"quoted\"", "semi;colon", "comma, too", "NULL", "null", "é", "ñandú",
	"'; DROP TABLE items", "\\N", "007",
}

// randomFile generates values for some items; equal rows may occur twice.
func randomFile(rnd *rand.Rand, others []map[string]attributes) (file map[string]attributes, data []byte) {
	file = map[string]attributes{}
	asJSON := rnd.IntN(2) == 0
	var has []string // columns of the table
	for _, c := range columns {
		if rnd.IntN(3) > 0 {
			has = append(has, c)
		}
	}
	if len(has) == 0 {
		has = columns[:1]
	}
	for range 1 + rnd.IntN(12) {
		item := names[rnd.IntN(len(names))]
		if file[item] != nil {
			continue
		}
		values := attributes{}
		for i, c := range has {
			if !asJSON || i == 0 || rnd.IntN(3) > 0 {
				values[c] = randomValue(rnd, c)
			}
			for _, other := range others { // files of one load may repeat values of each other, but not contradict them
				if earlier, known := other[item][c]; known {
					values[c] = earlier
				}
			}
		}
		file[item] = values
	}
	list := slices.Sorted(maps.Keys(file))
	rnd.Shuffle(len(list), func(i, k int) { list[i], list[k] = list[k], list[i] })
	list = append(list, list[:rnd.IntN(len(list)+1)]...)
	if asJSON {
		return file, jsonLines(rnd, file, list)
	}
	return file, table(has, file, list)
}

func randomValue(rnd *rand.Rand, column string) string {
	values := map[string][]string{
		"category": {"", "x", "y", "Z z", "null"}, "label": {"", "one", "two\nlines", "\"", "é"},
		"url": {"", "https://shop.example/1", "http://shop.example/2"}, "image_url": {
			"", "https://shop.example/1.jpg", "HTTPS://shop.example/2.jpg",
		},
		"price": {"", "0", "12.5", "12.50", "+12.500000", "3"}, "active": {"", "yes", "no", "1", "0", "true"},
	}[column]
	return values[rnd.IntN(len(values))]
}

func table(has []string, file map[string]attributes, list []string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(append([]string{"item_name"}, has...)) // a buffer cannot fail
	for _, item := range list {
		row := []string{item}
		for _, c := range has {
			row = append(row, file[item][c])
		}
		_ = w.Write(row)
	}
	w.Flush()
	return b.Bytes()
}

func jsonLines(rnd *rand.Rand, file map[string]attributes, list []string) []byte {
	var b bytes.Buffer
	for _, item := range list {
		object := map[string]any{"item_name": item}
		for c, value := range file[item] {
			object[c] = value
			switch {
			case value == "" && rnd.IntN(2) == 0:
				object[c] = nil
			case c == "active" && value == "true":
				object[c] = true
			case c == "price" && value == "12.5":
				object[c] = 12.5
			}
		}
		line, err := json.Marshal(object)
		if err != nil {
			panic(err)
		}
		b.Write(append(line, '\n'))
	}
	return b.Bytes()
}

// Random catalogues, one load after the other, with orders in between: attributes are added, changed, removed and
// replaced.
func TestRandomCatalogues(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			pool, rnd := dbtest.New(t), rand.New(rand.NewPCG(seed, 4))
			b := &ledger{map[string]entry{}, map[string]bool{}, map[string]bool{}}
			for round := range 20 {
				if rnd.IntN(4) == 0 {
					item := names[rnd.IntN(len(names)-6)] // the last ones are never ordered
					mustOrder(t, pool, fmt.Sprintf("order\titem\n%d\t%s\n", round, csvField(item)))
					b.ordered[item], b.items[item] = true, true
				}
				var files []map[string]attributes
				var sources []catalogue.Source
				for i := range 1 + rnd.IntN(3) {
					file, data := randomFile(rnd, files)
					files = append(files, file)
					sources = append(sources, reading(fileName(i), bytes.NewReader(data)))
				}
				opts := options
				opts.Replace = rnd.IntN(5) == 0
				want := b.load(files, opts.Replace)
				got := mustLoad(t, pool, opts, sources...)
				want.RowsRead, want.Files = got.RowsRead, got.Files
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("round %d, result (-want +got):\n%s", round, diff)
				}
				if diff := cmp.Diff(b.entries, entriesOf(t, pool)); diff != "" {
					t.Fatalf("round %d, catalogue (-want +got):\n%s", round, diff)
				}
				if got := texts(t, pool, `SELECT i.name FROM items AS i ORDER BY i.name COLLATE "C"`); !slices.Equal(got,
					slices.Sorted(maps.Keys(b.items))) {
					t.Fatalf("round %d, items %q, want %q", round, got, slices.Sorted(maps.Keys(b.items)))
				}
			}
			assertHealthy(t, pool)
		})
	}
}

// csvField quotes a field if necessary.
func csvField(text string) string {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write([]string{text}) // a buffer cannot fail
	w.Flush()
	return string(bytes.TrimRight(b.Bytes(), "\n"))
}
