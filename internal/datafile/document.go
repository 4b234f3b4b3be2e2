package datafile

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
)

// envelopes are the keys under which responses of web services hold the list of results, or an object with it; wrappers
// hold objects only, and lists are what GraphQL calls the list in such an object.
var (
	envelopes = []string{
		"orders", "data", "results", "records", "rows", "transactions", "receipts", "sales", "value", "products", "items",
	}
	wrappers = []string{"response", "result", "payload", "body"}
	lists    = []string{"edges", "nodes"}
)

// document is JSON text other than one object per line: a list of objects, a web service response that contains one, or
// objects that span several lines. It reads as one object per line and holds at most one of them in memory.
type document struct {
	in   *rationed
	json *json.Decoder
	path []string     // keys that lead to the list; nil if it is not in an object
	open []byte       // brackets open at the current position
	line bytes.Buffer // the current object, as far as not read yet
}

// rationed limits the bytes that may be read until the limit is set again.
type rationed struct {
	src  io.Reader
	left int
}

var errLongObject = errors.New("an object is longer than 1 MiB")

// Read implements [io.Reader].
func (r *rationed) Read(b []byte) (int, error) {
	if r.left == 0 {
		return 0, errLongObject
	}
	n, err := r.src.Read(b[:min(len(b), r.left)])
	r.left -= n
	return n, err
}

// isDocument reports whether the text starts like a document.
func (k Kind) isDocument(sample []byte) bool {
	sample = bytes.TrimSpace(sample)
	switch {
	case len(sample) == 0:
		return false
	case sample[0] == '[':
		return bytes.HasPrefix(bytes.TrimSpace(sample[1:]), []byte{'{'})
	case sample[0] != '{':
		return false
	}
	first, _, several := bytes.Cut(sample, []byte{'\n'})
	if several && !json.Valid(first) && json.NewDecoder(bytes.NewReader(sample)).Decode(new(json.RawMessage)) == nil {
		return true
	}
	return k.envelope(sample, "", 0) != nil || several && bytes.Equal(bytes.TrimSpace(first), []byte{'{'})
}

// envelope returns the keys that lead from the object under a key to a list of results, or nil if the object is a result
// itself.
func (k Kind) envelope(sample []byte, under string, depth int) (path []string) {
	d := json.NewDecoder(bytes.NewReader(sample))
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return nil
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil
		}
		name, _ := key.(string)
		value := bytes.TrimLeft(sample[d.InputOffset():], ": \t\r\n")
		isEnvelope, isList := slices.Contains(envelopes, name), slices.Contains(lists, name) && slices.Contains(envelopes, under)
		switch {
		case isEnvelope && k.holdsObjects(name, value), isList && k.holdsObjects(under+"."+name, value):
			return []string{name}
		case depth < maxDepth && (isEnvelope || slices.Contains(wrappers, name)):
			if inner := k.envelope(value, name, depth+1); inner != nil {
				return append([]string{name}, inner...)
			}
		}
		if d.Decode(new(json.RawMessage)) != nil {
			return nil
		}
	}
	return nil
}

// holdsObjects reports whether the value of a key is a list of result objects. A list of lines belongs to an order,
// unless its entries have such lists themselves.
func (k Kind) holdsObjects(key string, value []byte) bool {
	if len(value) == 0 || value[0] != '[' || !bytes.HasPrefix(bytes.TrimSpace(value[1:]), []byte{'{'}) {
		return false
	}
	if !k.IsList(key) {
		return true
	}
	var entry map[string]json.RawMessage
	if json.NewDecoder(bytes.NewReader(bytes.TrimSpace(value[1:]))).Decode(&entry) != nil {
		return false
	}
	for inner, list := range entry {
		if k.IsList(inner) && bytes.HasPrefix(bytes.TrimSpace(list), []byte{'['}) {
			return true
		}
	}
	return false
}

