package datafile

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/alsobought/alsobought/internal/spelling"
)

// Reader reads the rows of a source. It is not safe for concurrent use.
type Reader struct {
	opts      Options
	kind      Kind
	source    *source
	text      *window
	scan      *scanner
	shape     Shape
	separator byte // 0 for JSON lines, ' ' for any run of white space

	dialect  *dialect // of a table
	names    []string // of the columns
	width    int      // number of fields per row: that of names,
	wider    bool     // or one more, which is empty
	parts    []part   // roles that have a column
	cast     *cast    // of JSON lines
	found    []string
	start    []byte        // beginning of the text of a basket list
	unpacked io.ReadCloser // the text of a binary file; nil for others
	spool    *spooled      // the file that unpacked reads
	damage   *damage       // of a text whose sample is ASCII and that is read as UTF-8
	end      error         // the error of the last Read at the end
}

// part is a role of a table and the columns that play it: the first, and those whose values are joined to it.
type part struct {
	role, column int
	more         []int
	join         string
}

// Shape describes how the text of a source was read.
type Shape struct {
	Format      Format   `json:"format"`
	Compression string   `json:"compression,omitempty"` // gzip or zstd
	Encoding    string   `json:"encoding"`
	Delimiter   string   `json:"delimiter,omitempty"` // " " is any run of white space
	Sheet       string   `json:"sheet,omitempty"`
	Header      bool     `json:"header"`                // the first row names the columns
	Above       int64    `json:"lines_above,omitempty"` // lines above the header or the first row that are not rows
	Columns     []string `json:"columns,omitempty"`     // at most 100 names, as written
	Quotes      Quotes   `json:"quotes,omitempty"`      // as asked for
	Document    bool     `json:"document,omitempty"`    // a JSON document: line numbers count objects
}

// Open inspects the beginning of src and returns a Reader of its rows. It returns a FileError if the file as a whole
// cannot be read, the error of src, or that of Options.Validate. A file with only a header is not an error: its first
// Read returns io.EOF.
func Open(src io.Reader, opts Options, kind Kind) (*Reader, error) {
	if err := opts.Validate(kind); err != nil {
		return nil, err
	}
	r := &Reader{opts: opts, kind: kind, source: newSource(src, opts), found: make([]string, len(kind.Roles))}
	plain, compression, err := decompress(r.source)
	if err != nil {
		return nil, err
	}
	r.shape.Compression = compression
	raw := &window{src: plain}
	raw.fill(512)
	if err = r.unpack(raw); err == nil {
		err = r.look(raw)
	}
	if err != nil {
		_ = r.Close() // nothing was written
		return nil, err
	}
	return r, nil
}

// look inspects the beginning of the text and prepares r to read it.
func (r *Reader) look(raw *window) (err error) {
	raw.fill(512)
	if r.text, err = r.decode(raw); err != nil {
		return err
	}
	if err := r.lineUp(); err != nil {
		return err
	}
	above := r.separatorLine()
	if len(bytes.TrimSpace(r.text.bytes())) == 0 {
		return r.opts.fail(nil, emptyFile)
	}
	sniffed := sniff(r.text, r.opts, r.kind)
	r.separator = sniffed.separator
	if r.unpacked == nil {
		r.shape.Format = sniffed.format
	}
	if err := r.refuse(sniffed); err != nil {
		return err
	}
	return r.begin(sniffed.format, above)
}

// begin reads what precedes the first row, after the lines above.
func (r *Reader) begin(format Format, above int64) error {
	r.scan = newScanner(r.text, splitLine, r.opts, r.kind.Thing)
	r.scan.rows = r.unpacked != nil || r.shape.Document
	r.scan.line += above
	r.shape.Above, r.shape.Quotes = above, r.opts.Quotes
	found := func(role int, column string) { r.found[role] = bounded([]string{column})[0] }
	if format == JSONLines {
		r.cast = newCast(r.kind, found)
		return r.cast.sample(r.text, r.opts, &r.shape)
	}
	if r.unpacked == nil {
		r.shape.Delimiter = string(r.separator)
	}
	if format != Baskets {
		return r.header(found)
	}
	start := r.text.bytes()
	r.start = bytes.Clone(start[:min(len(start), sampleSize)])
	r.scan.split = splitBlanks
	if r.separator != ' ' {
		r.scan.split = r.opts.dialect(r.separator).split
	}
	return r.basketHeader()
}

// Read returns the next row, with as many fields as the header of a table, or the reject of one. The error is io.EOF at
// the end of the source, a FileError if the rest of the source cannot be read, or the source's own error; all later
// calls return the same error.
func (r *Reader) Read() (*Row, *Reject, error) {
	if r.end != nil {
		return nil, nil, r.end
	}
	row, err := r.scan.next()
	if err != nil {
		return nil, nil, r.ended(err)
	}
	if reject := r.check(row); reject != nil {
		return nil, reject, nil
	}
	if r.width == 0 {
		return row, nil, nil
	}
	if r.isHeader(row) {
		return nil, row.Reject(RepeatedHeader, "the header once more"), nil
	}
	if n := len(row.fields); n != r.width && !(r.wider && n == r.width+1 && len(row.Value(r.width)) == 0) {
		return nil, row.Reject(WrongColumns, "%s, the header has %d", plural(n, "field"), r.width), nil
	}
	return row, nil, nil
}

