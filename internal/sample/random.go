package sample

import (
	"math/bits"
	"math/rand/v2"
	"slices"
)

// source draws integers from PCG. It avoids the methods of rand.Rand, whose use of the generator may change.
type source struct{ pcg *rand.PCG }

func newSource(seed uint64) source {
	return source{rand.NewPCG(seed, 0x616c736f626f7567)}
}

// below returns a number in [0, n). The bias, n/2^64, is negligible.
func (s source) below(n int64) int64 {
	hi, _ := bits.Mul64(s.pcg.Uint64(), uint64(n))
	return int64(hi)
}

// urn draws without replacement: once it is empty, every kind has been drawn exactly as often as it was put in.
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

// wheel draws with replacement; it holds the running totals of the weights.
type wheel []int64

// newZipfWheel returns a wheel of n sectors with weights 1/(rank + offset).
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

// stride returns a step near n/φ that is coprime to n, so that i·step mod n visits 0..n-1 once each, well
// spread from the start.
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
