package datafile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/datafile/datatest"
)

// withFooter returns a Parquet file with these metadata.
func withFooter(pages, footer []byte) []byte {
	file := slices.Concat([]byte("PAR1"), pages, footer)
	return append(binary.LittleEndian.AppendUint32(file, uint32(len(footer))), "PAR1"...)
}

// withPage returns a Parquet file with one page of an optional text column.
func withPage(t testing.TB, codec format.CompressionCodec, header format.PageHeader, data []byte) []byte {
	t.Helper()
	encoded := func(v any) []byte {
		b, err := thrift.Marshal(new(thrift.CompactProtocol), v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	header.CompressedPageSize = int32(len(data))
	page := append(encoded(header), data...)
	return withFooter(page, encoded(format.FileMetaData{
		Schema: []format.SchemaElement{
			{Name: "root", NumChildren: thrift.New[int32](1)},
			{Name: "item", Type: thrift.New(format.ByteArray), RepetitionType: thrift.New(format.Optional)},
		},
		NumRows: 1,
		RowGroups: []format.RowGroup{{NumRows: 1, Columns: []format.ColumnChunk{{MetaData: format.ColumnMetaData{
			Type: format.ByteArray, PathInSchema: []string{"item"}, Codec: codec, NumValues: 1,
			DataPageOffset: 4, TotalCompressedSize: int64(len(page)),
		}}}}},
	}))
}

// dataPage returns the header of a page, and the page with levels that repeat the level 1.
func dataPage(encoding format.Encoding, values int32, size int, runs uint64, content []byte) (format.PageHeader, []byte) {
	levels := append(binary.AppendUvarint(nil, runs<<1), 1)
	data := slices.Concat(binary.LittleEndian.AppendUint32(nil, uint32(len(levels))), levels, content)
	return format.PageHeader{
		Type: format.DataPage, UncompressedPageSize: int32(max(size, len(data))),
		DataPageHeader: thrift.New(format.DataPageHeader{
			NumValues: values, Encoding: encoding, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE,
		}),
	}, data
}

// TestHostileParquet expects files that declare more than they hold to be refused before anything is allocated for it.
// It is not parallel, because it measures allocations.
func TestHostileParquet(t *testing.T) { //nolint:paralleltest // see above
	const length = 1 << 20
	prefixes, suffixes := slices.Repeat([]int32{length}, 1000), make([]int32, 1000)
	prefixes[0], suffixes[0] = 0, length
	first, _ := parquet.DeltaBinaryPacked.EncodeInt32(nil, prefixes)
	second, _ := parquet.DeltaBinaryPacked.EncodeInt32(nil, suffixes)
	page := func(codec format.CompressionCodec, encoding format.Encoding, values int32, size int, runs uint64, content []byte) []byte {
		header, data := dataPage(encoding, values, size, runs, content)
		if codec == format.Gzip {
			data = datatest.Gzip(t, data)
		}
		return withPage(t, codec, header, data)
	}
	damaged := "X is damaged (its pages are damaged): fetch it again"
	metadata := "X is a Parquet file that cannot be read (its metadata is damaged): fetch it again"
	bomb := withPage(t, format.Gzip, format.PageHeader{Type: format.DictionaryPage, UncompressedPageSize: 100}, datatest.Gzip(t, make([]byte, 1<<28)))
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"nothing but the marks", []byte("PAR1PAR1"), metadata},
		{"a footer longer than the file", []byte("PAR1\xff\xff\xff\xffPAR1"), metadata},
		{"a long list", withFooter(nil, []byte("\x15\x02\x19\xfc\xff\xff\xff\x7f\x00")), metadata},
		{"a deep list", withFooter(nil, append([]byte{0x15, 2, 0x19}, bytes.Repeat([]byte{0x19}, 2<<20)...)), metadata},
		{"a large page", page(format.Snappy, format.Plain, 1, 1<<30, 1, nil), "X cannot be read: it has a page of 1024 MiB: write it with smaller pages"},
		{"many values", page(format.Uncompressed, format.Plain, 1<<30, 0, 1, nil), "X cannot be read: it has a page of 1073741824 values: write it with smaller pages"},
		{"many levels", page(format.Uncompressed, format.Plain, 1, 0, 1<<30, []byte("\x01\x00\x00\x00a")), damaged},
		{"many indexes", page(format.Uncompressed, format.RLEDictionary, 1, 0, 1, binary.AppendUvarint([]byte{1}, 1<<31)), damaged},
		{"many lengths", page(format.Uncompressed, format.DeltaLengthByteArray, 1, 0, 1, []byte("\x80\x01\x04\xff\xff\xff\xff\x07\x00")), damaged},
		{"common beginnings", page(format.Uncompressed, format.DeltaByteArray, 1000, 0, 1000, slices.Concat(first, second, make([]byte, length))), damaged},
		{"a large page in Snappy", withPage(t, format.Snappy, format.PageHeader{Type: format.DictionaryPage, UncompressedPageSize: 100}, binary.AppendUvarint(nil, 1<<31)), damaged},
		{"a large page in gzip", bomb, damaged},
		{
			"damaged LZ4", withPage(t, format.Lz4Raw, format.PageHeader{Type: format.DictionaryPage, UncompressedPageSize: 100}, []byte("\xff\xff\xff\x00\x01")),
			"X is damaged (lz4: invalid source or destination buffer too short): fetch it again",
		},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := datafile.Open(bytes.NewReader(c.file), datafile.Options{Name: "X"}, parts())
		for err == nil {
			_, _, err = r.Read()
		}
		runtime.ReadMemStats(&after)
		var whole *datafile.FileError
		if !errors.As(err, &whole) || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
		if allocated := (after.TotalAlloc - before.TotalAlloc) >> 20; allocated > 64 {
			t.Errorf("%s: %d MiB allocated", c.name, allocated)
		}
	}
}

