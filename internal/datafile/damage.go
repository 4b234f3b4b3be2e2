package datafile

import (
	"bytes"
	"unicode/utf8"
)

// fewFaults is the number of lines per damaged line above which the damage is treated as a problem of single rows, not
// of the file.
const fewFaults = 20

// mostlyUTF8 reports whether a text with faults is UTF-8, judging by its valid non-ASCII characters: in any other
// encoding these occur only by chance.
func mostlyUTF8(good, faults int64) bool { return good > 2*faults }

// notUTF8 returns the offset of the first invalid byte if the sample is not UTF-8, and -1 if it is. It tolerates faults
// if most non-ASCII characters are valid, if at most one line in twenty is damaged, or if the only fault is a truncated
// character. Any other text must be in another encoding.
func notUTF8(sample []byte, atEOF bool) int {
	first, faults, halves, good := -1, int64(0), 0, int64(0)
	lines, damaged, last := int64(0), int64(0), -1 // last is the start of the line with the last fault
	begin := 0
	for i := 0; i < len(sample); {
		if sample[i] < utf8.RuneSelf {
			if sample[i] == '\n' {
				lines++
				begin = i + 1
			}
			i++
			continue
		}
		if !atEOF && !utf8.FullRune(sample[i:]) {
			break
		}
		if r, n := utf8.DecodeRune(sample[i:]); r != utf8.RuneError || n > 1 {
			good++
			i += n
			continue
		}
		if faults++; faults == 1 {
			first = i
		}
		if begin != last {
			damaged++
			last = begin
		}
		lead := sample[i]
		start := i
		i++
		for i < len(sample) && sample[i]&0xc0 == 0x80 {
			i++
		}
		if i-start > 1 && lead >= 0xe0 || lead == 0xc2 || lead == 0xc3 { // in Latin-1, two bytes may be two letters
			halves++
		}
	}
	if faults == 1 && halves == 1 || damaged*fewFaults <= lines || mostlyUTF8(good, faults) {
		return -1
	}
	return first
}

// damage collects the evidence of the rows about the encoding of a text whose sample is ASCII, which leaves the
// encoding open.
type damage struct {
	rows  int64  // read
	bad   int64  // with bytes that are not UTF-8
	good  int64  // with valid non-ASCII characters, since the first bad one
	text  []byte // of the first bad ones
	first int64  // line number of the first bad one
}

func (d *damage) note(row *Row, reject *Reject) {
	d.rows++
	switch {
	case reject == nil:
		if d.bad > 0 && bytes.ContainsFunc(row.raw, func(r rune) bool { return r >= utf8.RuneSelf }) {
			d.good++
		}
	case reject.Reason == NotUTF8:
		if d.bad++; d.bad == 1 {
			d.first = row.Line
		}
		if len(d.text) < 4096 {
			d.text = append(append(d.text, row.raw[:min(len(row.raw), 1024)]...), '\n')
		}
	}
}

// whole reports whether the text as a whole is not UTF-8. A single damaged row is never enough.
func (d *damage) whole() bool {
	return d.bad > 1 && d.bad*fewFaults > d.rows && !mostlyUTF8(d.good, d.bad) && invalidUTF8(d.text) >= 0
}
