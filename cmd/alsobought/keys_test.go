package main

import (
	"testing"
	"time"
)

func TestMoment(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 7, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2027-01-31T12:00:00Z":      "2027-01-31T12:00:00Z",
		"2027-01-31T12:00:00+02:00": "2027-01-31T10:00:00Z",
		"2027-01-31":                "2027-01-31T00:00:00Z",
		"12h":                       "2026-11-24T19:00:00Z",
		"1h30m":                     "2026-11-24T08:30:00Z",
		"0s":                        "2026-11-24T07:00:00Z",
		"90d":                       "2027-02-22T07:00:00Z",
		"65535d":                    "2206-04-30T07:00:00Z",
	} {
		got, err := parseMoment(text, now)
		if err != nil || got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q is %s, error %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "tomorrow", "d", "-1d", "1.5d", "65536d", "99999999999999999999d", "-12h", "12",
		"2027-02-30", "2027-1-1", "2027-01-31 12:00:00", "2027-01-31T12:00:00",
	} {
		if got, err := parseMoment(text, now); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}

// Every accepted moment is a valid time, and every RFC 3339 time is accepted with its meaning.
func FuzzMoment(f *testing.F) {
	for _, seed := range []string{
		"2027-01-31T12:00:00Z", "2027-01-31", "12h", "90d", "", "9223372036854775807ns",
		"2562047h47m16s", "0000-01-01", "+5d",
	} {
		f.Add(seed)
	}
	now := time.Date(2026, 11, 24, 7, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseMoment(text, now)
		want, wantErr := time.Parse(time.RFC3339, text)
		if wantErr == nil && (err != nil || !got.Equal(want)) {
			t.Errorf("%q is %s, error %v, want %s", text, got, err, want)
		}
		if _, day := time.Parse(time.DateOnly, text); err == nil && wantErr != nil && day != nil && got.Before(now) {
			t.Errorf("%q is %s, before now", text, got)
		}
	})
}
