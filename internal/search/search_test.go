package search

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"
)

func index(texts ...string) *Index {
	x := new(Index)
	for i, text := range texts {
		x.Add(int64(i), text)
	}
	return x
}

func TestFind(t *testing.T) {
	t.Parallel()
	x := index(
		"PID", "Cal Kit - Std - 34L Regulator 100PPM/Tedlar Bag", "Regulator", "Gloves", "Café crème 500 g",
		"شاي أخضر", "緑茶 100g", //nolint:gosmopolitan // on purpose
		"Regulator valve", "High regulator", "Deregulator", "Gas detector\nDräger X-am 2500",
	)
	for query, want := range map[string][]int64{
		"regulator":           {2, 7, 1, 8, 9}, // whole, start, start of a word, inside a word
		"REGULATOR":           {2, 7, 1, 8, 9},
		"reuglator":           {1, 2, 7, 8, 9}, // swapped
		"reglator":            {1, 2, 7, 8, 9}, // missing
		"reguulator":          {1, 2, 7, 8, 9}, // doubled
		"rigulatur":           {1, 2, 7, 8, 9}, // two wrong
		"tedlar regulator":    {1},             // any order
		"tedlr regulatpr":     {1},
		"cafe creme":          {4},
		"cafe crem 500":       {4},
		"glvoes":              {3},
		"100ppm/ted":          {1},
		"drager":              {10},
		"شاي":                 {5},
		"緑茶":                  {6}, //nolint:gosmopolitan // on purpose
		"pid":                 {0},
		"pie":                 nil, // too short for typos
		"nothing of the kind": nil,
		"":                    nil,
		" \t":                 nil,
	} {
		if diff := cmp.Diff(want, x.Find(query, 10), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	}
	if got := x.Find("regulator", 2); !slices.Equal(got, []int64{2, 7}) {
		t.Errorf("two of them: %v", got)
	}
	if got := x.Find(strings.Repeat("regulator ", 1000)+strings.Repeat("x", 10_000), 2); len(got) != 2 {
		t.Errorf("a long query: %v", got)
	}
}

// The bit vectors agree with the textbook algorithm, and signatures never rule out a match.
func TestDistance(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	draw := func(n int) string {
		letters := []rune("abcdé ")
		text := make([]rune, n)
		for i := range text {
			text[i] = letters[r.IntN(len(letters))]
		}
		return strings.TrimSpace(string(text))
	}
	for range 20_000 {
		text, query := draw(r.IntN(30)), strings.ReplaceAll(draw(1+r.IntN(12)), " ", "")
		q := newQuery(query)
		if len(q.words) == 0 {
			continue
		}
		folded := fold(text)
		want := distance([]rune(string(fold(query))), []rune(string(folded)))
		if got := q.words[0].distance(folded); got != want {
			t.Fatalf("%q in %q: %d, want %d", query, text, got, want)
		}
		s := signatureOf(folded)
		if want <= q.words[0].typos && q.signature.missing(&s, &q) {
			t.Fatalf("%q in %q: near, and taken out", query, text)
		}
		if bytes.Contains(folded, q.whole) && !q.signature.within(&s) {
			t.Fatalf("%q in %q: there, and taken out", query, text)
		}
	}
}

// distance returns the minimum edit distance between word and any substring of text.
func distance(word, text []rune) int {
	rows := make([][]int, len(word)+1)
	for i := range rows {
		rows[i] = make([]int, len(text)+1)
		rows[i][0] = i
	}
	for i := 1; i <= len(word); i++ {
		for j := 1; j <= len(text); j++ {
			differ := 1
			if word[i-1] == text[j-1] {
				differ = 0
			}
			rows[i][j] = min(rows[i-1][j-1]+differ, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && word[i-1] == text[j-2] && word[i-2] == text[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return slices.Min(rows[len(word)])
}

// BenchmarkFind searches a million names.
func BenchmarkFind(b *testing.B) {
	x := million()
	b.Logf("%d names, %d bytes", x.Len(), x.Bytes())
	for _, query := range []string{
		"regulator", "reuglator", "gasket 8mm blu", "gaskt blu steel", "a", "zz", "glvoe",
		"tape", "tpae", "nothing of the kind",
	} {
		b.Run(query, func(b *testing.B) {
			began := processorTime(b)
			n := 0
			for b.Loop() {
				x.Find(query, 20)
				n++
			}
			b.ReportMetric(float64((processorTime(b)-began).Microseconds())/1000/float64(n), "cpu-ms/op")
		})
	}
}

// processorTime returns the CPU time of this process, which other programs do not affect.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func million() *Index {
	words := strings.Fields(`
		gasket valve regulator hose clamp glove mask filter cartridge pump sensor cable battery charger bracket
		screw washer bolt nut seal ring tape paint brush roller ladder drill bit saw blade hammer wrench socket
		pliers cutter knife torch lamp switch plug fuse relay timer meter gauge probe tube pipe elbow tee
		coupling adapter nozzle tank drum pallet box bag label marker red blue green black white yellow steel
		brass copper plastic rubber nylon heavy light small large mini maxi standard premium`)
	r := rand.New(rand.NewPCG(3, 4))
	x := new(Index)
	for i := range 1_000_000 {
		w := func() string { return words[r.IntN(len(words))] }
		x.Add(int64(i), fmt.Sprintf("%s %s %s %dmm %c%05d", w(), w(), w(), 1+r.IntN(99),
			'A'+rune(r.IntN(26)), r.IntN(100_000)))
	}
	return x
}
