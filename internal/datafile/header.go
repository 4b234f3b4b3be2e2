package datafile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// header reads the names of the columns, or takes them from the options, and tells found which column plays which role.
func (r *Reader) header(found func(role int, column string)) error {
	words := NewGlossary(r.kind)
	header, advice := r.opts.Columns, ""
	if header == nil {
		row, err := r.scan.next()
		if err != nil {
			return err
		}
		if reject := row.check(); reject != nil {
			return r.opts.failAt(row.Line, ": the header cannot be read: %s", reject.Detail)
		}
		header, r.shape.Header = row.texts(), true
		advice = "; the columns of a file without header are named with --columns"
		if r.kind.Lists != nil {
			advice += ", and a list of baskets is read with --format baskets"
		}
	} else if rows := sampleFields(r.text, splitOn(r.separator)); len(rows) > 0 {
		if found, _ := words.find(rows[0]); words.complete(found) {
			return r.opts.fail(nil, "has a header (%s): leave out --columns, or take the header out", list(rows[0]))
		}
	}
	r.shape.Columns = bounded(header)
	r.width = len(header)

	var err error
	if r.column, err = words.find(header); err != nil {
		return r.opts.fail(nil, "%v", err)
	}
	if missing := words.missing(r.column, header); missing != "" {
		if bytes.IndexByte(r.text.bytes(), 0) >= 0 {
			return r.opts.fail(nil, binaryFile, r.kind.Thing)
		}
		return r.opts.fail(nil, "%s", missing+advice)
	}
	for role, i := range r.column {
		if i >= 0 {
			found(role, header[i])
		}
	}
	return nil
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// maxName is how many bytes of a column's name are kept.
const maxName = 2000

// bounded keeps what is told of a header small.
func bounded(header []string) []string {
	const most = 100
	names := slices.Clone(header[:min(len(header), most)])
	for i, name := range names {
		// Keys of JSON may hold what the audit cannot store.
		names[i] = strings.ReplaceAll(strings.ToValidUTF8(name[:min(len(name), maxName)], "\uFFFD"), "\x00", "\uFFFD")
	}
	return names
}
