package datafile

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// binaryFile is a problem, with a place for what the file should have been about.
const binaryFile = "is a binary file: export the %ss as CSV"

const emptyFile = "is empty: there is nothing to load"

// foreign names the kind of a file that is known by its first bytes and is no text, "" for any other.
func foreign(head []byte, thing string) string {
	for _, known := range []struct{ magic, problem string }{
		{"PK\x03\x04", "looks like an Excel or zip file: export it as CSV, or unzip it"},
		{"\xd0\xcf\x11\xe0", "looks like an Excel file: export it as CSV"},
		{"%PDF-", "is a PDF file: export the " + thing + "s as CSV"},
		{"PAR1", "is a Parquet file: convert it to CSV"},
		{"SQLite format 3\x00", "is an SQLite database: export the " + thing + "s as CSV"},
		{"PGDMP", "is a PostgreSQL dump: export the " + thing + "s as CSV"},
		{"\x89PNG", "is a picture, not an " + thing + " file"},
		{"\xff\xd8\xff", "is a picture, not an " + thing + " file"},
		{"GIF8", "is a picture, not an " + thing + " file"},
		{"BZh", "is compressed with bzip2: decompress it first"},
		{"\xfd7zXZ\x00", "is compressed with xz: decompress it first"},
		{"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive: unpack it first"},
		{"\x1f\x8b", "is compressed twice: decompress it first"},
		{"\x28\xb5\x2f\xfd", "is compressed twice: decompress it first"},
	} {
		if bytes.HasPrefix(head, []byte(known.magic)) {
			return known.problem
		}
	}
	if len(head) > 262 && string(head[257:262]) == "ustar" {
		return "is a tar archive: unpack it first"
	}
	return ""
}

// notText tells a binary file from a text with NUL bytes in some rows, which are rejects and no more. A header with a NUL
// byte is none; without header, half of the lines have to hold one.
func notText(sample []byte, header bool, thing string) string {
	nuls := [2]int{} // at even and odd places
	for i, b := range sample {
		if b == 0 {
			nuls[i%2]++
		}
	}
	if nuls == [2]int{} {
		return ""
	}
	lines, bad := 0, 0
	for line := range bytes.FieldsFuncSeq(sample, func(r rune) bool { return r == '\n' || r == '\r' }) {
		lines++
		if bytes.IndexByte(line, 0) >= 0 {
			bad++
		}
		if header {
			break
		}
	}
	switch {
	case 2*bad < lines:
		return ""
	case 5*max(nuls[0], nuls[1]) > 2*len(sample) && 50*min(nuls[0], nuls[1]) < len(sample): // every other byte of Latin letters
		return "looks like UTF-16 without byte order mark: say --encoding utf-16"
	}
	return fmt.Sprintf(binaryFile, thing)
}

// fewFaults is how many lines a text has for each damaged one before the damage is taken for a matter of rows, not of the file.
const fewFaults = 20

// notUTF8 returns where in the sample the text stops being UTF-8 for good, -1 when it does not. A text with one good
// character beyond ASCII is UTF-8, with damaged rows; so is one with damage in one line of twenty at most, or whose only
// fault is the half of a character. Any other is in one of the encodings of one byte per character.
func notUTF8(sample []byte, atEOF bool) int {
	first, faults, halves := -1, 0, 0
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
			return -1
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
	if faults == 1 && halves == 1 || damaged*fewFaults <= lines {
		return -1
	}
	return first
}
