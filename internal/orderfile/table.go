package orderfile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// table reads separated values with a header, or with columns named in the options.
type table struct {
	scan   *scanner
	width  int
	column columns
}

// newTable tells found which column plays which role.
func newTable(text *window, separator byte, opts Options, s *Shape, found func(role, string)) (*table, error) {
	t := &table{scan: newScanner(text, splitOn(separator), opts)}
	words := newGlossary(opts)
	header, advice := opts.Columns, ""
	if header == nil {
		row, err := t.scan.next()
		if err != nil {
			return nil, err
		}
		if reject := row.check(); reject != nil {
			return nil, opts.failAt(row.line, ": the header cannot be read: %s", reject.Detail)
		}
		header, s.Header = row.texts(), true
		advice = "; the columns of a file without header are named with --columns"
		if opts.records == nil {
			advice += ", and a list of baskets is read with --format baskets"
		}
	} else if rows := sampleFields(text, splitOn(separator), opts); len(rows) > 0 {
		if found, _ := words.find(rows[0]); words.complete(found) {
			return nil, opts.fail(nil, "has a header (%s): leave out --columns, or take the header out", list(rows[0]))
		}
	}
	s.Delimiter = string(separator)
	s.Columns = bounded(header)
	t.width = len(header)

	var err error
	if t.column, err = words.find(header); err != nil {
		return nil, opts.fail(nil, "%v", err)
	}
	if missing := words.missing(t.column, header); missing != "" {
		if bytes.IndexByte(text.bytes(), 0) >= 0 {
			return nil, opts.fail(nil, binaryFile, opts.kind().Thing)
		}
		return nil, opts.fail(nil, "%s", missing+advice)
	}
	for r, i := range t.column {
		if i >= 0 {
			found(role(r), header[i])
		}
	}
	return t, nil
}

// next returns the next row with as many fields as the header, or the reject of one.
func (t *table) next() (*row, *Reject, error) {
	row, err := t.scan.next()
	if err != nil {
		return nil, nil, err
	}
	if reject := row.check(); reject != nil {
		return nil, reject, nil
	}
	if len(row.fields) != t.width {
		return nil, row.reject(WrongColumns, "%s, the header has %d", plural(len(row.fields), "field"), t.width), nil
	}
	return row, nil, nil
}

// read puts what a row says into v, role by role.
func (t *table) read(row *row, v [][]byte) {
	for role, i := range t.column {
		if i >= 0 {
			v[role] = row.text(i)
		}
	}
}

// tableLines makes order lines of a table.
type tableLines struct {
	table  *table
	checks *checks
}

func (t *tableLines) next() (Line, *Reject, error) {
	row, reject, err := t.table.next()
	if reject != nil || err != nil {
		return Line{}, reject, err
	}
	var v values
	t.table.read(row, v[:])
	line, reject := t.checks.line(row, &v)
	return line, reject, nil
}

// texts are the fields of a row, trimmed.
func (r *row) texts() []string {
	texts := make([]string, len(r.fields))
	for i := range r.fields {
		texts[i] = strings.TrimSpace(string(r.text(i)))
	}
	return texts
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// bounded keeps the audit small whatever the header.
func bounded(header []string) []string {
	const most = 100
	names := slices.Clone(header[:min(len(header), most)])
	for i, name := range names {
		// Keys of JSON may hold what the audit cannot store.
		names[i] = strings.ReplaceAll(strings.ToValidUTF8(name[:min(len(name), MaxText)], "\uFFFD"), "\x00", "\uFFFD")
	}
	return names
}
