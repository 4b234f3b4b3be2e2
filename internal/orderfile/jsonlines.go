package orderfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"unicode/utf8"
)

// cast is which key of JSON lines plays which role. A key is matched like the header of a table. It is settled once, so
// that an object without item name does not fall back to its stock code: by the objects of the sample, the best name
// first, and for a role that none of them fills by the first key that does.
type cast struct {
	words glossary
	keys  []string // the key that plays each role, as compared; "" while none does
	found func(role, string)
}

func newCast(opts Options, found func(role, string)) cast {
	words := newGlossary(opts)
	return cast{words, make([]string, len(words.kind.Roles)), found}
}

// sample gives roles to the keys of the sample. That of a list of items stands for the items.
func (c *cast) sample(text *window, opts Options, s *Shape) error {
	header, lists, err := sampleKeys(text, opts)
	if err != nil || header == nil { // without one object in the sample, the rejects will say what is wrong
		return err
	}
	found, err := c.words.find(header)
	if err != nil {
		return opts.fail(nil, "%v", err)
	}
	for r, i := range found {
		if i >= 0 {
			c.play(role(r), header[i])
		}
	}
	if lists != "" {
		c.found(itemRole, lists)
		found[itemRole] = 0
	}
	s.Columns = bounded(header)
	if missing := c.words.missing(found, header); missing != "" {
		return opts.fail(nil, "%s", missing)
	}
	return nil
}

// play gives a role to a key for good.
func (c *cast) play(r role, key string) {
	c.keys[r] = plain(key)
	c.found(r, key)
}

// role returns the role of a key, which is a new one for the first key that can play one that nobody plays.
func (c *cast) role(key string) (r role, plays bool) {
	name := plain(key)
	claims := c.words.claims[name]
	for _, claim := range claims {
		if c.keys[claim.role] == name {
			return claim.role, true
		}
	}
	for _, claim := range claims {
		if c.keys[claim.role] == "" {
			c.play(claim.role, key)
			return claim.role, true
		}
	}
	return 0, false
}

// objectLines reads the orders of JSON lines; see cast for their keys. null is the same as no key; unknown keys are passed
// over; a list of items comes before an item.
type objectLines struct {
	scan   *scanner
	checks *checks
	cast   cast
	ofItem glossary // of the keys within a list of items, where "name" is enough

	row   *row
	head  values // what the order says for all its items
	items []any  // those still to come
}

// isItemList knows the keys of an order's list of items, as compared.
func isItemList(key string) bool {
	return slices.Contains([]string{"items", "lines", "lineitems", "orderlines", "products"}, key)
}

func newObjectLines(text *window, opts Options, c *checks, m *Mapping) (*objectLines, error) {
	o := &objectLines{
		scan: newScanner(text, splitLine, opts), checks: c, cast: newCast(opts, m.set), ofItem: newGlossary(opts),
	}
	if opts.ItemColumn == "" {
		o.ofItem.claims["name"] = []claim{{itemRole, -1}}
	}
	return o, o.cast.sample(text, opts, &m.Shape)
}

// sampleKeys returns the keys of the objects in the sample in the order in which they come, and the key of a list of
// items if one of them has it and is an order.
func sampleKeys(text *window, opts Options) (header []string, lists string, err error) {
	scan := newScanner(sampled(text), splitLine, opts)
	seen := map[string]bool{}
	for first := true; ; first = false {
		row, err := scan.next()
		if err != nil {
			return header, lists, nil //nolint:nilerr // the end of the sample; what is wrong in it is told when it is read
		}
		object, err := decodeObject(row.raw)
		var whole map[string]any
		if err != nil && first && json.NewDecoder(bytes.NewReader(text.bytes())).Decode(&whole) == nil && whole != nil {
			return nil, "", opts.fail(nil, "spreads JSON objects over several lines: write one on each, with jq -c .")
		}
		for _, key := range slices.Sorted(maps.Keys(object)) {
			name := plain(key)
			if _, isList := object[key].([]any); isList && opts.records == nil && isItemList(name) {
				lists = key
			}
			if !seen[name] {
				seen[name] = true
				header = append(header, key)
			}
		}
	}
}

