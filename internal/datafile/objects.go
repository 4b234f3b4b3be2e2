package datafile

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
	words Glossary
	keys  []string // the key that plays each role, as compared; "" while none does
	found func(role int, key string)
}

func newCast(kind Kind, found func(int, string)) *cast {
	return &cast{NewGlossary(kind), make([]string, len(kind.Roles)), found}
}

// sample gives roles to the keys of the sample. That of a list stands for what is in it.
func (c *cast) sample(text *window, opts Options, s *Shape) error {
	header, lists := c.sampleKeys(text, opts)
	if header == nil { // without one object in the sample, the rejects will say what is wrong
		return nil
	}
	c.words = NewGlossary(c.words.kind.recognised(header))
	found, err := c.words.find(header)
	if err != nil {
		return opts.fail(nil, "%v", err)
	}
	for r, i := range found {
		if i >= 0 {
			c.play(r, header[i])
		}
	}
	if lists != "" {
		c.found(c.words.kind.ListRole, lists)
		found[c.words.kind.ListRole] = 0
	}
	s.Columns = bounded(header)
	if missing := c.words.missing(found, header); missing != "" {
		return opts.failFor(header, missing)
	}
	return nil
}

// sampleKeys returns the keys of the objects in the sample in the order in which they come, and the key of a list if one
// of them has it.
func (c *cast) sampleKeys(text *window, opts Options) (header []string, lists string) {
	scan := newScanner(sampled(text), splitLine, opts, "")
	seen := map[string]bool{}
	for {
		row, err := scan.next()
		if err != nil { // the end of the sample; what is wrong in it is told when it is read
			return header, lists
		}
		object, _ := decodeObject(row.raw)
		if c.words.kind.Lists != nil {
			object = Flatten(object)
		}
		for _, key := range slices.Sorted(maps.Keys(object)) {
			if _, isList := object[key].([]any); isList && c.words.kind.IsList(key) {
				lists = key
			}
			if name := plain(key); !seen[name] {
				seen[name] = true
				header = append(header, key)
			}
		}
	}
}

// play gives a role to a key for good.
func (c *cast) play(role int, key string) {
	c.keys[role] = plain(key)
	c.found(role, key)
}

// role returns the role of a key, which is a new one for the first key that can play one that nobody plays.
func (c *cast) role(key string) (role int, plays bool) {
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

// maxDepth is how deeply objects may be nested whose values are found.
const maxDepth = 8

// Flatten returns the values of an object and of the objects in it, by their paths, as in customer.id. Lists stay as they are.
func Flatten(object map[string]any) map[string]any {
	nested := false
	for _, value := range object {
		_, inner := value.(map[string]any)
		nested = nested || inner
	}
	if !nested {
		return object
	}
	flat := make(map[string]any, len(object))
	var add func(path string, object map[string]any, depth int)
	add = func(path string, object map[string]any, depth int) {
		for key, value := range object {
			if inner, nested := value.(map[string]any); nested && depth < maxDepth {
				add(path+key+".", inner, depth+1)
				continue
			}
			flat[path+key] = value
		}
	}
	add("", object, 1)
	return flat
}

// Object takes apart the one JSON object on a line. Numbers are json.Number.
func (r *Row) Object() (map[string]any, *Reject) {
	object, err := decodeObject(r.raw)
	if err != nil {
		return nil, r.Reject(BadJSON, "%v", err)
	}
	return object, nil
}

// Unfit refuses values of the row, by role, that JSON can escape and PostgreSQL cannot store.
func (r *Row) Unfit(values [][]byte, played []Role) *Reject {
	for i, text := range values {
		if bytes.IndexByte(text, 0) >= 0 {
			return r.Reject(NULByte, "NUL byte in the %s", played[i].Name)
		}
		// The decoder puts U+FFFD in place of half a surrogate pair.
		if bytes.ContainsRune(text, utf8.RuneError) && !bytes.ContainsRune(r.raw, utf8.RuneError) &&
			!bytes.Contains(bytes.ToLower(r.raw), []byte(`\ufffd`)) {
			return r.Reject(NotUTF8, "half a surrogate pair in the %s", played[i].Name)
		}
	}
	return nil
}

// Scalar returns a text or a number of JSON as it is written, and nil for null.
func Scalar(value any) ([]byte, error) {
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

// word is Scalar for values that may be true, false or empty.
func word(value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return []byte{}, nil
	case bool:
		return fmt.Append(nil, v), nil
	}
	text, err := Scalar(value)
	if err != nil {
		return nil, errors.New("is a list or an object")
	}
	return text, nil
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
