package main

import (
	"bufio"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPercentile(t *testing.T) {
	t.Parallel()
	m := measured{latencies: make([]time.Duration, 1000)}
	for i := range m.latencies {
		m.latencies[i] = time.Duration(i)
	}
	for p, want := range map[float64]time.Duration{0: 0, 50: 500, 99: 990, 99.9: 999, 100: 999} {
		if got := m.percentile(p); got != want {
			t.Errorf("percentile %v is %d, want %d", p, got, want)
		}
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	if got := median([]measured{{perSecond: 9}, {perSecond: 1}, {perSecond: 5}}).perSecond; got != 5 {
		t.Errorf("median %v", got)
	}
}

// An open loop asks on time whether or not it was answered: the nth question is due after n/rate seconds.
func TestDue(t *testing.T) {
	t.Parallel()
	began := time.Unix(0, 0)
	for n, want := range map[int]time.Duration{0: 0, 1: 4 * time.Millisecond, 250: time.Second} {
		if got := due(began, n, 250).Sub(began); got != want {
			t.Errorf("question %d is due after %s, want %s", n, got, want)
		}
	}
}

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	const good = "HTTP/1.1 200 OK\r\nX: y\r\ncontent-length: 3\r\n\r\nabc" +
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
	from := bufio.NewReader(strings.NewReader(good))
	for range 2 {
		if err := readAnswer(from); err != nil {
			t.Error(err)
		}
	}
	if rest := from.Buffered(); rest != 0 {
		t.Errorf("%d bytes are left", rest)
	}
	for _, bad := range []string{"HTTP/1.1 404 Not Found\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", ""} {
		if err := readAnswer(bufio.NewReader(strings.NewReader(bad))); err == nil {
			t.Errorf("%q is a good answer", bad)
		}
	}
}

// Questions are drawn by lines or by items, and those to be cached are few.
func TestQuestions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "orders.csv")
	var orders strings.Builder
	orders.WriteString("order_id,item_name\n")
	for range 99 {
		orders.WriteString("1,often\n")
	}
	orders.WriteString("2,\"rare, /\"\n")
	if err := os.WriteFile(path, []byte(orders.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	q, err := readQuestions(path)
	if err != nil || len(q.lines) != 100 || !slices.Equal(q.items, []string{"often", "rare, /"}) ||
		!slices.Equal(q.orders, []string{"1", "2"}) {
		t.Fatalf("%d lines, items %q, orders %q, %v", len(q.lines), q.items, q.orders, err)
	}
	random := rand.New(rand.NewPCG(1, 1))
	rare := map[string]int{}
	for _, k := range q.kinds(false) {
		for range 1000 {
			if strings.Contains(string(k.next(random)), "rare") {
				rare[k.name]++
			}
		}
	}
	if n := rare["similar, by popularity"]; n == 0 || n > 50 {
		t.Errorf("by popularity the rare one is asked about %d times of 1000", n)
	}
	if n := rare["similar, uniformly"]; n < 400 || n > 600 {
		t.Errorf("uniformly the rare one is asked about %d times of 1000", n)
	}
	different := map[string]bool{}
	for _, k := range q.kinds(true) {
		if k.name == "basket of 10" {
			for range 1000 {
				different[string(k.next(random))] = true
			}
		}
	}
	if len(different) > few {
		t.Errorf("%d different questions are to be cached", len(different))
	}
}
