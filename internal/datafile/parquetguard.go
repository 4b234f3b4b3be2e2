package datafile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// Limits of a Parquet file. The library allocates what a file declares, unpacks however much a page turns out to hold,
// and grows a buffer for ever if LZ4 data is damaged. So the metadata is checked before the library reads it, and the
// pages of a row group before it reads their rows.
const (
	maxFooter     = 16 << 20  // bytes of the metadata
	maxColumns    = 10_000    // nodes of the schema
	maxPageHeader = 64 << 10  // bytes
	maxPage       = 256 << 20 // bytes of a page, unpacked
	maxPageValues = 16 << 20  // values of a page; of all pages of a column that holds lists
	maxRowGroup   = 1 << 30   // bytes of one page of each column, which are in memory at the same time
)

var errPages = errors.New("its pages are damaged")

// soundFooter checks the metadata at the end of the file.
func soundFooter(file io.ReaderAt, size int64) error {
	var end [8]byte
	if _, err := file.ReadAt(end[:], size-int64(len(end))); err != nil || string(end[4:]) != "PAR1" {
		return errors.New("it is cut off, or encrypted")
	}
	n := int64(binary.LittleEndian.Uint32(end[:]))
	if n > size-int64(len(end)) || n > maxFooter {
		return errors.New("its metadata is damaged")
	}
	footer := make([]byte, n)
	if _, err := file.ReadAt(footer, size-int64(len(end))-n); err != nil {
		return err
	}
	if err := soundThrift(footer); err != nil {
		return err
	}
	var metadata format.FileMetaData
	if err := decodeThrift(footer, &metadata, nil); err != nil {
		return err
	}
	if len(metadata.Schema) > maxColumns {
		return fmt.Errorf("it has %d columns", len(metadata.Schema))
	}
	return nil
}

// decodeThrift decodes metadata at the start of b and adds its length to n.
func decodeThrift(b []byte, into any, n *int64) error {
	reader := new(thrift.CompactProtocol).NewReaderFromBytes(b)
	if err := thrift.NewDecoder(reader).Decode(into); err != nil {
		return err
	}
	if n != nil {
		*n += int64(reader.BytesRead())
	}
	return nil
}

// parquetGuard checks the pages of row groups.
type parquetGuard struct {
	file   io.ReaderAt
	size   int64
	leaves []*parquet.Column
	page   []byte // as stored
}

func newParquetGuard(file io.ReaderAt, size int64, root *parquet.Column) *parquetGuard {
	g := &parquetGuard{file: file, size: size}
	var add func(c *parquet.Column)
	add = func(c *parquet.Column) {
		if c.Leaf() {
			g.leaves = append(g.leaves, c)
		}
		for _, inner := range c.Columns() {
			add(inner)
		}
	}
	add(root)
	return g
}

// check checks all pages of a row group.
func (g *parquetGuard) check(group *format.RowGroup) error {
	if len(group.Columns) != len(g.leaves) {
		return errPages
	}
	memory := int64(0)
	for i := range group.Columns {
		n, err := g.chunk(&group.Columns[i].MetaData, g.leaves[i])
		if err != nil {
			return err
		}
		if memory += n; memory > maxRowGroup {
			return sizeError(fmt.Sprintf("its rows need more than %d MiB at a time: write it with smaller pages", maxRowGroup>>20))
		}
	}
	return nil
}

// chunk checks the pages of a column and returns how much memory the largest needs.
func (g *parquetGuard) chunk(chunk *format.ColumnMetaData, column *parquet.Column) (memory int64, err error) {
	at := chunk.DataPageOffset
	if chunk.DictionaryPageOffset != 0 {
		at = chunk.DictionaryPageOffset
	}
	if at < 0 || at > g.size || chunk.TotalCompressedSize < 0 || chunk.TotalCompressedSize > g.size-at {
		return 0, errPages
	}
	values, dictionary := 0, int64(0)
	for end := at + chunk.TotalCompressedSize; at < end; {
		p := parquetPage{codec: chunk.Codec, column: column}
		if err := g.read(&p, &at, end); err != nil {
			return 0, err
		}
		if err := p.check(); err != nil {
			return 0, err
		}
		if p.header.Type == format.DictionaryPage {
			dictionary = max(dictionary, p.memory())
		} else if values += p.values; values > maxPageValues && column.MaxRepetitionLevel() > 0 {
			return 0, sizeError(fmt.Sprintf("its lists have more than %d Mi values in a row group: write smaller ones", maxPageValues>>20))
		}
		memory = max(memory, p.memory()+dictionary)
	}
	return memory, nil
}

// read reads the page at an offset and moves the offset to the next one.
func (g *parquetGuard) read(p *parquetPage, at *int64, end int64) error {
	g.page = grown(g.page, min(maxPageHeader, end-*at))
	if _, err := g.file.ReadAt(g.page, *at); err != nil {
		return err
	}
	if err := decodeThrift(bytes.Clone(g.page), &p.header, at); err != nil {
		return err
	}
	stored := int64(p.header.CompressedPageSize)
	switch size := p.header.UncompressedPageSize; {
	case stored < 0 || stored > end-*at || size < 0:
		return errPages
	case size > maxPage:
		return sizeError(fmt.Sprintf("it has a page of %d MiB: write it with smaller pages", size>>20))
	}
	g.page = grown(g.page, stored)
	if _, err := g.file.ReadAt(g.page, *at); err != nil {
		return err
	}
	*at += stored
	p.data = g.page
	return nil
}

func grown(b []byte, n int64) []byte {
	if int64(cap(b)) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// unpackPage unpacks a page of at most size bytes.
func unpackPage(codec format.CompressionCodec, packed []byte, size int) (page []byte, err error) {
	var r io.Reader
	switch codec {
	case format.Uncompressed:
		return packed, nil
	case format.Snappy:
		if n, err := snappy.DecodedLen(packed); err != nil || n > size {
			return nil, errPages
		}
		return snappy.Decode(nil, packed)
	case format.Lz4Raw:
		page = make([]byte, size)
		n, err := lz4.UncompressBlock(packed, page)
		return page[:max(n, 0)], err
	case format.Gzip:
		r, err = gzip.NewReader(bytes.NewReader(packed))
	case format.Zstd:
		var unzstd *zstd.Decoder
		if unzstd, err = zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderMaxWindow(maxZstdWindow)); err == nil {
			defer unzstd.Close()
			r = unzstd
		}
	case format.Brotli:
		r = brotli.NewReader(bytes.NewReader(packed))
	default:
		return nil, fmt.Errorf("it is compressed with %s", codec)
	}
	if err != nil {
		return nil, err
	}
	unpacked := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	if _, err := io.Copy(unpacked, io.LimitReader(r, int64(size)+1)); err != nil {
		return nil, err
	}
	if unpacked.Len() > size {
		return nil, errPages
	}
	return unpacked.Bytes(), nil
}
