package orderfile

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Records reads the rows of a source that is not about orders. It is not safe for use by several goroutines at once.
type Records struct {
	*input

	rows  records
	found []string
}

// records is what there is one of for tables and one for JSON lines. next fills in all but the values that are not said.
type records interface {
	next(record *Record) (*Reject, error)
}

// Record is one row.
type Record struct {
	Number int64 // line of the text on which the row begins, from 1

	// By role of the Kind, trimmed; nil for what the row does not say. In JSON lines null is an empty value, and true and
	// false are the words. They are valid until the next Read.
	Values [][]byte
}

// OpenRecords is Open for rows of another kind. Of the options Name, Format, Columns and Encoding have a meaning.
func OpenRecords(src io.Reader, opts Options, kind Kind) (*Records, error) {
	opts.records = &kind
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	in, err := open(src, opts)
	if err != nil {
		return nil, err
	}
	r := &Records{input: in, found: make([]string, len(kind.Roles))}
	found := func(role role, column string) { r.found[role] = bounded([]string{column})[0] }
	if in.shape.Format == JSONLines {
		o := &objectRecords{newScanner(in.text, splitLine, opts), newCast(opts, found)}
		r.rows, err = o, o.cast.sample(in.text, opts, &in.shape)
	} else {
		var t *table
		t, err = newTable(in.text, in.separator, opts, &in.shape, found)
		r.rows = &tableRecords{t}
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Read returns the next row: a record, or a reject and a record of no values. It ends like Reader.Read. The record is the
// caller's to use again.
func (r *Records) Read(record *Record) (*Reject, error) {
	if r.end != nil {
		return nil, r.end
	}
	record.Values = slices.Grow(record.Values[:0], len(r.found))[:len(r.found)]
	clear(record.Values)
	reject, err := r.rows.next(record)
	if reject != nil || err != nil {
		clear(record.Values)
		return reject, r.ended(err)
	}
	for i, value := range record.Values {
		record.Values[i] = trim(value)
	}
	return nil, nil //nolint:nilnil // nothing to refuse
}

// Shape returns how the text of the source was understood.
func (r *Records) Shape() Shape { return r.shape }

// Found returns the columns or keys that play each role of the Kind, as written; "" for none. In JSON lines a role may still
// find its key while the source is read.
func (r *Records) Found() []string { return slices.Clone(r.found) }

type tableRecords struct{ table *table }

func (t *tableRecords) next(record *Record) (*Reject, error) {
	row, reject, err := t.table.next()
	if reject != nil || err != nil {
		return reject, err
	}
	record.Number = row.line
	t.table.read(row, record.Values)
	return nil, nil //nolint:nilnil // nothing to refuse
}

// objectRecords reads JSON lines; see cast for their keys.
type objectRecords struct {
	scan *scanner
	cast cast
}

func (o *objectRecords) next(record *Record) (*Reject, error) {
	row, err := o.scan.next()
	if err != nil {
		return nil, err
	}
	if reject := row.check(); reject != nil {
		return reject, nil
	}
	object, err := decodeObject(row.raw)
	if err != nil {
		return row.reject(BadJSON, "%v", err), nil
	}
	record.Number = row.line
	for _, key := range slices.Sorted(maps.Keys(object)) {
		r, plays := o.cast.role(key)
		if !plays {
			continue
		}
		name := o.cast.words.kind.Roles[r].Name
		if record.Values[r] != nil {
			return row.reject(BadJSON, "two keys for the %s, one of them %s", name, Excerpt([]byte(key))), nil
		}
		if record.Values[r], err = word(object[key]); err != nil {
			return row.reject(BadJSON, "%s %v", name, err), nil
		}
	}
	return unfit(row, record.Values, o.cast.words.kind.Roles), nil
}

// word is scalar for values that may be true, false or empty.
func word(value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return []byte{}, nil
	case bool:
		return fmt.Append(nil, v), nil
	}
	text, err := scalar(value)
	if err != nil {
		return nil, errors.New("is a list or an object")
	}
	return text, nil
}
