package orderfile

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"
)

// dateOrder tells whether the day or the month comes first in numeric dates that end in the year. A single number above
// 12, anywhere in the file, settles it.
type dateOrder struct {
	dayFirst, monthFirst bool // saw a date that allows only this order
	unsure               bool // saw a date that allows both
}

func (d dateOrder) decided() bool { return d.dayFirst != d.monthFirst }

// dayComesFirst reports how to read dates that allow both orders.
func (d dateOrder) dayComesFirst() bool { return d.dayFirst && !d.monthFirst }

// common parses times other than ISO 8601 as people and programs write them: numeric dates separated by '/', '.', '-'
// or spaces; names of months and weekdays; 12-hour clocks; seconds, milliseconds and microseconds since 1970;
// spreadsheet day numbers; and dates without separators. In dates with dots the day comes first.
func (p *timeParser) common(order dateOrder) (seen dateOrder) {
	p.rest = yearLast(trimWeekday(bytes.Trim(p.rest, " ")))
	if digits := leadingDigits(p.rest); digits >= 5 && (digits == len(p.rest) || p.rest[digits] == '.') {
		p.instant(digits)
		return seen
	}
	seen = p.date(order)
	if !p.ok || len(p.rest) == 0 {
		return seen
	}
	p.skip(',')
	if !p.skip('T') && !p.skip(':') {
		p.rest = bytes.TrimLeft(p.rest, " ")
	}
	if at, found := bytes.CutPrefix(p.rest, []byte("at ")); found {
		p.rest = at
	}
	p.clock()
	return seen
}

func leadingDigits(b []byte) int {
	n := 0
	for n < len(b) && isDigit(b[n]) {
		n++
	}
	return n
}

// instant parses a time that is a single number.
func (p *timeParser) instant(digits int) {
	text := string(p.rest)
	p.rest = nil
	p.zoned = true
	switch whole, err := strconv.ParseInt(text[:digits], 10, 64); {
	case err != nil:
		p.ok = false
	case digits == 5: // days since 1899-12-30, in any time zone
		days, err := strconv.ParseFloat(text, 64)
		seconds := time.Duration(days*86400+0.5) * time.Second
		p.ok = err == nil && whole >= 10_000
		p.at(time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).Add(seconds))
		p.zoned = false
	case digits == 8 || digits == 14:
		p.rest = []byte(text)
		p.zoned = false
		p.year, p.month, p.day = p.number(4, 4), p.number(2, 2), p.number(2, 2)
		if digits == 14 {
			p.hour, p.minute, p.second = p.number(2, 2), p.number(2, 2), p.number(2, 2)
		}
	case digits == 9 || digits == 10:
		seconds, err := strconv.ParseFloat("0"+text[digits:], 64)
		p.ok = err == nil
		p.at(time.Unix(whole, int64(seconds*1e9)))
	case digits == 12 || digits == 13:
		p.at(time.UnixMilli(whole))
	case digits == 15 || digits == 16:
		p.at(time.UnixMicro(whole))
	default:
		p.ok = false
	}
}

func (p *timeParser) at(at time.Time) {
	at = at.UTC()
	p.year, p.month, p.day = at.Year(), int(at.Month()), at.Day()
	p.hour, p.minute, p.second, p.nanos = at.Hour(), at.Minute(), at.Second(), at.Nanosecond()
}

// date parses the three parts of a date, one of which may be the name of a month.
func (p *timeParser) date(order dateOrder) (seen dateOrder) {
	var numbers []int
	var digits []int
	monthAt, between := -1, byte(0)
	for part := range 3 {
		if part > 0 {
			if between = p.between(); between == 0 {
				p.ok = false
				return seen
			}
		}
		if len(p.rest) > 0 && isLetter(p.rest[0]) && monthAt < 0 {
			p.monthName()
			monthAt = part
			continue
		}
		n := leadingDigits(p.rest)
		numbers, digits = append(numbers, p.number(1, 4)), append(digits, n)
		for _, suffix := range []string{"st ", "nd ", "rd ", "th ", "st,", "nd,", "rd,", "th,"} { // 3rd May
			if monthAt >= 0 || part == 0 {
				if bytes.HasPrefix(p.rest, []byte(suffix)) {
					p.rest = p.rest[2:]
				}
			}
		}
	}
	if !p.ok {
		return seen
	}
	switch {
	case monthAt >= 0 && digits[0] == 4:
		p.year, p.day = numbers[0], numbers[1]
		return seen
	case monthAt >= 0:
		p.day, p.year = numbers[0], fullYear(numbers[1], digits[1])
		return seen
	case digits[0] == 4:
		p.year, p.month, p.day = numbers[0], numbers[1], numbers[2]
		return seen
	}
	p.year = fullYear(numbers[2], digits[2])
	a, b := numbers[0], numbers[1]
	switch {
	case between == '.' || a > 12 && b <= 12:
		p.day, p.month = a, b
		seen.dayFirst = true
	case b > 12 && a <= 12:
		p.month, p.day = a, b
		seen.monthFirst = true
	case order.dayComesFirst():
		p.day, p.month = a, b
		seen.unsure = a != b
	default:
		p.month, p.day = a, b
		seen.unsure = a != b
	}
	return seen
}

