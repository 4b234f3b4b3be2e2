package orderfile

import (
	"strconv"
	"strings"
)

const maxWhole = 999_999_999_999_999 // 15 digits

// Quantity is an exact decimal number of up to 15 digits before the point and 6 after it. As a numeric(21,6) its
// unscaled value is Whole*1e6 + Micros; most quantities have no fraction and travel as an int64.
type Quantity struct {
	Whole  int64
	Micros int32 // millionths, 0 to 999,999
}

// IsZero reports whether no quantity was given: one that was given is above 0.
func (q Quantity) IsZero() bool { return q == Quantity{} }

// String writes q as a decimal number without superfluous zeros.
func (q Quantity) String() string {
	s := strconv.FormatInt(q.Whole, 10)
	if q.Micros == 0 {
		return s
	}
	fraction := strconv.FormatInt(int64(q.Micros)+1_000_000, 10)[1:]
	return s + "." + strings.TrimRight(fraction, "0")
}

// parseQuantity reads digits with an optional sign and an optional point. It says what is wrong in words, "" when nothing
// is. There are no exponents and no separators of thousands: 1,000 is 1 in half of the world.
func parseQuantity(b []byte) (Quantity, string) {
	var q Quantity
	if len(b) == 0 {
		return q, "empty"
	}
	i, negative := 0, b[0] == '-'
	if negative || b[0] == '+' {
		i++
	}
	digits := 0
	for ; i < len(b) && isDigit(b[i]); i++ {
		digits++
		if q.Whole = q.Whole*10 + int64(b[i]-'0'); q.Whole > maxWhole {
			return q, "more than 15 digits before the point"
		}
	}
	if i < len(b) && b[i] == '.' {
		i++
		scale := int32(1_000_000)
		for ; i < len(b) && isDigit(b[i]); i++ {
			digits++
			if scale /= 10; scale == 0 {
				return q, "more than 6 digits after the point"
			}
			q.Micros += int32(b[i]-'0') * scale
		}
	}
	switch {
	case i < len(b) || digits == 0:
		return q, "not a decimal number"
	case negative || q.IsZero():
		return q, "not above 0"
	}
	return q, ""
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
