package datafile

import (
	"bytes"
	"fmt"
)

// binaryFile is an error text with a placeholder for what the rows are about.
const binaryFile = "is a binary file: export the %ss as CSV"

const emptyFile = "is empty: there is nothing to load"

// foreign returns the error text for a binary format recognised by its first bytes, or "".
func foreign(head []byte, thing string) string {
	for _, known := range []struct{ magic, problem string }{
		{"\xd0\xcf\x11\xe0", "is an old Excel file (.xls), or one with a password: save it as .xlsx without one, or as CSV"},
		{"%PDF-", "is a PDF file: export the " + thing + "s as CSV"},
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
	if problem := markup(head); problem != "" {
		return problem
	}
	if len(head) > 262 && string(head[257:262]) == "ustar" {
		return "is a tar archive: unpack it first"
	}
	return ""
}

// notText distinguishes binary files from texts in which some rows have NUL bytes, which are only rejects. It is a
// binary file if the header has a NUL byte or, without header, if half of the lines have one.
func notText(sample []byte, header bool, thing string) string {
	nuls := [2]int{} // at even and odd offsets
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
	case 5*max(nuls[0], nuls[1]) > 2*len(sample) && 50*min(nuls[0], nuls[1]) < len(sample): // Latin letters in UTF-16
		return "looks like UTF-16 without byte order mark: say --encoding utf-16"
	}
	return fmt.Sprintf(binaryFile, thing)
}

// markup recognises HTML and XML, which some programs save with the extension of an Excel file.
func markup(head []byte) string {
	text := bytes.ToLower(bytes.TrimSpace(bytes.TrimPrefix(head, utf8Mark)))
	if bytes.HasPrefix(text, []byte("<?xml")) {
		return "is XML, whatever it is called: open it in a spreadsheet and save it as .xlsx or CSV"
	}
	for _, tag := range []string{"<!doctype html", "<html", "<head", "<body", "<meta", "<style", "<table", "<div"} {
		if bytes.HasPrefix(text, []byte(tag)) {
			return "is HTML, whatever it is called: open it in a spreadsheet and save it as .xlsx or CSV"
		}
	}
	return ""
}
