package orderfile

import (
	"math/big"
	"strings"
	"testing"
	"time"
)

func FuzzQuantity(f *testing.F) {
	for _, text := range []string{"1", "0.5", "-1", "+7.250", "999999999999999.999999", "1e3", "", ".", "007"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, negative, problem := parseQuantity([]byte(text))
		if problem != "" {
			return
		}
		want, ok := new(big.Rat).SetString(strings.TrimPrefix(text, "+"))
		have, _ := new(big.Rat).SetString(got.String())
		if negative {
			have.Neg(have)
		}
		if !ok || want.Cmp(have) != 0 {
			t.Fatalf("%q is %v, want %v", text, got, want)
		}
	})
}

// FuzzTime expects the same result as package time for every RFC 3339 time except the first instant of year 1.
func FuzzTime(f *testing.F) {
	for _, text := range []string{"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.5+14:00", "2024-02-29T00:00:00-00:30", "2026-01-02"} {
		f.Add(text)
	}
	strftime, err := parseTimeFormat("%Y-%m-%dT%H:%M:%S%z")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, _, ok := (&timeFormat{}).look([]byte(text), nil)
		strftime.look([]byte(text), nil)
		want, err := time.Parse(time.RFC3339, text)
		year := want.UTC().Year()
		if _, fraction, found := strings.Cut(text, "."); found && len(fraction) > len("123456789Z") {
			return // package time truncates to nanoseconds
		}
		if err == nil && 1 <= year && year <= 9999 && !want.IsZero() && (!ok || !got.Equal(want)) {
			t.Fatalf("%q is %v, want %v", text, got, want)
		}
	})
}
