package datafile_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
	"github.com/xuri/excelize/v2"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/datafile/datatest"
)

// workbook returns an Excel file with a cover sheet, a sheet of rows under a title, and a hidden sheet.
func workbook(t testing.TB) []byte {
	t.Helper()
	f := excelize.NewFile()
	date, day, percent := "dd/mm/yy hh:mm", 14, 10
	dated, _ := f.NewStyle(&excelize.Style{CustomNumFmt: &date})
	dayed, _ := f.NewStyle(&excelize.Style{NumFmt: day})
	rounded, _ := f.NewStyle(&excelize.Style{NumFmt: 1})
	shared, _ := f.NewStyle(&excelize.Style{NumFmt: percent})
	at := time.Date(2026, 3, 2, 9, 12, 30, 0, time.UTC)
	must := func(errs ...error) {
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	must(f.SetSheetName("Sheet1", "Cover"), f.SetCellValue("Cover", "A1", "Orders of March"))
	for _, name := range []string{"Rows", "Old"} {
		_, err := f.NewSheet(name)
		must(err)
	}
	must(f.SetSheetVisible("Old", false), f.SetSheetRow("Old", "A1", &[]any{"item", "used"}))
	must(f.SetSheetRow("Rows", "A1", &[]any{"made by hand"}))
	must(f.SetSheetRow("Rows", "A3", &[]any{"item", "title", "used"}))
	must(f.SetSheetRow("Rows", "A4", &[]any{"0071", "two\nlines, \"quoted\"", at}), f.SetCellStyle("Rows", "C4", "C4", dated))
	must(f.SetSheetRow("Rows", "A5", &[]any{71, "", at.Truncate(24 * time.Hour)}), f.SetCellStyle("Rows", "C5", "C5", dayed))
	must(f.SetSheetRow("Rows", "A7", &[]any{123456789012345, 2.75}), f.SetCellStyle("Rows", "B7", "B7", rounded))
	must(f.SetSheetRow("Rows", "A8", &[]any{"a", 0.125, true}), f.SetCellStyle("Rows", "B8", "B8", shared))
	must(f.SetSheetRow("Rows", "A9", &[]any{"a", "b", "c", "d"}))
	var b bytes.Buffer
	must(f.Write(&b), f.Close())
	return b.Bytes()
}

func TestExcel(t *testing.T) {
	t.Parallel()
	file := workbook(t)
	// only the fourth field of the last row makes the title row wider than the header
	want := "4: \"0071\" \"two\\nlines, \\\"quoted\\\"\" \"2026-03-02 09:12:30\"\n" +
		"5: \"71\" \"\" \"2026-03-02 00:00:00\"\n" +
		"7: \"123456789012345\" \"2.75\" \"\"\n8: \"a\" \"0.125\" \"TRUE\"\n9: \"a\" \"b\" \"c\"\n" +
		"xlsx [\"item\" \"title\" \"used\"]\n"
	path := filepath.Join(t.TempDir(), "orders.csv")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	own, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	for name, source := range map[string]io.Reader{
		"a file": own, "a stream": iotest.OneByteReader(bytes.NewReader(file)), "gzip": bytes.NewReader(datatest.Gzip(t, file)),
	} {
		if diff := cmp.Diff(want, records(source, datafile.Options{}, parts())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for sheet, want := range map[string]string{
		"old": "xlsx [\"item\" \"\" \"used\"]\n", "3": "xlsx [\"item\" \"\" \"used\"]\n",
		"1":    "open: X has no item column: it has \"Orders of March\"",
		"none": "open: X is an Excel file that cannot be read (no sheet \"none\": it has \"Cover\", \"Rows\", \"Old\")",
	} {
		if got := records(bytes.NewReader(file), datafile.Options{Name: "X", Sheet: sheet}, parts()); !strings.HasPrefix(got, want) {
			t.Errorf("sheet %s: got %s, want %s", sheet, got, want)
		}
	}
}

func TestParquet(t *testing.T) {
	t.Parallel()
	type row struct {
		Item  string    `parquet:"item,optional"`
		Title []byte    `parquet:"title"`
		Used  time.Time `parquet:"used,timestamp(microsecond)"`
		Day   int32     `parquet:"day,date"`
		Tags  []string  `parquet:"tags,list"`
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b)
	at := time.Date(1969, 3, 2, 9, 12, 30, 250_000_000, time.UTC)
	_, err := w.Write([]row{{"007", []byte("é \"x\"\n"), at, 1, []string{"a"}}, {"", []byte("\xff\x00"), at, 2, nil}, {"b", nil, at, -1, nil}})
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	want := "1: \"007\" \"\\u00e9 \\\"x\\\"\" \"1969-03-02T09:12:30.25Z\"\n2: not_utf8: "
	got := records(bytes.NewReader(b.Bytes()), datafile.Options{}, parts())
	if !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "\n3: \"b\" \"\" \"1969-03-02T09:12:30.25Z\"\nparquet [\"item\" \"title\" \"used\"]\n") {
		t.Errorf("got %s, want %s", got, want)
	}
	kind := parts()
	kind.Roles[2].Column = "day"
	if got := records(bytes.NewReader(b.Bytes()), datafile.Options{}, kind); !strings.Contains(got, `"1970-01-02"`) || !strings.Contains(got, `"1969-12-31"`) {
		t.Errorf("days: got %s", got)
	}
}

// TestDamagedFiles expects either a one-line FileError or the readable rows from every truncated or altered file.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	type row struct {
		Item string `parquet:"item"`
		Used string `parquet:"used"`
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b)
	for range 500 {
		if _, err := w.Write([]row{{"a", "b"}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{"xlsx": workbook(t), "parquet": b.Bytes()} {
		for i := range 40 {
			at := len(file) * i / 40
			flipped := bytes.Clone(file)
			flipped[at] ^= 0xff
			for _, damaged := range [][]byte{flipped, file[:at]} {
				r, err := datafile.Open(bytes.NewReader(damaged), datafile.Options{Name: name}, parts())
				for err == nil {
					_, _, err = r.Read()
				}
				var whole *datafile.FileError
				if !errors.Is(err, io.EOF) && (!errors.As(err, &whole) || strings.Contains(err.Error(), "\n")) {
					t.Fatalf("%s, byte %d: %v", name, at, err)
				}
			}
		}
	}
}

// archive returns a zip file.
func archive(t testing.TB, files map[string]string, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write([]byte(files[name]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// walked reads sources to their end and renders the result.
func walked(t testing.TB, sources ...datafile.Source) string {
	t.Helper()
	var b strings.Builder
	w := datafile.Walk[*datafile.Records]{
		Sources: sources,
		Open: func(src io.Reader, name string) (*datafile.Records, error) {
			return datafile.OpenRecords(src, datafile.Options{Name: name}, parts())
		},
		Done: func(f datafile.File, r *datafile.Records) error {
			b.WriteString(f.Name + ": " + string(r.Shape().Format) + "\n")
			return nil
		},
	}
	defer w.Close()
	var record datafile.Record
	for {
		err := w.Next(func(r *datafile.Records) error {
			_, err := r.Read(&record)
			return err
		})
		if err != nil {
			if !errors.Is(err, io.EOF) {
				b.WriteString(err.Error() + "\n")
			}
			return b.String()
		}
		b.WriteString(string(record.Values[0]) + "\n")
	}
}

func TestArchives(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"jan/a.csv": "item,used\na,1\n", "b.jsonl": `{"item":"b","used":1}` + "\n", "c.xlsx": string(workbook(t)),
		"__MACOSX/a.csv": "\x00\x05", "jan/.DS_Store": "\x00", "empty/": "", "inner.zip": string(archive(t, nil, "x")),
	}
	stream := func(name string, data []byte) datafile.Source {
		return datafile.Source{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
	}
	cut := archive(t, files, "jan/a.csv")
	for _, c := range []struct {
		name   string
		source []byte
		want   string
	}{
		{
			"several", archive(t, files, "empty/", "jan/a.csv", "__MACOSX/a.csv", "jan/.DS_Store", "b.jsonl", "c.xlsx"),
			"a\nX/jan/a.csv: csv\nb\nX/b.jsonl: jsonl\n0071\n71\n123456789012345\na\na\nX/c.xlsx: xlsx\n", //nolint:dupword // no words
		},
		{"nothing", archive(t, files, "empty/"), "X is empty: there is nothing to load\n"},
		{"an archive inside", archive(t, files, "inner.zip"), "X/inner.zip is a zip archive inside another file: unpack it first\n"},
		{"cut", cut[:len(cut)-5], "X is a damaged zip archive (zip: not a valid zip file): fetch it again\n"},
		{"an Excel file", workbook(t), "0071\n71\n123456789012345\na\na\nX: xlsx\n"}, //nolint:dupword // no words
		{"short", []byte("a"), "X has no item column"},
	} {
		if got := walked(t, stream("X", c.source), stream("Y", []byte("item,used\nlast,1\n"))); !strings.HasPrefix(got, c.want) ||
			strings.HasSuffix(c.want, ": xlsx\n") && got != c.want+"last\nY: csv\n" {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
	bomb := strings.Repeat("item,used\n"+strings.Repeat("a,1\n", 100), 10)
	path := filepath.Join(t.TempDir(), "orders.zip")
	if err := os.WriteFile(path, archive(t, map[string]string{"a": bomb, "b": bomb}, "a", "b"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := walked(t, datafile.Source{Name: path, Open: func() (io.ReadCloser, error) { return os.Open(path) }})
	if !strings.HasSuffix(got, path+"/b: csv\n") || strings.Count(got, "\n") != 2*(1010-1+1) {
		t.Errorf("a file: %d lines", strings.Count(got, "\n"))
	}
}

func FuzzExcel(f *testing.F) {
	f.Add(workbook(f))
	f.Fuzz(func(_ *testing.T, file []byte) { records(bytes.NewReader(file), datafile.Options{}, parts()) })
}

func FuzzParquet(f *testing.F) {
	type row struct {
		Item string   `parquet:"item"`
		Used []string `parquet:"used,list"`
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b)
	if _, err := w.Write([]row{{"a", []string{"b"}}, {"c", nil}}); err != nil {
		f.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	for _, encoding := range []format.Encoding{format.Plain, format.RLEDictionary, format.DeltaLengthByteArray, format.DeltaByteArray} {
		header, data := dataPage(encoding, 1, 0, 1, []byte("\x80\x01\x04\x01\x02a"))
		f.Add(withPage(f, format.Uncompressed, header, data))
		f.Add(withPage(f, format.Gzip, header, datatest.Gzip(f, data)))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		records(bytes.NewReader(file), datafile.Options{}, parts())
		runtime.ReadMemStats(&after)
		if allocated := (after.TotalAlloc - before.TotalAlloc) >> 20; allocated > 1024 {
			t.Errorf("%d MiB allocated for %d bytes", allocated, len(file))
		}
	})
}
