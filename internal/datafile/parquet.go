package datafile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// parquetText reads a Parquet file as JSON lines, one per row: lists and groups become lists and objects, times are in
// ISO 8601.
type parquetText struct {
	file   *parquet.File
	guard  *parquetGuard
	group  int                         // the next row group
	rows   *parquet.GenericReader[any] // of the current one; nil between row groups
	batch  []any
	schema parquet.Node
	text   []byte // not read yet
}

func newParquetText(file *spooled) (p *parquetText, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = foreseen(panicked)
		}
	}()
	if err := soundFooter(file, file.size); err != nil {
		return nil, err
	}
	opened, err := parquet.OpenFile(file, file.size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, err
	}
	return &parquetText{
		file: opened, guard: newParquetGuard(file, file.size, opened.Root()), schema: opened.Schema(), batch: make([]any, 64),
	}, nil
}

// foreseen turns a panic into an error: the library panics on some damaged files.
func foreseen(panicked any) error { return fmt.Errorf("%v", panicked) }

// Read implements [io.Reader].
func (p *parquetText) Read(b []byte) (n int, err error) {
	for len(p.text) == 0 {
		if err := p.fill(); err != nil {
			return 0, err
		}
	}
	n = copy(b, p.text)
	p.text = p.text[n:]
	return n, nil
}

// Close releases the reader's resources.
func (p *parquetText) Close() error {
	if p.rows == nil {
		return nil
	}
	return p.rows.Close()
}

// next opens the next row group, or returns io.EOF.
func (p *parquetText) next() error {
	groups := p.file.RowGroups()
	if p.group == len(groups) {
		return io.EOF
	}
	if err := p.guard.check(&p.file.Metadata().RowGroups[p.group]); err != nil {
		return err
	}
	p.rows = parquet.NewGenericRowGroupReader[any](groups[p.group], p.file.Schema())
	p.group++
	return nil
}

func (p *parquetText) fill() (err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = foreseen(panicked)
		}
	}()
	if p.rows == nil {
		if err := p.next(); err != nil {
			return err
		}
	}
	clear(p.batch)
	n, err := p.rows.Read(p.batch)
	p.text = p.text[:0]
	for _, row := range p.batch[:n] {
		p.text = append(appendJSON(p.text, row, p.schema), '\n')
	}
	switch {
	case n > 0 || err == nil:
		return nil
	case errors.Is(err, io.EOF):
		err = p.rows.Close()
		p.rows = nil
	}
	return err
}

// appendJSON appends a value of a schema node.
func appendJSON(b []byte, value any, node parquet.Node) []byte {
	switch v := value.(type) {
	case nil:
		return append(b, "null"...)
	case map[string]any:
		b = append(b, '{')
		for i, key := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, key), ':')
			b = appendJSON(b, v[key], child(node, key))
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i, entry := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, entry, entryOf(node))
		}
		return append(b, ']')
	case string:
		return appendText(b, v)
	case []byte:
		return appendText(b, string(v))
	case deprecated.Int96:
		const noonOf1970 = 2_440_588 // the Julian day
		at := time.Unix((int64(v[2])-noonOf1970)*86400, int64(v[1])<<32|int64(v[0])).UTC()
		return appendText(b, at.Format(time.RFC3339Nano))
	}
	if at, ok := instant(value, node); ok {
		return appendText(b, at)
	}
	text, err := json.Marshal(value)
	if err != nil { // NaN or infinity
		return append(b, "null"...)
	}
	return append(b, text...)
}

// appendText keeps bytes that are not valid UTF-8, so that their row is rejected.
func appendText(b []byte, text string) []byte {
	if utf8.ValidString(text) {
		quoted, _ := json.Marshal(text) //nolint:errchkjson // text always can be
		return append(b, quoted...)
	}
	quoted := strconv.Quote(text)
	return append(append(b, '"', invalidByte), quoted[1:]...)
}

// instant formats times and dates that Parquet stores as numbers in ISO 8601.
func instant(value any, node parquet.Node) (string, bool) {
	if node == nil || !node.Leaf() || node.Type().LogicalType() == nil {
		return "", false
	}
	n := int64Of(value)
	switch kind := node.Type().LogicalType().Value.(type) {
	case *format.DateType:
		return time.Unix(n*86400, 0).UTC().Format(time.DateOnly), true
	case *format.TimestampType:
		unit := int64(kind.Unit.Value.Duration())
		perSecond := int64(time.Second) / unit
		return time.Unix(n/perSecond, n%perSecond*unit).UTC().Format(time.RFC3339Nano), true
	}
	return "", false
}

func int64Of(value any) int64 {
	switch v := value.(type) {
	case int64:
		return v
	case int32:
		return int64(v)
	}
	return 0
}

// child returns the node of a field, or nil if there is none.
func child(node parquet.Node, name string) parquet.Node {
	if node == nil || node.Leaf() {
		return nil
	}
	for _, f := range node.Fields() {
		if f.Name() == name {
			return f
		}
	}
	return nil
}

// entryOf returns the node of a list's entries, or the list itself if it is not a list group.
func entryOf(node parquet.Node) parquet.Node {
	if node == nil || node.Leaf() || node.Type().LogicalType() == nil {
		return node
	}
	if _, isList := node.Type().LogicalType().Value.(*format.ListType); !isList {
		return node
	}
	for entry := range slices.Values(node.Fields()) {
		if fields := entry.Fields(); len(fields) == 1 {
			return fields[0]
		}
		return entry
	}
	return nil
}