// check makes the checks that need only the raw bytes, and collects evidence about the encoding of the text.
func (r *Reader) check(row *Row) *Reject {
	reject := row.check(r.shape.Encoding)
	if r.damage != nil {
		r.damage.note(row, reject)
	}
	return reject
}

// ended records the error that ended the reading.
func (r *Reader) ended(err error) error {
	if err == io.EOF {
		err = r.source.drain()
		switch d := r.damage; {
		case err != nil:
		case d != nil && d.whole():
			err = r.notUTF8(d.text[invalidUTF8(d.text)], d.first, d.text)
		default:
			err = io.EOF
		}
	}
	r.end = err
	_ = r.Close() // nothing was written
	return err
}

// Close stops reading before the end of the source. It is not needed after Read has returned an error.
func (r *Reader) Close() (err error) {
	if r.unpacked != nil {
		err = r.unpacked.Close()
	}
	if r.spool != nil && r.spool.temp {
		err = errors.Join(err, r.spool.Close())
	}
	r.spool = nil
	return err
}

// Values stores the values of a table row in values, indexed by role, cleaned by package spelling. It leaves roles
// without a column alone.
func (r *Reader) Values(row *Row, values [][]byte) {
	for i := range r.parts {
		p := &r.parts[i]
		if values[p.role] = row.Value(p.column); p.more != nil {
			values[p.role] = p.joined(row)
		}
	}
}

func (p *part) joined(row *Row) []byte {
	value := bytes.Clone(row.Value(p.column))
	for _, column := range p.more {
		value = append(append(value, p.join...), row.Value(column)...)
	}
	return spelling.Clean(value) // the last of them may be empty
}

// Role returns the role of a key of JSON lines. The first key that matches a role without a key gets it permanently.
func (r *Reader) Role(key string) (role int, plays bool) { return r.cast.role(key) }

// Sample calls do with up to most rows that are in memory, until do returns false. These are the next rows that Read
// will return, without rejects. They are valid until do returns.
func (r *Reader) Sample(most int, do func(*Row) bool) {
	scan := newScanner(sampled(r.text), r.scan.split, Options{}, "")
	for range most {
		row, err := scan.next()
		if err != nil {
			return
		}
		if row.check(r.shape.Encoding) == nil && (r.width == 0 || len(row.fields) >= r.width) && !do(row) {
			return
		}
	}
}

// Shape returns how the text of the source was read.
func (r *Reader) Shape() Shape { return r.shape }

// Found returns the column or key of each role of the Kind, as written; "" for none. In JSON lines, the key of a role
// may turn up only later in the source.
func (r *Reader) Found() []string { return slices.Clone(r.found) }

// Bytes returns the number of bytes of the source read so far, before decompression.
func (r *Reader) Bytes() int64 { return r.source.n }

// SHA256 returns the hash of the source as stored, before decompression. It covers the whole source once Read has
// returned io.EOF.
func (r *Reader) SHA256() []byte { return r.source.sum.Sum(nil) }

// decode returns the text of the source with its sample in memory.
func (r *Reader) decode(raw *window) (*window, error) {
	if problem := foreign(raw.bytes(), r.kind.Thing); problem != "" {
		return nil, r.opts.fail(nil, "%s", problem)
	}
	decoded, encoding := decode(raw, r.opts.Encoding)
	r.shape.Encoding = encoding
	text := &window{src: decoded}
	text.fill(sampleSize)
	if !bytes.ContainsAny(text.bytes(), "\r\n") {
		text.fill(MaxRow + 2) // the sample must contain the first row
	}
	switch {
	case text.err != nil && !text.atEOF():
		return nil, text.err
	case len(bytes.TrimSpace(text.bytes())) > 0:
		return text, nil
	case text.atEOF():
		return nil, r.opts.fail(nil, emptyFile)
	}
	return nil, r.opts.fail(nil, "begins with %d KiB of blanks: this is not an %s file", len(text.bytes())>>10, r.kind.Thing)
}

// refuse checks the sample as a whole.
func (r *Reader) refuse(s shape) error {
	sample := r.text.bytes()
	header := s.format != JSONLines && s.format != Baskets && r.opts.Columns == nil
	if problem := notText(sample, header, r.kind.Thing); problem != "" {
		return r.opts.fail(nil, "%s", problem)
	}
	if r.shape.Encoding != utf8Text || r.unpacked != nil {
		return nil
	}
	if at := notUTF8(sample, r.text.atEOF()); at >= 0 {
		return r.notUTF8(sample[at], 1+countLines(sample[:at]), sample)
	}
	if isASCIIText(sample) {
		r.damage = &damage{}
	}
	return nil
}

// notUTF8 returns the error for a text that is not UTF-8, with the byte and line that show it.
func (r *Reader) notUTF8(b byte, line int64, damaged []byte) error {
	return r.opts.fail(nil, "is not UTF-8 (byte 0x%02X on line %d): %s", b, line, encodingAdvice(damaged))
}
