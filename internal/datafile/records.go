package datafile

import (
	"io"
	"maps"
	"slices"
)

// Records reads rows as values by role. It is not safe for concurrent use.
type Records struct{ *Reader }

// Record is one row.
type Record struct {
	Number int64 // line of the text on which the row begins, from 1

	// Values by role of the Kind, cleaned by package spelling; nil if the row does not give the value. In JSON lines, null
	// is an empty value, and true and false are the words. Valid until the next Read.
	Values [][]byte
}

// OpenRecords is Open for Records.
func OpenRecords(src io.Reader, opts Options, kind Kind) (*Records, error) {
	r, err := Open(src, opts, kind)
	if err != nil {
		return nil, err
	}
	return &Records{r}, nil
}

// Read reads the next row into record, or returns its reject and leaves the record without values. It returns the same
// errors as Reader.Read. The caller may reuse the record.
func (r *Records) Read(record *Record) (*Reject, error) {
	record.Values = slices.Grow(record.Values[:0], len(r.found))[:len(r.found)]
	clear(record.Values)
	row, reject, err := r.Reader.Read()
	if reject != nil || err != nil {
		return reject, err
	}
	record.Number = row.Line
	if r.cast == nil {
		r.Values(row, record.Values)
	} else if reject := r.object(row, record.Values); reject != nil {
		clear(record.Values)
		return reject, nil
	}
	return nil, nil //nolint:nilnil // nothing to refuse
}

// object stores the values of a JSON object in values.
func (r *Records) object(row *Row, values [][]byte) *Reject {
	object, reject := row.Object()
	if reject != nil {
		return reject
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		role, plays := r.Role(key)
		if !plays {
			continue
		}
		name := r.kind.Roles[role].Name
		if values[role] != nil {
			return row.Reject(BadJSON, "two keys for the %s, one of them %s", name, Excerpt([]byte(key)))
		}
		var err error
		if values[role], err = word(object[key]); err != nil {
			return row.Reject(BadJSON, "%s %v", name, err)
		}
	}
	return row.Unfit(values, r.kind.Roles)
}