func (o *objectLines) next() (Line, *Reject, error) {
	if len(o.items) == 0 {
		row, err := o.scan.next()
		if err != nil {
			return Line{}, nil, err
		}
		o.row = row
		if reject := row.check(); reject != nil {
			return Line{}, reject, nil
		}
		if reject := o.open(); reject != nil {
			return Line{}, reject, nil
		}
	}
	v := o.head
	if len(o.items) > 0 {
		item := o.items[0]
		o.items = o.items[1:]
		if err := o.item(item, &v); err != nil {
			return Line{}, o.row.reject(BadJSON, "%v", err), nil
		}
	}
	if reject := unfit(o.row, v[:], o.cast.words.kind.Roles); reject != nil {
		return Line{}, reject, nil
	}
	line, reject := o.checks.line(o.row, &v)
	return line, reject, nil
}

// open takes apart the object on a line. The reject, if any, is of the line as a whole.
func (o *objectLines) open() *Reject {
	object, err := decodeObject(o.row.raw)
	if err != nil {
		return o.row.reject(BadJSON, "%v", err)
	}
	var list any
	o.head = values{}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		name, value := plain(key), object[key]
		if isItemList(name) && value != nil {
			list = value
			continue
		}
		if value == nil {
			continue
		}
		r, plays := o.cast.role(key)
		if !plays {
			continue
		}
		if o.head[r] != nil {
			return o.row.reject(BadJSON, "two keys for the %s, one of them %s", r, Excerpt([]byte(key)))
		}
		if o.head[r], err = scalar(value); err != nil {
			return o.row.reject(BadJSON, "%s %v", r, err)
		}
	}
	if list == nil {
		return nil
	}
	items, isList := list.([]any)
	if !isList && o.head[itemRole] == nil {
		return o.row.reject(BadJSON, "the items are not a list")
	}
	if !isList {
		return nil
	}
	o.head[itemRole], o.head[quantityRole] = nil, nil
	if reject := unfit(o.row, o.head[:], o.cast.words.kind.Roles); reject != nil {
		return reject
	}
	if reject := o.checks.common(o.row, o.head); reject != nil {
		return reject
	}
	o.items = items
	return nil
}

// item reads one entry of a list of items: a name or an object.
func (o *objectLines) item(entry any, v *values) (err error) {
	object, isObject := entry.(map[string]any)
	if !isObject {
		v[itemRole], err = scalar(entry)
		return err
	}
	var rank [roles]int
	for _, key := range slices.Sorted(maps.Keys(object)) {
		claims := o.ofItem.claims[plain(key)]
		if len(claims) == 0 {
			continue
		}
		c := claims[0]
		if c.role != itemRole && c.role != quantityRole || v[c.role] != nil && c.rank >= rank[c.role] {
			continue
		}
		rank[c.role] = c.rank
		if v[c.role], err = scalar(object[key]); err != nil {
			return fmt.Errorf("%s %w", c.role, err)
		}
	}
	return nil
}

// unfit refuses what JSON can escape and PostgreSQL cannot store.
func unfit(row *row, v [][]byte, played []Role) *Reject {
	for r, text := range v {
		if bytes.IndexByte(text, 0) >= 0 {
			return row.reject(NULByte, "NUL byte in the %s", played[r].Name)
		}
		// The decoder puts U+FFFD in place of half a surrogate pair.
		if bytes.ContainsRune(text, utf8.RuneError) && !bytes.ContainsRune(row.raw, utf8.RuneError) &&
			!bytes.Contains(bytes.ToLower(row.raw), []byte(`\ufffd`)) {
			return row.reject(NotUTF8, "half a surrogate pair in the %s", played[r].Name)
		}
	}
	return nil
}

// scalar returns text and numbers as they are written, and nil for null.
func scalar(value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return nil, nil
	case string:
		return append([]byte{}, v...), nil
	case json.Number:
		return []byte(v), nil
	}
	return nil, errors.New("neither text nor number")
}

// decodeObject reads the one object on a line.
func decodeObject(line []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var object map[string]any
	var wrongType *json.UnmarshalTypeError
	switch err := d.Decode(&object); {
	case errors.As(err, &wrongType) || err == nil && object == nil:
		return nil, errors.New("not a JSON object")
	case err == io.ErrUnexpectedEOF:
		return nil, errors.New("the JSON object is not closed")
	case err != nil:
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("text after the JSON object")
	}
	return object, nil
}
