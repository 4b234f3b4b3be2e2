package oracle

import (
	"encoding/csv"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// Shape describes random orders.
type Shape struct {
	Name    string
	Orders  int
	Items   int
	MaxSize int     // items per order: 1 to MaxSize, each size as likely
	Skew    float64 // 0 draws every item as often, more draws the first ones more often
	Odd     bool    // names that are hard to quote, to sort and to compare
}

// Shapes are different in what they are likely to break.
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

// oddNames have no outer white space, because a loader trims that.
var oddNames = []string{
	"a", "B", "b", "Z", "Ä", "ä", "a\u0308", "é", "ß", "SS", "i", "İ", "ı", "😀", "\uffff", "日本", "ﬁ", "fi", //nolint:gosmopolitan // other scripts are the point
	"NA", "null", "NULL", "007", "7", "7.0", "true", "-1", "1e3", "%", "100%", "_", "\\N", "\\", "a\\b", "'", "''", `"`, `say "hi"`,
	"a,b", "a;b", "a/b", "a\tb", "two\nlines", "a  b", "a b", "{a,b}", "{}", "$1", "@name", "; DROP TABLE items; --", "<b>",
	"Cal Kit - Std - 34L Regulator 100PPM/Tedlar Bag", strings.Repeat("long ", 380) + "name",
}

// Random makes orders of a shape. The same source makes the same orders.
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

// CSV writes the orders as a file with the columns order_id and item_name. The lines are shuffled, and some of them stand there twice.
func (o Orders) CSV(rnd *rand.Rand) string {
	var lines [][]string
	for _, order := range slices.Sorted(maps.Keys(o)) {
		for _, item := range slices.Sorted(maps.Keys(o[order])) {
			lines = append(lines, []string{order, item})
			if rnd.IntN(5) == 0 {
				lines = append(lines, []string{order, item})
			}
		}
	}
	rnd.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	var text strings.Builder
	w := csv.NewWriter(&text)
	_ = w.Write([]string{"order_id", "item_name"}) // a strings.Builder never fails
	_ = w.WriteAll(lines)
	return text.String()
}

// RandomSettings draws settings, the ends of each range now and then.
func RandomSettings(rnd *rand.Rand) Settings {
	pick := func(values ...float64) float64 { return values[rnd.IntN(len(values))] }
	exponent := pick(0, 0.3, 0.5, 1)
	return Settings{
		MaxBasket:          int32(pick(2, 3, 5, 12, 100)),
		NeighboursKept:     int32(pick(1, 2, 3, 10, 50)),
		Shrinkage:          pick(0, 1, 20, 1e6),
		PopularityExponent: exponent,
		SimilarExponent:    exponent * pick(0, 0.5, 1),
	}
}
