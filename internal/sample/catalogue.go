package sample

import "strings"

// item is an index into the catalogue.
type item int32

type product struct {
	field      string // the name as a CSV field
	consumable bool
}

// catalogue lists every product once: first those named in the trades table, then the generated ones.
type catalogue []product

func (c *catalogue) add(name string) item {
	*c = append(*c, product{field: csvField(name), consumable: consumable(name)})
	return item(len(*c) - 1)
}

// consumable reports whether a product is used up, judging by the first words of its name.
func consumable(name string) bool {
	for _, noun := range consumableNouns {
		if strings.HasPrefix(name, noun) {
			return true
		}
	}
	return false
}

var consumableNouns = []string{
	"Bailer", "Battery -", "Calibration Solution", "Cartridge", "Coverall", "Detector Tube", "Drum Label", "Ear Plugs",
	"Filter", "Glove", "Marking", "Membrane", "Rope", "Sample ", "Silica", "Sorbent", "Tedlar", "Tubing", "Wipes",
}

// family generates the names of one kind of product from a pattern such as "Sonde Cable - {metres} m - {brand}
// {model}".
type family struct {
	texts []string   // texts[i] stands before slot i, the last one at the end
	slots [][]string // the words to choose from
	names int64      // number of names: the product of the slot sizes
	step  int64
}

func newFamily(pattern string) family {
	f := family{names: 1}
	for {
		text, rest, found := strings.Cut(pattern, "{")
		f.texts = append(f.texts, text)
		if !found {
			break
		}
		slot, after, _ := strings.Cut(rest, "}")
		f.slots = append(f.slots, words[slot])
		f.names *= int64(len(words[slot]))
		pattern = after
	}
	f.step = stride(f.names)
	return f
}

// name returns the i-th name of the family; names are distinct for i below f.names. The digits of i·step mod
// f.names choose the words.
func (f family) name(i int) string {
	var b strings.Builder
	digits := int64(i) * f.step % f.names
	for s, slot := range f.slots {
		b.WriteString(f.texts[s])
		radix := int64(len(slot))
		b.WriteString(slot[digits%radix])
		digits /= radix
	}
	b.WriteString(f.texts[len(f.slots)])
	return b.String()
}

// words is only used for lookups: iteration over a map has no fixed order.
var words = map[string][]string{
	"brand": {
		"Aldmere", "Brackwell", "Corvane", "Draymoor", "Farrowby", "Halvorne", "Marlstone", "Ostwick",
		"Pellworth", "Quillane", "Sonderby", "Thornwick", "Wexcombe",
	},
	"model":   modelNumbers(),
	"inch":    {"1/8", "3/16", "1/4", "5/16", "3/8", "1/2", "5/8", "3/4", "1"},
	"polymer": {"Teflon", "Polyethylene", "Silicone", "PVC", "Nylon", "Polyurethane", "FEP-Lined"},
	"metal":   {"Stainless", "Brass", "Aluminum", "Bronze", "Zinc-Plated"},
	"gas": {
		"Isobutylene", "Methane", "Carbon Monoxide", "Hydrogen Sulfide", "Oxygen", "Sulfur Dioxide", "Hexane",
		"Propane", "Ammonia", "Chlorine",
	},
	"ppm":      {"1", "5", "10", "20", "25", "50", "100", "250", "500", "1000"},
	"amount":   {"0.5", "1.4", "2.5", "5", "10", "12", "15", "18", "20.9", "50"},
	"litres":   {"17", "34", "58", "74", "103", "116"},
	"feet":     {"10", "25", "50", "100", "150", "200", "300", "500"},
	"metres":   {"1", "2", "4", "10", "15", "20", "30", "60", "100"},
	"micron":   {"0.1", "0.22", "0.45", "0.8", "1", "5", "10", "25"},
	"size":     {"Small", "Medium", "Large", "X-Large", "2X-Large"},
	"colour":   {"Black", "Blue", "Clear", "Gray", "Green", "Orange", "White", "Yellow"},
	"pack":     {"5", "10", "12", "20", "25", "50", "100", "250"},
	"volt":     {"1.5", "3.6", "6", "7.4", "9", "12", "14.8", "24"},
	"celsius":  {"-40", "-20", "0", "20", "25", "40", "60", "100"},
	"decibel":  {"94", "104", "110", "114", "124", "130", "140"},
	"hertz":    {"10", "33", "50", "100", "250", "440", "512", "1000"},
	"millilit": {"40", "125", "250", "500", "1000", "2000"},
	"plug":     {"2-Pin", "3-Pin", "5-Pin", "6-Pin", "8-Pin", "USB-C", "Mini-USB", "RS-232"},
}

// modelNumbers returns K-410 and the like.
func modelNumbers() []string {
	var models []string
	for _, letter := range "ABCDEFGHKLMNPRSTVWXZ" {
		for number := 10; number < 100; number++ {
			models = append(models, string(letter)+"-"+string(rune('0'+number/10))+string(rune('0'+number%10))+"0")
		}
	}
	return models
}
