package datafile

import "bytes"

// scanner iterates over the rows of a text and counts its lines.
type scanner struct {
	text  *window
	split splitter
	opts  Options
	thing string // what the rows are about, for errors
	line  int64  // line on which the next row begins
	rows  bool   // count rows instead of lines: the text differs from what is stored
	row   Row
}

func newScanner(text *window, split splitter, opts Options, thing string) *scanner {
	return &scanner{text: text, split: split, opts: opts, thing: thing, line: 1}
}

// next returns the next non-blank row, valid until the following call. The error is io.EOF, a FileError or that of the
// source.
func (s *scanner) next() (*Row, error) {
	for {
		line := s.line
		if err := s.advance(); err != nil {
			return nil, err
		}
		if !s.row.blank() {
			s.row.Line = line
			return &s.row, nil
		}
	}
}

// beginning returns the text that is in memory, without byte order marks, which concatenated files may repeat, and
// without the DOS end-of-file byte.
func (s *scanner) beginning() (data []byte, atEOF bool) {
	data, atEOF = s.text.bytes(), s.text.atEOF()
	if len(data) > 0 && data[0] == utf8Mark[0] && bytes.HasPrefix(data, utf8Mark) {
		s.text.advance(len(utf8Mark))
		data = s.text.bytes()
	}
	if atEOF {
		data = bytes.TrimSuffix(data, []byte{0x1a})
	}
	return data, atEOF
}

// advance splits off one row. After an incomplete row it reads twice as much before trying again from the row's start.
func (s *scanner) advance() error {
	for {
		data, atEOF := s.beginning()
		if len(data) > MaxRow+2 { // the longest row and its CRLF
			data, atEOF = data[:MaxRow+2], false
		}
		if len(data) > 0 {
			n, found := s.split(&s.row, data, atEOF)
			switch {
			case found == wholeRow && len(s.row.raw) <= MaxRow:
				s.text.advance(n)
				if s.rows {
					s.row.lines = 1
				}
				s.line += s.row.lines
				return nil
			case found == openQuote && (atEOF || len(data) > MaxRow):
				return s.opts.failAt(s.line+countLines(data[:s.row.open]), ": a quote opened here is never closed")
			case found == wholeRow || len(data) > MaxRow:
				return s.opts.failAt(s.line, " is longer than 1 MiB: this is not an %s file", s.thing)
			}
		}
		if s.text.err != nil {
			return s.text.err
		}
		s.text.fill(min(max(2*len(data), sampleSize), 2*MaxRow))
	}
}
