package orderfile

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// timeFormat is a compiled format of times, one step per directive; see Options.TimeFormat. The zero timeFormat is the
// family of ISO 8601 formats.
type timeFormat struct {
	steps   string         // the format without shorthands: pairs of '%' and directive, and literal bytes
	zone    *time.Location // of times without a zone
	order   dateOrder
	settled bool // order is final: reject dates that it leaves ambiguous
}

const timeDirectives = "YymdebBHIpMSfz%"

// parseTimeFormat checks a format and expands its shorthands.
func parseTimeFormat(format string) (timeFormat, error) {
	steps := strings.NewReplacer("%%", "%%", "%F", "%Y-%m-%d", "%T", "%H:%M:%S").Replace(format)
	for i := 0; i < len(steps); i++ {
		if steps[i] != '%' {
			continue
		}
		i++
		if i == len(steps) || strings.IndexByte(timeDirectives, steps[i]) < 0 {
			return timeFormat{}, fmt.Errorf("time format %q: use %%Y %%y %%m %%d %%e %%b %%B %%H %%I %%p %%M %%S %%f %%z %%F %%T %%%%", format)
		}
	}
	if format != "" && !(names(steps, "Yy") && names(steps, "mbB") && names(steps, "de")) {
		return timeFormat{}, fmt.Errorf("time format %q: it has to name a year, a month and a day, as in %%Y-%%m-%%d", format)
	}
	return timeFormat{steps: steps, zone: time.UTC}, nil
}

// names reports whether steps contains one of the directives.
func names(steps, directives string) bool {
	return strings.ContainsFunc(directives, func(d rune) bool { return strings.Contains(steps, "%"+string(d)) })
}

// look parses a time, in the row's own zone if it has one. ok is false if b is not a time in the years 1 to 9999. seen
// is what this time reveals about the order of dates.
func (f *timeFormat) look(b []byte, zone *time.Location) (at time.Time, seen dateOrder, ok bool) {
	p := newTimeParser(b)
	if f.steps != "" {
		p.follow(f.steps)
	} else if p.iso(); !p.ok || len(p.rest) > 0 {
		p = newTimeParser(b)
		seen = p.common(f.order)
		p.ok = p.ok && !(seen.unsure && f.settled && !f.order.decided())
	}
	switch {
	case p.location != nil:
	case zone != nil:
		p.location = zone
	default:
		p.location = f.zone
	}
	at, ok = p.time()
	return at, seen, ok
}

// timeParser parses a time from left to right. Once something does not match, ok stays false.
type timeParser struct {
	rest []byte
	ok   bool

	year, month, day, hour, minute, second, nanos int

	half     byte           // 'a' or 'p' on a 12-hour clock
	zoned    bool           // the time has an offset or a location:
	offset   int            // seconds east of UTC
	location *time.Location // or its zone
}

func newTimeParser(b []byte) timeParser { return timeParser{rest: b, ok: true, month: 1, day: 1} }

func (p *timeParser) iso() {
	p.year = p.number(4, 4)
	p.literal('-')
	p.month = p.number(2, 2)
	p.literal('-')
	p.day = p.number(2, 2)
	if !p.ok || len(p.rest) == 0 {
		return
	}
	if !p.skip('T') && !p.skip('t') {
		p.literal(' ')
	}
	p.hour = p.number(2, 2)
	p.literal(':')
	p.minute = p.number(2, 2)
	if p.skip(':') {
		p.second = p.number(2, 2)
		if p.skip('.') || p.skip(',') {
			p.fraction()
		}
	}
	if p.ok && len(p.rest) > 0 {
		p.skip(' ')
		p.zone()
	}
}

func (p *timeParser) follow(steps string) {
	for i := 0; i < len(steps) && p.ok; i++ {
		switch c := steps[i]; c {
		case ' ':
			p.rest = bytes.TrimLeft(p.rest, " \t")
		case '%':
			i++
			p.directive(steps[i])
		default:
			p.literal(c)
		}
	}
}

