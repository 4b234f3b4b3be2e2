package orderfile_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/datafile/datatest"
	"github.com/alsobought/alsobought/internal/orderfile"
)

// endless yields start and then repeats the same bytes for ever. It counts the bytes read.
type endless struct {
	start, more string
	taken       int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.start)
	e.start = e.start[n:]
	for n < len(p) {
		n += copy(p[n:], e.more)
	}
	e.taken += n
	return n, nil
}

// TestEndless reads sources that never end. The reader must give up on each after a few MiB, with a one-line error that
// names the place.
func TestEndless(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		start string
		more  string
		opts  orderfile.Options
		want  string
	}{
		{
			name: "one line", start: "order,item\n1,", more: "a",
			want: "input: line 2 is longer than 1 MiB: this is not an order file",
		},
		{
			name: "one line of separators", start: "order,item\n1,", more: ",",
			want: "input: line 2 is longer than 1 MiB: this is not an order file",
		},
		{
			name: "the first line", more: "a",
			want: "input: line 1 is longer than 1 MiB: this is not an order file",
		},
		{
			name: "an open quote", start: "order,item\n1,a\n2,\"", more: "b\n",
			want: "input: line 3: a quote opened here is never closed",
		},
		{
			name: "an open quote deep in a row", start: "order,item\n1,\"a\nb\n\",\"", more: "b\r\n",
			want: "input: line 4: a quote opened here is never closed",
		},
		{
			name: "an open quote in the header", start: "\"order,item\n", more: "1,a\n",
			want: "input: line 1: a quote opened here is never closed",
		},
		{
			name: "doubled quotes", start: "order,item\n1,\"", more: `""`,
			want: "input: line 2: a quote opened here is never closed",
		},
		{
			name: "blanks", more: " ",
			want: "input begins with 1024 KiB of blanks: this is not an order file",
		},
		{
			name: "empty lines", more: "\n",
			want: "input begins with 64 KiB of blanks: this is not an order file",
		},
		{
			name: "NUL bytes", more: "\x00",
			want: "input is a binary file: export the orders as CSV",
		},
		{
			name: "JSON", start: "{\"order\":1,\"item\":\"b\"}\n{\"order\":1,\"item\":\"", more: "a",
			want: "input: line 2 is longer than 1 MiB: this is not an order file",
		},
		{
			name: "baskets", start: "1 2\n", more: "3 ", opts: orderfile.Options{Options: datafile.Options{Format: datafile.Baskets}},
			want: "input: line 2 is longer than 1 MiB: this is not an order file",
		},
		{
			name: "UTF-16", start: "\xff\xfe", more: "a\x00",
			want: "input: line 1 is longer than 1 MiB: this is not an order file",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			source := &endless{start: c.start, more: c.more}
			err := readAll(source, c.opts)
			if _, ok := errors.AsType[*datafile.FileError](err); !ok {
				t.Fatalf("got %v, want a FileError", err)
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if source.taken > 8*datafile.MaxRow {
				t.Errorf("took %d bytes before giving up", source.taken)
			}
		})
	}
}

// TestLongest reads a row of exactly MaxRow bytes, and one that is a byte longer.
func TestLongest(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"", "\n", "\r\n", "\r"} {
		for _, quote := range []string{"", `"`} {
			row := "1," + quote + strings.Repeat("a", datafile.MaxRow-2-2*len(quote)) + quote
			text := "order,item\n" + row + end
			want := "2: too_long: item of"
			if got := account(strings.NewReader(text), orderfile.Options{}); !strings.HasPrefix(got, want) {
				t.Errorf("end %q: got %.100s, want %s", end, got, want)
			}
			text = "order,item\n1" + row + end
			want = "error: input: line 2 is longer than 1 MiB"
			if got := account(strings.NewReader(text), orderfile.Options{}); !strings.HasPrefix(got, want) {
				t.Errorf("end %q: got %.100s, want %s", end, got, want)
			}
		}
	}
}

