package orderfile

import (
	"bytes"
	"io"
)

// Reader reads the rows of a source of orders. It is not safe for use by several goroutines at once.
type Reader struct {
	*input

	rows    rows
	mapping Mapping
}

// rows is what there is one of for each kind of format. next returns a line, a reject or an error.
type rows interface {
	next() (Line, *Reject, error)
}

// Shape is how the text of a source was understood.
type Shape struct {
	Format      Format   `json:"format"`
	Compression string   `json:"compression,omitempty"` // gzip or zstd
	Encoding    string   `json:"encoding"`
	Delimiter   string   `json:"delimiter,omitempty"` // " " is any run of white space
	Header      bool     `json:"header"`              // whether the first row names the columns
	Columns     []string `json:"columns,omitempty"`   // the first 100 names, as written
}

// Mapping is what was understood of a source.
type Mapping struct {
	Shape

	// The columns or keys that play a role, as written; "" for none. In JSON lines a role may still find its key while
	// the file is read.
	Order    string `json:"order"`
	Item     string `json:"item"`
	Quantity string `json:"quantity,omitempty"`
	Time     string `json:"time,omitempty"`
	Customer string `json:"customer,omitempty"`

	TimeFormat string `json:"time_format,omitempty"`
}

func (m *Mapping) set(r role, column string) {
	*[roles]*string{&m.Order, &m.Item, &m.Quantity, &m.Time, &m.Customer}[r] = bounded([]string{column})[0]
}

// Open looks at the beginning of src and returns a Reader of its rows. The error is a FileError when the file as a whole
// cannot be read, that of src when src fails, or that of Options.Validate. A file with a header and nothing else is no
// error: its first Read returns io.EOF.
func Open(src io.Reader, opts Options) (*Reader, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if opts.Format == "" && opts.BasketIDs != "" {
		opts.Format = Baskets
	}
	in, err := open(src, opts)
	if err != nil {
		return nil, err
	}
	checks, err := newChecks(opts)
	if err != nil {
		return nil, err
	}
	r := &Reader{input: in, mapping: Mapping{Shape: in.shape, TimeFormat: opts.TimeFormat}}
	switch in.shape.Format {
	case JSONLines:
		r.rows, err = newObjectLines(in.text, opts, checks, &r.mapping)
	case Baskets:
		r.rows = newBaskets(in.text, in.separator, opts, checks, &r.mapping)
	default:
		var t *table
		t, err = newTable(in.text, in.separator, opts, &r.mapping.Shape, r.mapping.set)
		r.rows = &tableLines{t, checks}
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Read returns the next row: a line, or a reject and a zero line. Its error is io.EOF at the end of the source, a
// FileError when the rest of it cannot be read, or what the source failed with; all later calls return it too.
func (r *Reader) Read() (Line, *Reject, error) {
	if r.end != nil {
		return Line{}, nil, r.end
	}
	line, reject, err := r.rows.next()
	return line, reject, r.ended(err)
}

// Mapping returns what was understood of the source.
func (r *Reader) Mapping() Mapping { return r.mapping }

// input is a source whose beginning was looked at.
type input struct {
	opts      Options
	source    *source
	text      *window
	shape     Shape
	separator byte  // 0 for JSON lines, ' ' for any run of white space
	end       error // what the last Read returned, once it is over
}

// open tells what the source is. Delimiter, header and columns of its shape are for who reads the first row.
func open(src io.Reader, opts Options) (*input, error) {
	in := &input{opts: opts, source: newSource(src, opts)}
	plain, compression, err := decompress(in.source)
	if err != nil {
		return nil, err
	}
	in.shape.Compression = compression
	if in.text, err = in.decode(plain); err != nil {
		return nil, err
	}
	found, err := sniff(in.text, opts)
	if err != nil {
		return nil, err
	}
	in.shape.Format, in.separator = found.format, found.separator
	return in, in.refuse(found)
}

// ended takes note of how the reading ended, if it did.
func (in *input) ended(err error) error {
	if err == io.EOF {
		if failed := in.source.drain(); failed != nil {
			err = failed
		}
	}
	in.end = err
	return err
}

// Bytes returns how many bytes of the source were read so far, before decompression.
func (in *input) Bytes() int64 { return in.source.n }

// SHA256 returns the sum of the source as it was given, before decompression. It is that of the whole source once Read
// has returned io.EOF.
func (in *input) SHA256() []byte { return in.source.sum.Sum(nil) }

// decode returns the text of the source, its sample read.
func (in *input) decode(plain io.Reader) (*window, error) {
	raw := &window{src: plain}
	raw.fill(512)
	if problem := foreign(raw.bytes(), in.opts.kind().Thing); problem != "" {
		return nil, in.opts.fail(nil, "%s", problem)
	}
	encoding, err := encodingNamed(in.opts.Encoding)
	if err != nil {
		return nil, err
	}
	decoded, encoding := decode(raw, encoding)
	in.shape.Encoding = encoding
	text := &window{src: decoded}
	text.fill(sampleSize)
	if !bytes.ContainsAny(text.bytes(), "\r\n") {
		text.fill(MaxRow + 2) // the first row has to be in the sample
	}
	switch {
	case text.err != nil && !text.atEOF():
		return nil, text.err
	case len(bytes.TrimSpace(text.bytes())) > 0:
		return text, nil
	case text.atEOF():
		return nil, in.opts.fail(nil, "is empty: there is nothing to load")
	}
	return nil, in.opts.fail(nil, "begins with %d KiB of blanks: this is not an %s file", len(text.bytes())>>10, in.opts.kind().Thing)
}

// refuse judges the sample as a whole.
func (in *input) refuse(s shape) error {
	sample := in.text.bytes()
	header := s.format != JSONLines && s.format != Baskets && in.opts.Columns == nil
	if problem := notText(sample, header, in.opts.kind().Thing); problem != "" {
		return in.opts.fail(nil, "%s", problem)
	}
	if in.shape.Encoding != utf8Text {
		return nil
	}
	if at := notUTF8(sample, in.text.atEOF()); at >= 0 {
		return in.opts.fail(nil, "is not UTF-8 (byte 0x%02X on line %d): say --encoding windows-1252 or latin-1, or convert it",
			sample[at], 1+countLines(sample[:at]))
	}
	return nil
}