func (p *timeParser) directive(d byte) {
	switch d {
	case 'Y':
		p.year = p.number(1, 4)
	case 'y':
		if p.year = 2000 + p.number(1, 2); p.year >= 2069 { // as in POSIX
			p.year -= 100
		}
	case 'm':
		p.month = p.number(1, 2)
	case 'd', 'e':
		p.rest = bytes.TrimLeft(p.rest, " ")
		p.day = p.number(1, 2)
	case 'b', 'B':
		p.monthName()
	case 'H':
		p.hour = p.number(1, 2)
	case 'I':
		p.hour = p.number(1, 2)
		p.ok = p.ok && 1 <= p.hour && p.hour <= 12
	case 'p':
		p.halfDay()
	case 'M':
		p.minute = p.number(1, 2)
	case 'S':
		p.second = p.number(1, 2)
	case 'f':
		p.fraction()
	case 'z':
		p.zone()
	case '%':
		p.literal('%')
	}
}

var year10000 = time.Date(10_000, time.January, 1, 0, 0, 0, 0, time.UTC)

// time assembles the parts. It rejects parts out of range, which time.Date would carry over into the next month.
func (p *timeParser) time() (time.Time, bool) {
	if !p.ok || len(p.rest) > 0 || p.hour > 23 || p.minute > 59 || p.second > 59 || p.half != 0 && p.hour > 12 {
		return time.Time{}, false
	}
	switch {
	case p.half == 'a' && p.hour == 12:
		p.hour = 0
	case p.half == 'p' && p.hour < 12:
		p.hour += 12
	}
	if p.month < 1 || p.month > 12 || p.day < 1 {
		return time.Time{}, false
	}
	at := time.Date(p.year, time.Month(p.month), p.day, p.hour, p.minute, p.second, p.nanos, time.UTC)
	if p.day > 28 && at.Day() != p.day {
		return time.Time{}, false
	}
	switch {
	case p.offset != 0:
		at = at.Add(-time.Duration(p.offset) * time.Second)
	case !p.zoned && p.location != nil && p.location != time.UTC:
		at = time.Date(p.year, time.Month(p.month), p.day, p.hour, p.minute, p.second, p.nanos, p.location).UTC()
	}
	// The first instant of year 1 is Go's zero time, which means "not given".
	return at, at.After(time.Time{}) && at.Before(year10000)
}

// number parses a number of least to most digits, as many as there are.
func (p *timeParser) number(least, most int) int {
	n, digits := 0, 0
	for digits < most && digits < len(p.rest) && isDigit(p.rest[digits]) {
		n = n*10 + int(p.rest[digits]-'0')
		digits++
	}
	p.ok = p.ok && digits >= least
	p.rest = p.rest[digits:]
	return n
}

func (p *timeParser) fraction() {
	before := len(p.rest)
	p.nanos = p.number(1, 9)
	for range 9 - (before - len(p.rest)) {
		p.nanos *= 10
	}
}

func (p *timeParser) skip(c byte) bool {
	found := len(p.rest) > 0 && p.rest[0] == c
	if found {
		p.rest = p.rest[1:]
	}
	return found
}

func (p *timeParser) literal(c byte) { p.ok = p.skip(c) && p.ok }

func (p *timeParser) zone() {
	p.zoned = true
	if p.skip('Z') || p.skip('z') {
		return
	}
	east := 1
	if p.skip('-') {
		east = -1
	} else {
		p.literal('+')
	}
	hours, minutes := p.number(2, 2), 0
	if p.skip(':') || len(p.rest) > 0 && isDigit(p.rest[0]) {
		minutes = p.number(2, 2)
	}
	p.ok = p.ok && hours <= 23 && minutes <= 59
	p.offset = east * (hours*60 + minutes) * 60
}

// monthName parses an English month name, in full or its first three letters.
func (p *timeParser) monthName() {
	letters := 0
	for letters < len(p.rest) && isLetter(p.rest[letters]) {
		letters++
	}
	word := string(p.rest[:letters])
	p.rest = p.rest[letters:]
	for m := time.January; m <= time.December; m++ {
		if strings.EqualFold(word, m.String()) || strings.EqualFold(word, m.String()[:3]) {
			p.month = int(m)
			return
		}
	}
	p.ok = false
}

func (p *timeParser) halfDay() {
	if len(p.rest) < 2 || p.rest[1]|0x20 != 'm' {
		p.ok = false
		return
	}
	p.half = p.rest[0] | 0x20
	p.ok = p.ok && (p.half == 'a' || p.half == 'p')
	p.rest = p.rest[2:]
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