func fullYear(year, digits int) int {
	switch {
	case digits > 2:
		return year
	case year >= 69: // as in POSIX
		return 1900 + year
	}
	return 2000 + year
}

// between consumes the separator between two parts of a date; 0 means there is none.
func (p *timeParser) between() byte {
	found := byte(0)
	for len(p.rest) > 0 && strings.IndexByte("/.-, ", p.rest[0]) >= 0 {
		if found == 0 || found == ' ' {
			found = p.rest[0]
		}
		p.rest = p.rest[1:]
	}
	return found
}

// clock parses a time of day, 12-hour or 24-hour, and its zone.
func (p *timeParser) clock() {
	p.hour = p.number(1, 2)
	minutes := p.skip(':') || p.skip('.')
	if minutes {
		p.minute = p.number(2, 2)
		if p.skip(':') || p.skip('.') {
			p.second = p.number(2, 2)
			if p.skip('.') || p.skip(',') {
				p.fraction()
			}
		}
	}
	p.rest = bytes.TrimLeft(p.rest, " \u00a0\u202f")
	p.halfOfDay()
	p.ok = p.ok && (minutes || p.half != 0)
	if p.rest = bytes.TrimLeft(p.rest, " "); p.ok && len(p.rest) > 0 {
		p.anyZone()
	}
}

// halfOfDay consumes AM or PM, also written a.m. or a. m., if present.
func (p *timeParser) halfOfDay() {
	if len(p.rest) < 2 || p.rest[0]|0x20 != 'a' && p.rest[0]|0x20 != 'p' {
		return
	}
	half := p.rest[0]
	switch rest := p.rest[1:]; {
	case bytes.HasPrefix(rest, []byte(".")):
		rest = bytes.TrimLeft(rest[1:], " \u00a0\u202f")
		if rest = bytes.TrimPrefix(rest, []byte("m.")); len(rest) == len(p.rest)-1 {
			return
		}
		p.half, p.rest = half|0x20, rest
	case rest[0]|0x20 == 'm':
		p.halfDay()
	}
}

// anyZone parses an offset or the name of a zone.
func (p *timeParser) anyZone() {
	if name := bytes.IndexByte(p.rest, '('); name > 0 && p.rest[len(p.rest)-1] == ')' { // GMT+0100 (Central European Time)
		p.rest = bytes.TrimRight(p.rest[:name], " ")
	}
	name := string(p.rest)
	if location := zoneNamed(name); location != nil {
		p.rest, p.location = nil, location
		return
	}
	for _, prefix := range []string{"GMT", "UTC"} {
		if rest, found := bytes.CutPrefix(p.rest, []byte(prefix)); found {
			p.rest = rest
		}
	}
	p.zone()
}

// trimWeekday strips a leading weekday name.
func trimWeekday(b []byte) []byte {
	letters := 0
	for letters < len(b) && isLetter(b[letters]) {
		letters++
	}
	if letters < 3 {
		return b
	}
	for day := time.Sunday; day <= time.Saturday; day++ {
		if word := string(b[:letters]); strings.EqualFold(word, day.String()) || strings.EqualFold(word, day.String()[:3]) {
			return bytes.TrimLeft(b[letters:], "., ")
		}
	}
	return b
}

// yearLast moves the year of the C and Unix format, Jan 31 10:05:00 2026, to where date expects it.
func yearLast(b []byte) []byte {
	year := len(b) - len(" 2026")
	if year < 0 || !isLetter(b[0]) || b[year] != ' ' || leadingDigits(b[year+1:]) != 4 || bytes.IndexByte(b, ':') < 0 {
		return b
	}
	parts := bytes.Fields(b[:year])
	if len(parts) < 3 || bytes.IndexByte(parts[2], ':') < 0 {
		return b
	}
	return bytes.Join(slices.Insert(parts, 2, b[year+1:]), []byte(" "))
}
