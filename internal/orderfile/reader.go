package orderfile

import (
	"bytes"
	"io"
)

// Reader reads the rows of one source. It is not safe for use by several goroutines at once.
type Reader struct {
	opts    Options
	source  *source
	rows    rows
	mapping Mapping
	end     error // what the last Read returned, once it is over
}

// rows is what there is one of for each kind of format. next returns a line, a reject or an error.
type rows interface {
	next() (Line, *Reject, error)
}

// Mapping is what was understood of a source.
type Mapping struct {
	Format      Format   `json:"format"`
	Compression string   `json:"compression,omitempty"` // gzip or zstd
	Encoding    string   `json:"encoding"`
	Delimiter   string   `json:"delimiter,omitempty"` // " " is any run of white space
	Header      bool     `json:"header"`              // whether the first row names the columns
	Columns     []string `json:"columns,omitempty"`   // the first 100 names, as written

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
	r := &Reader{opts: opts, source: newSource(src, opts)}
	r.mapping.TimeFormat = opts.TimeFormat

	plain, compression, err := decompress(r.source)
	if err != nil {
		return nil, err
	}
	r.mapping.Compression = compression
	text, err := r.text(plain)
	if err != nil {
		return nil, err
	}
	shape, err := sniff(text, opts)
	if err != nil {
		return nil, err
	}
	if err := r.refuse(text, shape); err != nil {
		return nil, err
	}
	r.mapping.Format = shape.format
	checks, err := newChecks(opts)
	if err != nil {
		return nil, err
	}
	switch shape.format {
	case JSONLines:
		r.rows, err = newObjects(text, opts, checks, &r.mapping)
	case Baskets:
		r.rows = newBaskets(text, shape.separator, opts, checks, &r.mapping)
	default:
		r.rows, err = newTable(text, shape.separator, opts, checks, &r.mapping)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// text decodes the source and reads the sample.
func (r *Reader) text(plain io.Reader) (*window, error) {
	raw := &window{src: plain}
	raw.fill(512)
	if problem := foreign(raw.bytes()); problem != "" {
		return nil, r.opts.fail(nil, "%s", problem)
	}
	encoding, err := encodingNamed(r.opts.Encoding)
	if err != nil {
		return nil, err
	}
	decoded, encoding := decode(raw, encoding)
	r.mapping.Encoding = encoding
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
		return nil, r.opts.fail(nil, "is empty: there is nothing to load")
	}
	return nil, r.opts.fail(nil, "begins with %d KiB of blanks: this is not an order file", len(text.bytes())>>10)
}

// refuse judges the sample as a whole.
func (r *Reader) refuse(text *window, s shape) error {
	header := s.format != JSONLines && s.format != Baskets && r.opts.Columns == nil
	if problem := notText(text.bytes(), header); problem != "" {
		return r.opts.fail(nil, "%s", problem)
	}
	if r.mapping.Encoding != utf8Text {
		return nil
	}
	if at := notUTF8(text.bytes(), text.atEOF()); at >= 0 {
		return r.opts.fail(nil, "is not UTF-8 (byte 0x%02X on line %d): say --encoding windows-1252 or latin-1, or convert it",
			text.bytes()[at], 1+countLines(text.bytes()[:at]))
	}
	return nil
}

// Read returns the next row: a line, or a reject and a zero line. Its error is io.EOF at the end of the source, a
// FileError when the rest of it cannot be read, or what the source failed with; all later calls return it too.
func (r *Reader) Read() (Line, *Reject, error) {
	if r.end != nil {
		return Line{}, nil, r.end
	}
	line, reject, err := r.rows.next()
	if err == io.EOF {
		if failed := r.source.drain(); failed != nil {
			err = failed
		}
	}
	r.end = err
	return line, reject, err
}

// Mapping returns what was understood of the source.
func (r *Reader) Mapping() Mapping { return r.mapping }

// Bytes returns how many bytes of the source were read so far, before decompression.
func (r *Reader) Bytes() int64 { return r.source.n }

// SHA256 returns the sum of the source as it was given, before decompression. It is that of the whole source once Read
// has returned io.EOF.
func (r *Reader) SHA256() []byte { return r.source.sum.Sum(nil) }