func TestTextLimits(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", orderfile.MaxText/2)
	text := "order,item,customer\n" + long + "," + long + "," + long + "\n" +
		"1" + long + ",a,\n1,a" + long + ",\n1,a,c" + long + "\n" +
		"1," + strings.Repeat("é", 5000) + ",\n"
	r, err := orderfile.Open(strings.NewReader(text), orderfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	line, reject, err := r.Read()
	if reject != nil || err != nil || line.Order != long || line.Item != long || line.Customer != long {
		t.Fatalf("texts of %d bytes: %v, %v", orderfile.MaxText, reject, err)
	}
	for _, what := range []string{"order of 2001", "item of 2001", "customer of 2001", "item of 10000"} {
		_, reject, err := r.Read()
		if err != nil || reject == nil || reject.Reason != orderfile.TooLong || !strings.HasPrefix(reject.Detail, what) {
			t.Errorf("want too_long, %s bytes; got %v, %v", what, reject, err)
		} else if len(reject.Raw) > datafile.MaxRaw {
			t.Errorf("raw has %d bytes", len(reject.Raw))
		}
	}
}

// TestManyRows reads three million rows of distinct names in little memory. It is not parallel because it measures the
// heap, which all tests share.
func TestManyRows(t *testing.T) { //nolint:paralleltest // as said
	const rows = 3_000_000
	pr, pw := io.Pipe()
	go func() {
		var b bytes.Buffer
		b.WriteString("order,item,customer\n")
		for i := range rows {
			fmt.Fprintf(&b, "%d,item %d,customer %d\n", i, i, i)
			if b.Len() > 1<<16 {
				b.WriteTo(pw)
			}
		}
		b.WriteTo(pw)
		pw.Close()
	}()
	r, err := orderfile.Open(pr, orderfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		line, _, err := r.Read()
		if want := fmt.Sprint("item ", i); err != nil || line.Item != want {
			t.Fatalf("row %d: got %q, want %q; %v", i, line.Item, want, err)
		}
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 64<<20 {
		t.Errorf("%d MiB are in use", m.HeapAlloc>>20)
	}
	runtime.KeepAlive(r)
}

func TestDamaged(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	text := []byte("order,item\n")
	for i := range 50_000 {
		text = fmt.Appendf(text, "%d,item %d\n", i, random.Uint64())
	}
	zipped, zst := datatest.Gzip(t, text), datatest.Zstd(t, text)
	flipped := bytes.Clone(zipped)
	flipped[len(flipped)/2] ^= 0xff
	flippedZst := bytes.Clone(zst)
	flippedZst[len(flippedZst)/2] ^= 0xff
	for name, source := range map[string][]byte{
		"gzip cut":           zipped[:len(zipped)-100],
		"gzip cut in header": zipped[:5],
		"gzip cut in sum":    zipped[:len(zipped)-1],
		"gzip flipped":       flipped,
		"gzip and more":      append(bytes.Clone(zipped), "more"...),
		"gzip, second cut":   append(bytes.Clone(zipped), zipped[:100]...),
		"zstd cut":           zst[:len(zst)-100],
		"zstd cut in header": zst[:5],
		"zstd flipped":       flippedZst,
		"zstd and more":      append(bytes.Clone(zst), "more"...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := readAll(bytes.NewReader(source), orderfile.Options{Options: datafile.Options{Name: "x.gz"}})
			var fileError *datafile.FileError
			if !errors.As(err, &fileError) || !strings.HasPrefix(err.Error(), "x.gz ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want a FileError of one line", err)
			}
		})
	}
}