func newDocument(text io.Reader, path []string) *document {
	in := &rationed{src: text}
	return &document{in: in, json: json.NewDecoder(in), path: path}
}

// Read implements [io.Reader].
func (d *document) Read(b []byte) (int, error) {
	for d.line.Len() == 0 {
		d.in.left = MaxRow + sampleSize
		if err := d.next(); err != nil {
			return 0, err
		}
	}
	return d.line.Read(b)
}

// next advances past a bracket, a member of a response, or an object.
func (d *document) next() error {
	inside := byte(0)
	if len(d.open) > 0 {
		inside = d.open[len(d.open)-1]
	}
	more := d.json.More()
	switch {
	case inside != 0 && !more:
		d.open = d.open[:len(d.open)-1]
		_, err := d.json.Token()
		return err
	case inside == '{':
		return d.member()
	case inside == 0 && more && (d.path != nil || d.atList()):
		token, err := d.json.Token()
		if bracket, opens := token.(json.Delim); opens {
			d.open = append(d.open, byte(bracket))
		}
		return err
	}
	return d.object()
}

// atList reports whether the next value is a list. The decoder's More must have been called.
func (d *document) atList() bool {
	first := make([]byte, 1)
	n, _ := d.json.Buffered().Read(first)
	return n > 0 && first[0] == '['
}

// member reads a key of a response: it enters what leads to the list, and skips any other value.
func (d *document) member() error {
	key, err := d.json.Token()
	if err != nil {
		return err
	}
	value, err := d.json.Token()
	bracket, _ := value.(json.Delim)
	last := len(d.open) == len(d.path)
	if key == d.path[len(d.open)-1] && (last && bracket == '[' || !last && bracket == '{') {
		d.open = append(d.open, byte(bracket))
		return err
	}
	depth := 0
	for err == nil {
		switch value {
		case json.Delim('['), json.Delim('{'):
			depth++
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
		if depth == 0 {
			return nil
		}
		d.in.left = MaxRow + sampleSize
		value, err = d.json.Token()
	}
	return err
}

// object writes the next object as a line.
func (d *document) object() error {
	var object json.RawMessage
	if err := d.json.Decode(&object); err != nil {
		return err
	}
	var edge struct {
		Node json.RawMessage `json:"node"`
	}
	if n := len(d.path); n > 0 && d.path[n-1] == "edges" && json.Unmarshal(object, &edge) == nil && len(edge.Node) > 0 {
		object = edge.Node
	}
	if err := json.Compact(&d.line, object); err != nil {
		return err
	}
	return d.line.WriteByte('\n')
}

// lineUp makes r read a JSON document as one object per line.
func (r *Reader) lineUp() error {
	sample := r.text.bytes()
	if len(r.opts.Columns) > 0 || r.opts.Format != "" && r.opts.Format != JSONLines || !r.kind.isDocument(sample) {
		return nil
	}
	objects := newDocument(r.text, r.kind.envelope(bytes.TrimSpace(sample), "", 0))
	r.text = &window{src: inJSON{objects, r}}
	r.shape.Document = true
	r.text.fill(sampleSize)
	if r.text.err != nil && !r.text.atEOF() && len(r.text.bytes()) == 0 {
		return r.text.err
	}
	if len(r.text.bytes()) == 0 {
		return r.opts.fail(nil, emptyFile)
	}
	return nil
}

// inJSON adds the name of the file to errors in its JSON.
type inJSON struct {
	io.Reader
	r *Reader
}

// Read implements [io.Reader].
func (j inJSON) Read(b []byte) (int, error) {
	n, err := j.Reader.Read(b)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		err = j.r.opts.fail(err, "is damaged JSON (%v, at byte %d): fetch it again, or write one object per line with jq -c", err, syntax.Offset)
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = j.r.opts.fail(err, "is JSON that is cut off: fetch it again")
	case errors.Is(err, errLongObject):
		err = j.r.opts.fail(err, "is JSON of which %v: write one object per line with jq -c", err)
	}
	return n, err
}
