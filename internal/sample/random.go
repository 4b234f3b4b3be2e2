package sample

import (
	"math/bits"
	"math/rand/v2"
	"slices"
)

// source draws integers. It uses the PCG generator alone, whose stream is
// fixed, and none of rand.Rand's methods, whose way of using it is not.
type source struct{ pcg *rand.PCG }

func newSource(seed uint64) source {
	return source{rand.NewPCG(seed, 0x616c736f626f7567)}
}

// below returns a number in [0, n). Its bias, n/2^64, is of no account here.
func (s source) below(n int64) int64 {
	hi, _ := bits.Mul64(s.pcg.Uint64(), uint64(n))
	return int64(hi)
}

// urn holds so many balls of each kind. Drawing takes a ball out, so when the
// urn is empty every kind has come exactly as often as it was put in.
type urn struct {
	left  []int64
	total int64
}

func newUrn(counts []int64) *urn {
	u := &urn{left: counts}
	for _, n := range counts {
		u.total += n
	}
	return u
}

func (u *urn) draw(rnd source) int {
	at := rnd.below(u.total)
	kind := 0
	for at >= u.left[kind] {
		at -= u.left[kind]
		kind++
	}
	u.left[kind]--
	u.total--
	return kind
}

// wheel holds the running totals of weights; spinning it changes nothing.
type wheel []int64

// newZipfWheel makes n sectors whose weights fall like 1/(rank + offset).
func newZipfWheel(n int, offset int64) wheel {
	w := make(wheel, n)
	var total int64
	for rank := range w {
		total += 1_000_000_000 / (int64(rank) + offset)
		w[rank] = total
	}
	return w
}

func (w wheel) spin(rnd source) int {
	at := rnd.below(w[len(w)-1])
	// The first sector that ends after at.
	sector, _ := slices.BinarySearch(w, at+1)
	return sector
}

// stride returns a step near n/φ that shares no factor with n, so that
// i·step mod n visits 0..n-1 once each, well spread from the start.
func stride(n int64) int64 {
	step := max(1, n*618/1000)
	for gcd(step, n) != 1 {
		step++
	}
	return step
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