// Every encoding and compression that the library writes is read, so the checks refuse no sound file.
func TestParquetEncodings(t *testing.T) {
	t.Parallel()
	type row struct {
		Item  string   `parquet:"item,delta"`
		Title *string  `parquet:"title,optional,dict"`
		Used  string   `parquet:"used,optional"`
		Count int64    `parquet:"count,delta"`
		Tags  []string `parquet:"tags,list"`
		On    bool     `parquet:"on,optional"`
	}
	title := "common"
	rows := make([]row, 3000)
	for i := range rows {
		rows[i] = row{strings.Repeat("a", i%70), nil, strings.Repeat("b", i%5), int64(i * i), []string{"x", "y"}[:i%3%2], i%7 < 3}
		if i%3 > 0 {
			rows[i].Title = &title
		}
	}
	for _, codec := range []parquet.WriterOption{
		parquet.Compression(&parquet.Uncompressed), parquet.Compression(&parquet.Snappy), parquet.Compression(&parquet.Gzip),
		parquet.Compression(&parquet.Zstd), parquet.Compression(&parquet.Brotli), parquet.Compression(&parquet.Lz4Raw),
	} {
		for version := 1; version <= 2; version++ {
			var b bytes.Buffer
			w := parquet.NewGenericWriter[row](&b, codec, parquet.DataPageVersion(version), parquet.PageBufferSize(2000), parquet.MaxRowsPerRowGroup(1000))
			_, err := w.Write(rows)
			if err := errors.Join(err, w.Close()); err != nil {
				t.Fatal(err)
			}
			r, err := datafile.Open(bytes.NewReader(b.Bytes()), datafile.Options{}, parts())
			read := 0
			for ; err == nil; read++ {
				_, _, err = r.Read()
			}
			if read-1 != len(rows) || !errors.Is(err, io.EOF) {
				t.Errorf("version %d: %d rows, %v", version, read-1, err)
			}
		}
	}
}