// TestFailingSource expects the error of the source, wherever it occurs and however the source is compressed.
func TestFailingSource(t *testing.T) {
	t.Parallel()
	text := []byte("order,item\n" + strings.Repeat("1,milk\n", 50_000))
	broken := errors.New("broken pipe")
	for name, source := range map[string][]byte{"plain": text, "gzip": datatest.Gzip(t, text), "zstd": datatest.Zstd(t, text)} {
		for _, at := range []int{0, 1, 4, 5, 100, len(source) / 2, len(source)} {
			source := io.MultiReader(bytes.NewReader(source[:min(at, len(source))]), iotest.ErrReader(broken))
			err := readAll(source, orderfile.Options{Options: datafile.Options{Name: "stdin"}})
			var fileError *datafile.FileError
			if !errors.Is(err, broken) || errors.As(err, &fileError) || !strings.HasPrefix(err.Error(), "read stdin: ") {
				t.Errorf("%s, broken at byte %d: got %v", name, at, err)
			}
		}
	}
	if err := readAll(idle{}, orderfile.Options{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a source that never says anything: got %v", err)
	}
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := readAll(dir, orderfile.Options{Options: datafile.Options{Name: "dir"}}); err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("a directory: got %v", err)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestSums(t *testing.T) {
	t.Parallel()
	text := []byte("order,item\n1,milk\n")
	for name, source := range map[string][]byte{"plain": text, "gzip": datatest.Gzip(t, text), "zstd": datatest.Zstd(t, text)} {
		r, err := orderfile.Open(iotest.OneByteReader(bytes.NewReader(source)), orderfile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, _, err = r.Read()
		}
		if _, _, again := r.Read(); err != io.EOF || again != io.EOF {
			t.Fatalf("%s: %v, then %v", name, err, again)
		}
		if want := sha256.Sum256(source); r.Bytes() != int64(len(source)) || !bytes.Equal(r.SHA256(), want[:]) {
			t.Errorf("%s: %d bytes, sum %x; want %d, %x", name, r.Bytes(), r.SHA256(), len(source), want)
		}
	}
}

func TestMapping(t *testing.T) {
	t.Parallel()
	source := datatest.Gzip(t, []byte("\xef\xbb\xbforder;x;item\n1;;a\n"))
	r, err := orderfile.Open(bytes.NewReader(source), orderfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(r.Mapping())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"format":"semicolon","compression":"gzip","encoding":"utf-8","delimiter":";","header":true,` +
		`"columns":["order","x","item"],"order":"order","item":"item"}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("mapping (-want +got):\n%s", diff)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	bad := orderfile.Options{Options: datafile.Options{Format: "jsonl", Columns: []string{"order", "item"}, Encoding: "ebcdic"}, TimeFormat: "%Q", BasketIDs: "last"}
	_, err := orderfile.Open(strings.NewReader("x"), bad)
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("want four problems, got %v", err)
	}
	for format, ok := range map[string]bool{
		"": true, "%Y-%m-%d": true, "%F %T.%f%z": true, "%d. %B %y": true, "%d%%%m%%%Y": true,
		"%Y": false, "%Y-%m-%": false, "2006-01-02": false, "%H:%M": false,
	} {
		if err := (orderfile.Options{TimeFormat: format}).Validate(); (err == nil) != ok {
			t.Errorf("time format %q: %v", format, err)
		}
	}
}

// TestAliases checks that no name stands for two roles. A code column is the item only if there is no better one.
func TestAliases(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	all := orderfile.Aliases()
	delete(all, "code")
	for role, names := range all {
		for _, name := range names {
			plain := strings.ReplaceAll(name, "_", "")
			if other := seen[plain]; other != "" {
				t.Errorf("%s stands for %s and for %s", name, other, role)
			}
			seen[plain] = role
		}
	}
}

func readAll(source io.Reader, opts orderfile.Options) error {
	r, err := orderfile.Open(source, opts)
	for err == nil {
		_, _, err = r.Read()
	}
	return err
}

// TestManyRejects reads one order of a hundred thousand bad items: each is a reject, and together they keep little of
// the row in memory.
func TestManyRejects(t *testing.T) {
	t.Parallel()
	const items = 100_000
	text := `{"order_id":"A","items":[` + strings.TrimSuffix(strings.Repeat("{},", items), ",") + "]}\n"
	r, err := orderfile.Open(strings.NewReader(text), orderfile.Options{Options: datafile.Options{Format: datafile.JSONLines}})
	if err != nil {
		t.Fatal(err)
	}
	rejects, kept := 0, 0
	for {
		_, reject, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || reject == nil || reject.Reason != orderfile.MissingItem {
			t.Fatalf("reject %d: %+v, %v", rejects, reject, err)
		}
		rejects++
		kept += len(reject.Raw)
	}
	if rejects != items || kept > 17*datafile.MaxRaw {
		t.Errorf("%d rejects keep %d bytes", rejects, kept)
	}
}
