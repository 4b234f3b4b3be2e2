package datafile

import (
	"bytes"
	"unicode/utf8"
)

// fewFaults is how many lines a text has for each damaged one before the damage is taken for a matter of rows, not of
// the file.
const fewFaults = 20

// mostlyUTF8 reports whether so many good characters beyond ASCII make a text UTF-8 that has faults: in any other
// encoding a good one is luck.
func mostlyUTF8(good, faults int64) bool { return good > 2*faults }

// notUTF8 returns where in the sample the text stops being UTF-8 for good, -1 when it does not: when most of its
// characters beyond ASCII are good, or one line of twenty at most is damaged, or the only fault is the half of a
// character. Any other text is in another encoding.
func notUTF8(sample []byte, atEOF bool) int {
	first, faults, halves, good := -1, int64(0), 0, int64(0)
	lines, damaged, last := int64(0), int64(0), -1 // last is where the line of the last fault began
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
		if i-start > 1 && lead >= 0xe0 || lead == 0xc2 || lead == 0xc3 { // two bytes hold the letters of Latin-1
			halves++
		}
	}
	if faults == 1 && halves == 1 || damaged*fewFaults <= lines || mostlyUTF8(good, faults) {
		return -1
	}
	return first
}

// damage is what the rows say of a text as a whole whose sample is ASCII, and so tells nothing of its encoding.
type damage struct {
	rows  int64  // read
	bad   int64  // that hold bytes that are not UTF-8
	good  int64  // with good characters beyond ASCII, since the first bad one
	text  []byte // of the first bad ones
	first int64  // line of the first bad one
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

// whole reports whether the text is not UTF-8 as a whole. One damaged row is never enough.
func (d *damage) whole() bool {
	return d.bad > 1 && d.bad*fewFaults > d.rows && !mostlyUTF8(d.good, d.bad) && invalidUTF8(d.text) >= 0
}
