package sample

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

const flushBytes = 64 << 10

// rowWriter appends rows to a buffer. The fields that all lines of an order share are formatted once per order,
// and names are already CSV fields.
type rowWriter struct {
	w      io.Writer
	buf    []byte
	before []byte // order id and comma
	after  []byte // from the comma after the quantity to the end of the line
}

func newRowWriter(w io.Writer) *rowWriter {
	return &rowWriter{
		w:   w,
		buf: append(make([]byte, 0, 2*flushBytes), "order_id,item_name,quantity,ordered_at,customer_id\n"...),
	}
}

func (r *rowWriter) startOrder(n int64, at time.Time, customer int64) {
	r.before = append(r.before[:0], 'R')
	r.before = strconv.AppendInt(r.before, 100_001+n, 10)
	r.before = append(r.before, ',')

	r.after = append(r.after[:0], ',')
	r.after = at.AppendFormat(r.after, time.RFC3339)
	r.after = append(r.after, ",C"...)
	for wide := int64(10_000); wide > customer; wide /= 10 {
		r.after = append(r.after, '0')
	}
	r.after = strconv.AppendInt(r.after, customer, 10)
	r.after = append(r.after, '\n')
}

func (r *rowWriter) line(field string, quantity int64) {
	r.buf = append(r.buf, r.before...)
	r.buf = append(r.buf, field...)
	r.buf = append(r.buf, ',')
	r.buf = strconv.AppendInt(r.buf, quantity, 10)
	r.buf = append(r.buf, r.after...)
}

func (r *rowWriter) endOrder() error {
	if len(r.buf) < flushBytes {
		return nil
	}
	return r.flush()
}

func (r *rowWriter) flush() error {
	_, err := r.w.Write(r.buf)
	r.buf = r.buf[:0]
	if err != nil {
		return fmt.Errorf("write sample orders: %w", err)
	}
	return nil
}

// csvField quotes a name if RFC 4180 requires it.
func csvField(name string) string {
	if !strings.ContainsAny(name, "\",\r\n") {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}
