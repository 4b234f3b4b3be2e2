package datafile

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
)

// header reads the column names, or takes them from the options, and calls found with the column of each role.
func (r *Reader) header(found func(role int, column string)) error {
	words := NewGlossary(r.kind)
	r.dialect = r.opts.dialect(r.separator)
	r.scan.split = r.dialect.split
	sample := sampleFields(r.text, r.dialect.split)
	header, advice := r.opts.Columns, ""
	if header == nil {
		at, _ := headerAmong(sample, words)
		sample = sample[min(at+1, len(sample)):]
		row, err := r.scan.next()
		for ; at > 0 && err == nil; at-- {
			row, err = r.scan.next()
		}
		switch {
		case err == io.EOF:
			return r.opts.fail(nil, emptyFile)
		case err != nil:
			return err
		}
		if reject := row.check(r.shape.Encoding); reject != nil {
			return r.opts.failAt(row.Line, ": the header cannot be read: %s", reject.Detail)
		}
		header, r.shape.Header, r.shape.Above = row.texts(), true, row.Line-1
		advice = "; the columns of a file without header are named with --columns"
		if r.kind.Lists != nil {
			advice += ", and a list of baskets is read with --format baskets"
		}
	} else if len(sample) > 0 {
		if found, _ := words.find(sample[0]); words.complete(found) {
			return r.opts.fail(nil, "has a header (%s): leave out --columns, or take the header out", list(sample[0]))
		}
	}
	r.shape.Columns = bounded(header)
	r.names = header
	r.widths(sample)
	r.kind = r.kind.recognised(header)
	words = NewGlossary(r.kind)

	column, err := words.find(header)
	if err != nil {
		return r.opts.fail(nil, "%v", err)
	}
	more, err := r.kind.more(header)
	if err != nil {
		return r.opts.fail(nil, "%v", err)
	}
	if missing := words.missing(column, header); missing != "" {
		if bytes.IndexByte(r.text.bytes(), 0) >= 0 {
			return r.opts.fail(nil, binaryFile, r.kind.Thing)
		}
		return r.opts.failFor(header, missing+advice)
	}
	for role, i := range column {
		if i < 0 {
			continue
		}
		played := r.kind.Roles[role]
		found(role, strings.Join(append([]string{header[i]}, played.More...), ", "))
		if !played.Unread {
			r.parts = append(r.parts, part{role, i, more[role], played.Join})
		}
	}
	return nil
}

// more returns the additional columns of each role.
func (k Kind) more(header []string) ([][]int, error) {
	more := make([][]int, len(k.Roles))
	for r, role := range k.Roles {
		for _, name := range role.More {
			i := slices.IndexFunc(header, func(h string) bool { return plain(h) == plain(name) })
			if i < 0 {
				return nil, fmt.Errorf("has no column %q (%s): it has %s", name, role.flag(), list(header))
			}
			more[r] = append(more[r], i)
		}
	}
	return more, nil
}

// widths sets the number of fields of the rows: that of the names, or one more if most rows end in an extra empty
// field.
func (r *Reader) widths(sample [][]string) {
	r.width = len(r.names)
	if r.dialect.width = r.width; r.names[r.width-1] == "" {
		return
	}
	wider := 0
	for _, row := range sample {
		if len(row) == r.width+1 && row[r.width] == "" {
			wider++
		}
	}
	if 2*wider > len(sample) {
		r.dialect.width++
		r.wider = true
	}
}

// headerAmong returns the index of the header in the sample, and whether it names the required columns. It is the first
// row that does, if only titles precede it; otherwise the first row that is not a comment.
func headerAmong(rows [][]string, words Glossary) (at int, found bool) {
	const most = 20 // rows above a header
	first := slices.IndexFunc(rows, func(row []string) bool { return !isRemark(row) })
	for i, row := range rows[:min(len(rows), most+1)] {
		if filled(row) < words.kind.needed() {
			continue
		}
		if columns, _ := words.find(row); words.complete(columns) {
			titles := !slices.ContainsFunc(rows[:i], func(above []string) bool { return !isRemark(above) && !isTitle(above, row) })
			if titles {
				return i, true
			}
			break
		}
	}
	return max(first, 0), false
}

func isRemark(row []string) bool { return len(row) > 0 && strings.HasPrefix(row[0], "#") }

// isTitle reports whether a row above the header has too few fields to be data.
func isTitle(row, header []string) bool {
	return len(row) > 0 && filled(row) < min(filled(header), 3)
}

// filled returns the number of non-empty fields.
func filled(row []string) (n int) {
	for _, field := range row {
		if field != "" {
			n++
		}
	}
	return n
}

// isHeader reports whether a row repeats the header.
func (r *Reader) isHeader(row *Row) bool {
	if len(row.fields) < r.width || len(row.fields[0].text) < len(r.names[0]) {
		return false
	}
	for i, name := range r.names {
		if string(row.Value(i)) != name {
			return false
		}
	}
	return true
}

// basketHeader skips the header, if any, of a basket list whose first fields are ids.
func (r *Reader) basketHeader() error {
	sample := sampleFields(r.text, r.scan.split)
	if !r.kind.IDsFirst || len(sample) == 0 || len(sample[0]) == 0 {
		return nil
	}
	if role, _, known := NewGlossary(r.kind).Meaning(sample[0][0]); !known || role != 0 {
		return nil
	}
	row, err := r.scan.next()
	if err == nil {
		r.shape.Header, r.shape.Columns = true, bounded(row.texts())
	}
	return err
}

// separatorLine skips a line "sep=;", which tells spreadsheets the separator, and uses that separator.
func (r *Reader) separatorLine() (lines int64) {
	if r.opts.Format == JSONLines || r.opts.Format == Baskets {
		return 0
	}
	line, rest, _ := bytes.Cut(r.text.bytes(), []byte("\n"))
	said := bytes.Trim(bytes.TrimSuffix(line, []byte("\r")), `"`)
	if len(said) != 5 || !strings.EqualFold(string(said[:4]), "sep=") {
		return 0
	}
	for format, separator := range separators {
		if said[4] == separator && r.opts.Format == "" {
			r.opts.Format = format
		}
	}
	r.text.advance(len(r.text.bytes()) - len(rest))
	return 1
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// maxName is the maximum number of bytes kept of a column name.
const maxName = 2000

// bounded limits the size of the reported header.
func bounded(header []string) []string {
	const most = 100
	names := slices.Clone(header[:min(len(header), most)])
	for i, name := range names {
		// JSON keys may contain bytes that the audit cannot store.
		names[i] = strings.ReplaceAll(strings.ToValidUTF8(name[:min(len(name), maxName)], "\uFFFD"), "\x00", "\uFFFD")
	}
	return names
}
