package orderfile

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
)

const maxWhole = 999_999_999_999_999 // 15 digits

// Quantity is an exact, non-negative decimal with up to 15 digits before the point and 6 after it: Whole + Micros/1e6.
type Quantity struct {
	Whole  int64
	Micros int32 // millionths, 0 to 999,999
}

// IsZero reports whether no quantity was given: a given one is always positive.
func (q Quantity) IsZero() bool { return q == Quantity{} }

// String formats q as a decimal without trailing zeros.
func (q Quantity) String() string {
	s := strconv.FormatInt(q.Whole, 10)
	if q.Micros == 0 {
		return s
	}
	fraction := strconv.FormatInt(int64(q.Micros)+1_000_000, 10)[1:]
	return s + "." + strings.TrimRight(fraction, "0")
}

// minus returns q - less, or zero if that is negative.
func (q Quantity) minus(less Quantity) Quantity {
	left := Quantity{q.Whole - less.Whole, q.Micros - less.Micros}
	if left.Micros < 0 {
		left.Whole, left.Micros = left.Whole-1, left.Micros+1_000_000
	}
	if left.Whole < 0 {
		return Quantity{}
	}
	return left
}

// parseNumber parses a number as people write it: with currency signs, with brackets or a trailing sign for negative
// numbers, with thousands separators, and with either decimal separator.
func parseNumber(b []byte, d decimal) (q Quantity, negative bool, problem string) {
	if q, negative, problem = parseQuantity(b); problem == "" && (d != decimalComma || !hasGroups(b)) || len(b) > 40 {
		return q, negative, problem
	}
	text := strings.Replace(string(b), "\u2212", "-", 1) // U+2212 is the minus sign that is not a hyphen
	if inner, found := strings.CutPrefix(text, "("); found {
		if text, found = strings.CutSuffix(inner, ")"); found {
			text = "-" + text
		}
	}
	if inner, found := strings.CutSuffix(text, "-"); found {
		text = "-" + inner
	}
	separators := []string{"'", "’", " ", "\u00a0", "\u202f"}
	switch d {
	case decimalComma:
		separators = append(separators, ".")
	case decimalPoint:
		separators = append(separators, ",")
	case decimalUnknown, decimalMixed:
		var c commas
		if c.take(b); c.decimalComma && d == decimalUnknown {
			return parseNumber(b, decimalComma)
		}
		d = decimalPoint
		if strings.Contains(text, ",") {
			problem = "a comma that may be decimal, or not: say --decimal , or --decimal ."
		}
	}
	sign := ""
	if strings.HasPrefix(text, "-") || strings.HasPrefix(text, "+") {
		sign, text = text[:1], text[1:]
	}
	text = strings.TrimFunc(text, func(r rune) bool { return unicode.In(r, unicode.Sc, unicode.Zs) })
	if strings.HasPrefix(text, "-") && sign == "" {
		sign, text = "-", text[1:]
	}
	whole, fraction, _ := strings.Cut(text, string(d))
	for _, t := range separators {
		if groups := strings.Split(whole, t); len(groups) > 1 && grouped(groups) {
			whole = strings.Join(groups, "")
			break
		}
	}
	text = sign + whole
	if fraction != "" {
		text += "." + fraction
	}
	if cleaned, minus, wrong := parseQuantity([]byte(text)); wrong == "" {
		return cleaned, minus, ""
	}
	return q, negative, problem
}

// hasGroups reports whether the points of a number may be thousands separators, as in 1.000.
func hasGroups(b []byte) bool {
	return bytes.IndexByte(b, '.') >= 0 && grouped(strings.Split(strings.TrimLeft(string(b), "+-"), "."))
}

// grouped reports whether the digits are grouped in thousands.
func grouped(groups []string) bool {
	for i, g := range groups {
		if i == 0 && (g == "" || g == "0" || len(g) > 3) || i > 0 && len(g) != 3 {
			return false
		}
	}
	return true
}

// parseQuantity parses digits with an optional sign and an optional decimal point. problem says what is wrong, "" if
// nothing is. Exponents and thousands separators are not allowed: 1,000 is 1 in half of the world.
func parseQuantity(b []byte) (q Quantity, negative bool, problem string) {
	if len(b) == 0 {
		return q, false, "empty"
	}
	i := 0
	negative = b[0] == '-'
	if negative || b[0] == '+' {
		i++
	}
	digits := 0
	for ; i < len(b) && isDigit(b[i]); i++ {
		digits++
		if q.Whole = q.Whole*10 + int64(b[i]-'0'); q.Whole > maxWhole {
			return q, negative, "more than 15 digits before the point"
		}
	}
	if i < len(b) && b[i] == '.' {
		i++
		scale := int32(1_000_000)
		for ; i < len(b) && isDigit(b[i]); i++ {
			digits++
			if scale /= 10; scale == 0 {
				return q, negative, "more than 6 digits after the point"
			}
			q.Micros += int32(b[i]-'0') * scale
		}
	}
	if i < len(b) || digits == 0 {
		return q, negative, "not a decimal number"
	}
	return q, negative, ""
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
