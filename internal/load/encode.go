package load

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/alsobought/alsobought/internal/orderfile"
)

// copyRows holds the rows of a table in COPY's binary format, without the trailer. See "Binary Format" in PostgreSQL's
// documentation of COPY.
type copyRows struct {
	bytes []byte
}

var (
	copyHeader  = append([]byte("PGCOPY\n\xff\r\n\x00"), make([]byte, 8)...) // no flags, no extension
	copyTrailer = []byte{0xff, 0xff}
	postgresDay = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // the epoch of timestamps
)

const bigintOID = 20

// begin starts a row; exactly the given number of values must follow.
func (r *copyRows) begin(values uint16) {
	if len(r.bytes) == 0 {
		r.bytes = append(r.bytes, copyHeader...)
	}
	r.bytes = binary.BigEndian.AppendUint16(r.bytes, values)
}

func (r *copyRows) size(n int) { r.bytes = binary.BigEndian.AppendUint32(r.bytes, uint32(n)) }

func (r *copyRows) bigint(n int64) {
	r.size(8)
	r.bytes = binary.BigEndian.AppendUint64(r.bytes, uint64(n))
}

func (r *copyRows) integer(n int) {
	r.size(4)
	r.bytes = binary.BigEndian.AppendUint32(r.bytes, uint32(n))
}

func (r *copyRows) text(s string) {
	r.size(len(s))
	r.bytes = append(r.bytes, s...)
}

// textOrNull writes "" as NULL.
func (r *copyRows) textOrNull(s string) {
	if s == "" {
		r.null()
		return
	}
	r.text(s)
}

func (r *copyRows) bytea(b []byte) {
	r.size(len(b))
	r.bytes = append(r.bytes, b...)
}

func (r *copyRows) jsonb(b []byte) {
	r.size(1 + len(b))
	r.bytes = append(append(r.bytes, 1), b...)
}

// timestamp writes the zero time as NULL.
func (r *copyRows) timestamp(t time.Time) {
	if t.IsZero() {
		r.null()
		return
	}
	r.bigint(t.Unix()*1_000_000 + int64(t.Nanosecond()/1000) - postgresDay.UnixMicro())
}

func (r *copyRows) null() { r.bytes = append(r.bytes, 0xff, 0xff, 0xff, 0xff) }

// bigints writes a non-empty one-dimensional array.
func (r *copyRows) bigints(list []int64) {
	r.size(20 + 12*len(list))
	for _, n := range []int{1, 0, bigintOID, len(list), 1} { // dimensions, no NULLs, type, length, first index
		r.size(n)
	}
	for _, n := range list {
		r.bigint(n)
	}
}

// quantity writes a numeric: base-10,000 digits, the first of which counts units of 10,000 to the power of weight.
func (r *copyRows) quantity(q orderfile.Quantity) {
	digits := make([]uint16, 0, 7)
	for n := q.Whole; n > 0; n /= 10_000 {
		digits = append(digits, uint16(n%10_000))
	}
	slices.Reverse(digits)
	weight, scale := len(digits)-1, 0
	if q.Micros != 0 {
		digits, scale = append(digits, uint16(q.Micros/100), uint16(q.Micros%100*100)), 6
	}
	r.size(8 + 2*len(digits))
	for _, n := range []int{len(digits), weight, 0, scale} { // 0 is a positive sign
		r.bytes = binary.BigEndian.AppendUint16(r.bytes, uint16(n))
	}
	for _, d := range digits {
		r.bytes = binary.BigEndian.AppendUint16(r.bytes, d)
	}
}
