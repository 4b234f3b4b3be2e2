// Package search is an in-memory index that finds names by any substring and tolerates typos.
//
// A query over a million names takes some hundredths of a second. The index needs about 60 bytes per name on top of the
// text.
//
// Find scans all names in order, but a signature of each name's letters and letter pairs rules out nearly all of them:
// a name must have those of the query, minus what typos can remove. Typos are counted as optimal string alignment
// distance (restricted Damerau–Levenshtein) between a word and the closest substring of a name, with bit vectors (Myers
// 1999; Hyyrö 2003 for transpositions).
package search

import (
	"bytes"
	"math/bits"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Index is filled by Add, most important text first. After that, Find may be called concurrently.
type Index struct {
	text       []byte
	ends       []uint32
	ids        []int64
	signatures []signature
}

// signature is a Bloom filter with one hash: a bit per letter of a text and a bit per pair of adjacent letters.
type signature struct {
	letters uint64
	pairs   [2]uint64
}

// MaxText is the maximum size in bytes of an Index's text. The rest of the Index brings it to less than 1 GB.
const MaxText = 256 << 20

// Add adds the texts of one id. It reports false, and adds nothing, if they do not fit into MaxText.
func (x *Index) Add(id int64, texts ...string) bool {
	folded := fold(strings.Join(texts, "\n"))
	if len(x.text)+len(folded) > MaxText {
		return false
	}
	x.text = append(x.text, folded...)
	x.ends = append(x.ends, uint32(len(x.text)))
	x.ids = append(x.ids, id)
	x.signatures = append(x.signatures, signatureOf(folded))
	return true
}

// Len returns the number of ids.
func (x *Index) Len() int { return len(x.ids) }

// Bytes returns the approximate memory use of the index.
func (x *Index) Bytes() int {
	return cap(x.text) + 4*cap(x.ends) + 8*cap(x.ids) + 24*cap(x.signatures)
}

// Longer queries are truncated.
const (
	maxWords = 8
	maxWord  = 64 // letters: one bit each
)

// These bound the time of a query: how many exact matches are ranked, and how many texts are compared with typos.
const (
	ranked = 20_000
	looked = 100_000
)

// Find returns the ids of at most limit texts that contain every word of the query: whole texts first, then texts that
// start with the query, then texts with a word that starts with it, each in the order of Add. If there are too few,
// texts follow whose words have one typo, or two in long words.
func (x *Index) Find(query string, limit int) []int64 {
	q := newQuery(query)
	if len(q.words) == 0 || limit < 1 {
		return nil
	}
	best := newRanking(limit)
	left := ranked
	for i := range x.signatures {
		if !q.signature.within(&x.signatures[i]) {
			continue
		}
		if place, has := q.in(x.at(i)); has {
			best.add(place, i)
			if left--; left == 0 {
				break
			}
		}
	}
	if len(best.list) < limit && q.typos > 0 {
		x.findSimilar(&q, best)
	}
	ids := make([]int64, len(best.list))
	for i, hit := range best.list {
		ids[i] = x.ids[hit.at]
	}
	return ids
}

// findSimilar appends texts that match with typos.
func (x *Index) findSimilar(q *query, best *ranking) {
	found := map[int]bool{}
	for _, hit := range best.list {
		found[hit.at] = true
	}
	left := looked
	for i := range x.signatures {
		if q.signature.missing(&x.signatures[i], q) || found[i] {
			continue
		}
		if cost, near := q.near(x.at(i)); near {
			best.add(16+cost, i)
		}
		if left--; left == 0 {
			return
		}
	}
}

func (x *Index) at(i int) []byte {
	begin := uint32(0)
	if i > 0 {
		begin = x.ends[i-1]
	}
	return x.text[begin:x.ends[i]]
}

// query is a parsed query.
type query struct {
	whole     []byte
	words     []word
	signature signature
	bits      int // set in signature.pairs
	typos     int // allowed in all words
}

type word struct {
	text   []byte
	typos  int
	length int
	ascii  [utf8.RuneSelf]uint64 // bit i: the letter is at position i
	others map[rune]uint64
}

func newQuery(text string) query {
	var q query
	fields := strings.Fields(string(fold(text)))
	for _, field := range fields[:min(len(fields), maxWords)] {
		w := word{others: map[rune]uint64{}}
		for i, r := range []rune(field) {
			if i == maxWord {
				break
			}
			w.text = utf8.AppendRune(w.text, r)
			w.length++
			if r < utf8.RuneSelf {
				w.ascii[r] |= 1 << i
			} else {
				w.others[r] |= 1 << i
			}
		}
		switch {
		case w.length >= 8:
			w.typos = 2
		case w.length >= 4:
			w.typos = 1
		}
		q.typos += w.typos
		s := signatureOf(w.text)
		q.signature.letters |= s.letters
		q.signature.pairs[0] |= s.pairs[0]
		q.signature.pairs[1] |= s.pairs[1]
		q.words = append(q.words, w)
		q.whole = append(append(q.whole, w.text...), ' ')
	}
	q.whole = bytes.TrimSuffix(q.whole, []byte(" "))
	q.bits = bits.OnesCount64(q.signature.pairs[0]) + bits.OnesCount64(q.signature.pairs[1])
	return q
}

// in reports whether a text has every word. A lower place is a better match.
func (q *query) in(text []byte) (place int, has bool) {
	for i := range q.words {
		if !bytes.Contains(text, q.words[i].text) {
			return 0, false
		}
	}
	at := bytes.Index(text, q.whole)
	switch {
	case at < 0:
		return 4, true
	case len(text) == len(q.whole):
		return 0, true
	case at == 0:
		return 1, true
	case !isLetter(text[at-1]):
		return 2, true
	}
	return 3, true
}

// isLetter treats all non-ASCII bytes as letters.
func isLetter(b byte) bool {
	return b >= utf8.RuneSelf || 'a' <= b && b <= 'z' || '0' <= b && b <= '9'
}

// near reports whether every word matches within its typos, and returns the total distance.
func (q *query) near(text []byte) (cost int, near bool) {
	for i := range q.words {
		d := q.words[i].distance(text)
		if d > q.words[i].typos {
			return 0, false
		}
		cost += d
	}
	return cost, true
}

// distance returns the optimal string alignment distance between the word and the closest substring of text: the number
// of letters to change, add, remove or swap with the next.
func (w *word) distance(text []byte) int {
	score, best := w.length, w.length
	last := uint64(1) << (w.length - 1)
	positive, negative := ^uint64(0), uint64(0)
	var diagonal, before uint64
	for i := 0; i < len(text); {
		var match uint64
		if b := text[i]; b < utf8.RuneSelf {
			match = w.ascii[b]
			i++
		} else {
			r, size := utf8.DecodeRune(text[i:])
			match = w.others[r]
			i += size
		}
		swapped := ((^diagonal & match) << 1) & before
		diagonal = (((match & positive) + positive) ^ positive) | match | negative | swapped
		up, down := negative|^(diagonal|positive), diagonal&positive
		if up&last != 0 {
			score++
		} else if down&last != 0 {
			score--
		}
		up <<= 1
		positive, negative = down<<1|^(diagonal|up), diagonal&up
		before = match
		best = min(best, score)
	}
	return best
}

// within reports whether other has all bits of s.
func (s *signature) within(other *signature) bool {
	return s.letters&^other.letters|s.pairs[0]&^other.pairs[0]|s.pairs[1]&^other.pairs[1] == 0
}

// missing reports whether other lacks more bits than the query's typos can explain: a typo affects one letter and, if
// it is a swap, up to three pairs.
func (s *signature) missing(other *signature, q *query) bool {
	if bits.OnesCount64(s.letters&^other.letters) > q.typos {
		return true
	}
	pairs := bits.OnesCount64(s.pairs[0]&^other.pairs[0]) + bits.OnesCount64(s.pairs[1]&^other.pairs[1])
	return pairs > min(3*q.typos, q.bits)
}

func signatureOf(folded []byte) (s signature) {
	before := rune(' ')
	for i := 0; i < len(folded); {
		r, size := rune(folded[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(folded[i:])
		}
		i += size
		if r != ' ' {
			s.letters |= 1 << (hash(r, 0) % 64)
		}
		if r != ' ' && before != ' ' {
			h := hash(before, r) % 128
			s.pairs[h/64] |= 1 << (h % 64)
		}
		before = r
	}
	return s
}

func hash(a, b rune) uint32 {
	h := uint32(a)*0x9e3779b1 ^ uint32(b)*0x85ebca77
	h ^= h >> 15
	h *= 0x2c1b3c6d
	return h ^ h>>13
}

// fold removes what people do not type: case, accents and compatibility forms.
func fold(text string) []byte {
	folded := make([]byte, 0, len(text))
	for i := range len(text) {
		b := text[i]
		if b >= utf8.RuneSelf {
			return foldAny(text)
		}
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		folded = append(folded, b)
	}
	return folded
}

func foldAny(text string) []byte {
	folded := make([]byte, 0, len(text))
	for _, r := range norm.NFKD.String(text) {
		if unicode.Is(unicode.Mn, r) {
			continue
		}
		folded = utf8.AppendRune(folded, unicode.ToLower(r))
	}
	return folded
}

// ranking keeps the best hits up to its limit.
type ranking struct {
	limit int
	list  []hit
}

type hit struct{ cost, at int }

func newRanking(limit int) *ranking { return &ranking{limit, make([]hit, 0, limit+1)} }

// add takes hits in the order of at, so that among equal costs the earlier hit ranks first.
func (r *ranking) add(cost, at int) {
	if len(r.list) == r.limit && r.list[len(r.list)-1].cost <= cost {
		return
	}
	place, _ := slices.BinarySearchFunc(r.list, cost+1, func(h hit, cost int) int { return h.cost - cost })
	r.list = slices.Insert(r.list, place, hit{cost, at})
	r.list = r.list[:min(len(r.list), r.limit)]
}
