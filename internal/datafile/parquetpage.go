package datafile

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// parquetPage is one page of a column of a Parquet file.
type parquetPage struct {
	header format.PageHeader
	codec  format.CompressionCodec
	column *parquet.Column
	data   []byte // as stored

	values int
}

// memory returns about how many bytes the page takes while it is read.
func (p *parquetPage) memory() int64 {
	return int64(p.header.UncompressedPageSize) + 8*int64(p.values)
}

// check checks that the page unpacks to no more than its header says.
func (p *parquetPage) check() error {
	var err error
	switch p.header.Type {
	case format.DictionaryPage:
		if err = p.count(p.header.DictionaryPageHeader.V.NumValues); err == nil {
			_, err = p.unpack(p.data)
		}
		return err
	case format.DataPage:
		err = p.count(p.header.DataPageHeader.V.NumValues)
	case format.DataPageV2:
		err = p.count(p.header.DataPageHeaderV2.V.NumValues)
	default:
		return errPages
	}
	if err != nil {
		return err
	}
	if p.header.Type == format.DataPage {
		return p.first()
	}
	return p.second()
}

func (p *parquetPage) count(values int32) error {
	switch {
	case values < 0:
		return errPages
	case values > maxPageValues:
		return sizeError(fmt.Sprintf("it has a page of %d values: write it with smaller pages", values))
	}
	p.values = int(values)
	return nil
}

func (p *parquetPage) unpack(data []byte) ([]byte, error) {
	return unpackPage(p.codec, data, int(p.header.UncompressedPageSize))
}

// first checks a page of the first version of the format, which is packed as a whole.
func (p *parquetPage) first() error {
	h := &p.header.DataPageHeader.V
	data, err := p.unpack(p.data)
	if err != nil {
		return err
	}
	for _, level := range []struct {
		max      int
		encoding format.Encoding
	}{{p.column.MaxRepetitionLevel(), h.RepetitionLevelEncoding}, {p.column.MaxDefinitionLevel(), h.DefinitionLevelEncoding}} {
		if level.max == 0 {
			continue
		}
		if len(data) < 4 {
			return errPages
		}
		n := uint64(binary.LittleEndian.Uint32(data))
		if data = data[4:]; n > uint64(len(data)) {
			return errPages
		}
		if level.encoding == format.RLE && !fewRuns(data[:n], bits.Len(uint(level.max)), p.values) {
			return errPages
		}
		data = data[n:]
	}
	return p.content(h.Encoding, data)
}

// second checks a page of the second version, the levels of which are not packed.
func (p *parquetPage) second() (err error) {
	h := &p.header.DataPageHeaderV2.V
	data := p.data
	for _, level := range []struct {
		max    int
		length int32
	}{{p.column.MaxRepetitionLevel(), h.RepetitionLevelsByteLength}, {p.column.MaxDefinitionLevel(), h.DefinitionLevelsByteLength}} {
		if level.length < 0 || int(level.length) > len(data) ||
			level.max > 0 && !fewRuns(data[:level.length], bits.Len(uint(level.max)), p.values) {
			return errPages
		}
		data = data[level.length:]
	}
	if !h.IsCompressed.Valid || h.IsCompressed.V {
		if data, err = p.unpack(data); err != nil {
			return err
		}
	}
	return p.content(h.Encoding, data)
}

// content checks the values of a page.
func (p *parquetPage) content(encoding format.Encoding, data []byte) error {
	sound := true
	switch encoding {
	case format.Plain, format.ByteStreamSplit, format.BitPacked: // take what they hold
	case format.PlainDictionary, format.RLEDictionary: //nolint:staticcheck // the first is what old programs write
		sound = len(data) == 0 || fewRuns(data[1:], int(data[0]), p.values)
	case format.RLE: // of booleans
		sound = len(data) >= 4 && fewRuns(data[4:], 1, p.values)
	case format.DeltaBinaryPacked:
		var d deltas
		sound = d.begin(data, p.values)
	case format.DeltaLengthByteArray:
		var d deltas
		sound = d.sum(data, p.values) && d.total <= int64(len(d.rest))
	case format.DeltaByteArray: // each text begins like the one before
		var d deltas
		sound = d.sum(data, p.values) && d.sum(d.rest, p.values) && d.total <= maxPage
	}
	if !sound {
		return errPages
	}
	return nil
}

// fewRuns reports whether runs, repeated or packed, of numbers of some bits each hold few more values than expected.
func fewRuns(data []byte, width, values int) bool {
	most := 2*uint64(values) + 1024
	for len(data) > 0 {
		head, n := binary.Uvarint(data)
		if n <= 0 || head>>1 > most || width > 32 {
			return false
		}
		count, size := head>>1, uint64(width+7)/8
		if head&1 != 0 {
			count, size = 8*count, count*uint64(width)
		}
		if count > most {
			return false
		}
		most -= count
		data = data[n:]
		data = data[min(size, uint64(len(data))):]
	}
	return true
}

// deltas reads numbers that are stored as differences.
type deltas struct {
	rest  []byte
	total int64 // of all numbers

	per, blocks int // numbers in a miniature block; such blocks in a block
	left        int // numbers to read
	last        int32
}

// begin reads how many numbers there are.
func (d *deltas) begin(data []byte, most int) bool {
	d.rest = data
	block, blocks, count, first := d.unsigned(), d.unsigned(), d.unsigned(), d.signed()
	if d.rest == nil || blocks == 0 || block > 1<<20 || blocks > block || count > uint64(most) {
		return false
	}
	d.per, d.blocks, d.left, d.last = int(block/blocks), int(blocks), int(count), int32(first) // cut like the library does
	return true
}

// sum adds up lengths and moves rest to what follows them. It reports whether they are no lengths.
func (d *deltas) sum(data []byte, most int) bool {
	if !d.begin(data, most) {
		return false
	}
	if d.left == 0 {
		return true
	}
	for d.add(0); d.left > 0 && d.rest != nil && d.total >= 0; {
		least := d.signed()
		if len(d.rest) < d.blocks {
			return false
		}
		widths := d.rest[:d.blocks]
		d.rest = d.rest[d.blocks:]
		for _, width := range widths {
			size := d.per * int(width) / 8
			if d.left == 0 {
				break
			}
			if size > len(d.rest) || width > 32 {
				return false
			}
			for i := range min(d.per, d.left) {
				d.add(least + bitsAt(d.rest, i*int(width), int(width)))
			}
			d.rest = d.rest[size:]
		}
	}
	return d.rest != nil && d.total >= 0
}

// add adds the next number, which differs from the last by delta.
func (d *deltas) add(delta int64) {
	d.last += int32(delta) // wraps around like the library's
	d.left--
	if d.total += int64(d.last); d.last < 0 {
		d.total = -1 << 62
	}
}

// unsigned reads a number; rest is nil if there is none.
func (d *deltas) unsigned() uint64 {
	u, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.rest = nil
		return 0
	}
	d.rest = d.rest[n:]
	return u
}

func (d *deltas) signed() int64 {
	u := d.unsigned()
	return int64(u>>1) ^ -int64(u&1)
}

// bitsAt returns the number of some bits at an offset in bits.
func bitsAt(b []byte, at, width int) (n int64) {
	for i := range width {
		n |= int64(b[(at+i)/8]>>((at+i)%8)&1) << i
	}
	return n
}
