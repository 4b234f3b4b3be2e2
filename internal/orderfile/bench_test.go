package orderfile_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/alsobought/alsobought/internal/orderfile"
)

// BenchmarkRead reads order lines like the prototype's: about 50 bytes each, 3 lines per order, 15,000 items.
func BenchmarkRead(b *testing.B) {
	const lines = 100_000
	type line struct {
		order, item int
	}
	random := rand.New(rand.NewPCG(1, 2))
	shape := make([]line, lines)
	for i := range shape {
		popular := random.Float64()
		shape[i] = line{100_000 + i/3, int(15_000 * popular * popular * popular)}
	}
	render := func(header, row string) []byte {
		var text bytes.Buffer
		text.WriteString(header)
		for _, l := range shape {
			fmt.Fprintf(&text, row, l.order, l.item)
		}
		return text.Bytes()
	}
	for _, c := range []struct {
		name   string
		source []byte
	}{
		{"two columns", render("order_id,item_name\n", "%d,Regulator %d - 34L 100PPM/Tedlar Bag\n")},
		{"five columns", render("order_id,item_name,ordered_at,quantity,customer_id\n",
			"%d,Regulator %d - 34L 100PPM,2026-01-02 03:04:05,2,C1\n")},
		{"quoted", render("order_id,item_name\r\n", "%d,\"Regulator %d, 34L 100PPM/Tedlar Bag\"\r\n")},
		{"doubled quotes", render("order_id,item_name\n", "%d,\"Pipe %d, 5\"\" and \"\"more\"\", of brass\"\n")},
		{"json", render("", `{"order_id":%d,"item_name":"Regulator %d - 34L 100PPM"}`+"\n")},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.source)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := orderfile.Open(bytes.NewReader(c.source), orderfile.Options{})
				if err != nil {
					b.Fatal(err)
				}
				if n := drain(b, r); n != lines {
					b.Fatalf("read %d rows", n)
				}
			}
			b.ReportMetric(float64(b.N)*lines/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func drain(b *testing.B, r *orderfile.Reader) (rows int) {
	b.Helper()
	for ; ; rows++ {
		_, _, err := r.Read()
		if err == io.EOF {
			return rows
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
