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

	"github.com/alsobought/alsobought/internal/spelling"
)

// cast maps keys of JSON lines to roles. Keys are matched like the header of a table, and the mapping is fixed once
// made, so that an object without an item name does not fall back to its stock code. The best name among the objects of
// the sample wins; a role without a key in the sample gets the first matching key that turns up later.
type cast struct {
	words Glossary
	keys  []string // normalised key of each role; "" while there is none
	found func(role int, key string)
}

func newCast(kind Kind, found func(int, string)) *cast {
	return &cast{NewGlossary(kind), make([]string, len(kind.Roles)), found}
}

// sample assigns the keys of the sample to roles. The key of a list stands for the list's contents.
func (c *cast) sample(text *window, opts Options, s *Shape) error {
	header, lists := c.sampleKeys(text, opts)
	if header == nil { // if the sample has no object, the rejects will say what is wrong
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

// sampleKeys returns the keys of the objects in the sample, in order of appearance, and the key of a list, if any.
func (c *cast) sampleKeys(text *window, opts Options) (header []string, lists string) {
	scan := newScanner(sampled(text), splitLine, opts, "")
	seen := map[string]bool{}
	for {
		row, err := scan.next()
		if err != nil { // end of the sample; errors are reported when the rows are read
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

// play assigns a key to a role permanently.
func (c *cast) play(role int, key string) {
	c.keys[role] = plain(key)
	c.found(role, key)
}

// role returns the role of a key. A key that matches a role without a key gets it.
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

// maxDepth is the maximum nesting depth at which values are found.
const maxDepth = 8

// Flatten returns the values of an object and its nested objects by path, as in customer.id. Lists stay as they are.
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

// Object parses the line as a single JSON object. Numbers are json.Number.
func (r *Row) Object() (map[string]any, *Reject) {
	object, err := decodeObject(r.raw)
	if err != nil {
		return nil, r.Reject(BadJSON, "%v", err)
	}
	return object, nil
}

// Unfit rejects the row if a value, indexed by role, has characters that JSON can escape but PostgreSQL cannot store.
func (r *Row) Unfit(values [][]byte, played []Role) *Reject {
	for i, text := range values {
		if bytes.IndexByte(text, 0) >= 0 {
			return r.Reject(NULByte, "NUL byte in the %s", played[i].Name)
		}
		// The decoder replaces half a surrogate pair by U+FFFD.
		if bytes.ContainsRune(text, utf8.RuneError) && !bytes.ContainsRune(r.raw, utf8.RuneError) &&
			!bytes.Contains(bytes.ToLower(r.raw), []byte(`\ufffd`)) {
			return r.Reject(NotUTF8, "half a surrogate pair in the %s", played[i].Name)
		}
	}
	return nil
}

// Scalar returns a JSON string, cleaned by package spelling, or a JSON number as written, and nil for null.
func Scalar(value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return nil, nil
	case string:
		return spelling.Clean(append([]byte{}, v...)), nil
	case json.Number:
		return []byte(v), nil
	}
	return nil, errors.New("neither text nor number")
}

// word is Scalar that also accepts true, false and empty values.
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

// decodeObject parses a line as a single object.
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
