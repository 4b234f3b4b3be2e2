package sample_test

import (
	"cmp"
	"encoding/csv"
	"errors"
	"io"
	"iter"
	"math"
	"slices"
	"testing"

	"github.com/alsobought/alsobought/internal/sample"
)

// recount counts the rows again with plain maps, without code of the package.
type recount struct {
	names   []string
	baskets [][]int // item numbers, in order of appearance
	lines   int
	holding []int // orders, by item number
	shared  map[[2]int]pairCount
	counted []int // orders with two or more items, by item number
}

type pairCount struct {
	orders int
	weight float64 // sum of 1/(size-1) over those orders
}

// rows yields the rows after the header while they are being written.
func rows(t *testing.T, cfg sample.Config) iter.Seq[[]string] {
	t.Helper()
	seq, _ := rowsAndStats(t, cfg)
	return seq
}

func rowsAndStats(t *testing.T, cfg sample.Config) (iter.Seq[[]string], func() sample.Stats) {
	t.Helper()
	pr, pw := io.Pipe()
	t.Cleanup(func() { _ = pr.Close() })
	var stats sample.Stats
	go func() {
		var err error
		stats, err = sample.Write(pw, cfg)
		pw.CloseWithError(err) // io.EOF if nil; the reader sees stats only after it
	}()
	seq := func(yield func([]string) bool) {
		r := csv.NewReader(pr)
		r.FieldsPerRecord = 5
		header, err := r.Read()
		want := []string{"order_id", "item_name", "quantity", "ordered_at", "customer_id"}
		if err != nil || !slices.Equal(header, want) {
			t.Fatalf("header is %q (%v), want %q", header, err, want)
		}
		for {
			row, err := r.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !yield(row) {
				return
			}
		}
	}
	return seq, func() sample.Stats { return stats }
}

func recountSample(t *testing.T, cfg sample.Config) (*recount, sample.Stats) {
	t.Helper()
	c := &recount{shared: map[[2]int]pairCount{}}
	numbers := map[string]int{}
	order := ""
	seq, stats := rowsAndStats(t, cfg)
	for row := range seq {
		it, known := numbers[row[1]]
		if !known {
			it = len(c.names)
			numbers[row[1]] = it
			c.names = append(c.names, row[1])
		}
		if row[0] != order {
			order = row[0]
			c.baskets = append(c.baskets, nil)
		}
		last := len(c.baskets) - 1
		if slices.Contains(c.baskets[last], it) {
			t.Fatalf("order %s holds %q twice", order, row[1])
		}
		c.baskets[last] = append(c.baskets[last], it)
		c.lines++
	}

	c.holding = make([]int, len(c.names))
	c.counted = make([]int, len(c.names))
	for _, basket := range c.baskets {
		for i, a := range basket {
			c.holding[a]++
			if len(basket) > 1 {
				c.counted[a]++
			}
			for _, b := range basket[i+1:] {
				pair := [2]int{min(a, b), max(a, b)}
				n := c.shared[pair]
				n.orders++
				n.weight += 1 / float64(len(basket)-1)
				c.shared[pair] = n
			}
		}
	}
	return c, stats()
}

func (c *recount) figures() figures {
	f := figures{
		Orders: len(c.baskets), Lines: c.lines, Items: len(c.names), Pairs: len(c.shared),
		MinSize:       math.MaxInt,
		Holding:       map[string]int{},
		HoldingPIDAnd: map[string]int{},
	}
	for _, basket := range c.baskets {
		f.MinSize = min(f.MinSize, len(basket))
		f.MaxSize = max(f.MaxSize, len(basket))
	}
	for _, name := range []string{pid, waterLevelMeter, calKit, ysi, horiba, gloves} {
		f.Holding[name] = c.holding[slices.Index(c.names, name)]
	}
	for _, name := range []string{calKit, waterLevelMeter, gloves} {
		a, b := slices.Index(c.names, pid), slices.Index(c.names, name)
		f.HoldingPIDAnd[name] = c.shared[[2]int{min(a, b), max(a, b)}].orders
	}
	for it, name := range c.names {
		if _, famous := f.Holding[name]; !famous && c.holding[it] >= f.Holding[horiba] {
			f.AboveHoriba = append(f.AboveHoriba, name)
		}
	}
	return f
}

// similar ranks the items that share orders with an item by the default measure: the best 50 by affinity, then
// by affinity and a little popularity.
func (c *recount) similar(name string) []string {
	type neighbour struct {
		item     int
		affinity float64
		rank     float64
	}
	i := slices.Index(c.names, name)
	var found []neighbour
	for pair, n := range c.shared {
		if pair[0] != i && pair[1] != i {
			continue
		}
		j := pair[0] + pair[1] - i
		together, popularity := float64(n.orders), float64(c.counted[j])
		affinity := together / (together + 20) * n.weight / (float64(c.counted[i]) * math.Pow(popularity, 0.3))
		found = append(found, neighbour{j, affinity, affinity * math.Pow(popularity, 0.1)})
	}
	tie := func(a, b neighbour) int {
		return cmp.Or(cmp.Compare(c.counted[b.item], c.counted[a.item]), cmp.Compare(c.names[a.item], c.names[b.item]))
	}
	slices.SortFunc(found, func(a, b neighbour) int { return cmp.Or(cmp.Compare(b.affinity, a.affinity), tie(a, b)) })
	found = found[:min(50, len(found))]
	slices.SortFunc(found, func(a, b neighbour) int { return cmp.Or(cmp.Compare(b.rank, a.rank), tie(a, b)) })
	var names []string
	for _, n := range found {
		names = append(names, c.names[n.item])
	}
	return names
}
