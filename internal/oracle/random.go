package oracle

import (
	"encoding/csv"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Shape describes a set of random orders.
type Shape struct {
	Name    string
	Orders  int
	Items   int
	MaxSize int     // items per order: uniform from 1 to MaxSize
	Skew    float64 // 0 is uniform; larger values favour the first items
	Odd     bool    // use names that are hard to quote, sort and compare
}

// Shapes returns shapes that are likely to break different things.
func Shapes() []Shape {
	return []Shape{
		{Name: "full of ties", Orders: 40, Items: 12, MaxSize: 4},
		{Name: "flat", Orders: 150, Items: 60, MaxSize: 8},
		{Name: "bestsellers", Orders: 200, Items: 80, MaxSize: 10, Skew: 2},
		{Name: "orders over max basket", Orders: 60, Items: 40, MaxSize: 30, Skew: 1},
		{Name: "single items only", Orders: 30, Items: 10, MaxSize: 1},
		{Name: "pairs only", Orders: 60, Items: 15, MaxSize: 2},
		{Name: "odd names", Orders: 80, Items: len(oddNames), MaxSize: 6, Odd: true},
	}
}

// oddNames have no surrounding white space, because loading trims it.
var oddNames = []string{
	"a", "B", "b", "Z", "Ä", "ä", "é", "ß", "SS", "i", "İ", "ı", "😀", "\uffff", "日本", "ﬁ", "fi", //nolint:gosmopolitan // on purpose
	"NA", "null", "NULL", "007", "7", "7.0", "true", "-1", "1e3", "%", "100%", "_", "\\N", "\\", "a\\b",
	"'", "''", `"`, `say "hi"`,
	"a,b", "a;b", "a/b", "a\tb", "two\nlines", "a  b", "a b", "{a,b}", "{}", "$1", "@name",
	"; DROP TABLE items; --", "<b>",
	"Cal Kit - Std - 34L Regulator 100PPM/Tedlar Bag", strings.Repeat("long ", 380) + "name",
}

// Random returns random orders of a shape. The same source gives the same orders.
func Random(rnd *rand.Rand, shape Shape) Orders {
	orders := Orders{}
	for n := range shape.Orders {
		size := 1 + rnd.IntN(shape.MaxSize)
		for range size {
			item := int(float64(shape.Items) * math.Pow(rnd.Float64(), 1+shape.Skew))
			name := fmt.Sprintf("item %d", item)
			if shape.Odd {
				name = oddNames[item]
			}
			orders.Add(fmt.Sprintf("order-%d", n), name)
		}
	}
	return orders
}

// Newest is the time of the newest order of RandomTimes, half a day after the start of daylight saving time in
// Europe.
var Newest = time.Date(2024, 3, 31, 12, 0, 0, 0, time.UTC)

// RandomTimes gives most orders a time within two years, many within a month, some exactly at the start of a
// window.
func RandomTimes(rnd *rand.Rand, orders Orders) Times {
	const day = 24 * time.Hour
	times := Times{}
	for _, id := range slices.Sorted(maps.Keys(orders)) {
		var age time.Duration
		switch rnd.IntN(7) {
		case 0:
			continue
		case 1:
			age = time.Duration([]int{0, 1, 30, 31}[rnd.IntN(4)]) * day
		case 2:
			age = time.Duration(rnd.Int64N(int64(730 * day)))
		default:
			age = time.Duration(rnd.Int64N(int64(40 * day)))
		}
		times[id] = Newest.Add(-age.Truncate(time.Second))
	}
	return times
}

// CSV writes the orders as a file with the columns order_id and item_name. Lines are shuffled and some are
// repeated.
func (o Orders) CSV(rnd *rand.Rand) string { return o.TimedCSV(rnd, nil) }

// TimedCSV is CSV with the column ordered_at if there are times, in various time zones.
func (o Orders) TimedCSV(rnd *rand.Rand, times Times) string {
	header := []string{"order_id", "item_name"}
	if times != nil {
		header = append(header, "ordered_at")
	}
	var lines [][]string
	for _, order := range slices.Sorted(maps.Keys(o)) {
		for _, item := range slices.Sorted(maps.Keys(o[order])) {
			line := []string{order, item}
			if at, known := times[order]; known {
				line = append(line, at.In(time.FixedZone("", 3600*(len(order)%5-2))).Format(time.RFC3339))
			} else if times != nil {
				line = append(line, "")
			}
			lines = append(lines, line)
			if rnd.IntN(5) == 0 {
				lines = append(lines, line)
			}
		}
	}
	rnd.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	var text strings.Builder
	w := csv.NewWriter(&text)
	_ = w.Write(header) // a strings.Builder never fails
	_ = w.WriteAll(lines)
	return text.String()
}

// RandomSettings draws settings, sometimes at the ends of their ranges.
func RandomSettings(rnd *rand.Rand) Settings {
	pick := func(values ...float64) float64 { return values[rnd.IntN(len(values))] }
	exponent := pick(0, 0.3, 0.5, 1)
	return Settings{
		MaxBasket:          int32(pick(2, 3, 5, 12, 100)),
		NeighboursKept:     int32(pick(1, 2, 3, 10, 50)),
		Shrinkage:          pick(0, 1, 20, 1e6),
		PopularityExponent: exponent,
		SimilarExponent:    exponent * pick(0, 0.5, 1),
		OverlapDiscount:    pick(0, 0.5, 1, 1),
		PopularityPrior:    pick(0, 1, 20, 1e6),
		WindowDays:         int32(pick(0, 0, 1, 30, 36500)),
		HalfLifeDays:       pick(0, 0, 0.01, 7, 365),
	}
}
