package datafile

import "bytes"

// scanner walks over the rows of a text and counts its lines.
type scanner struct {
	text  *window
	split splitter
	opts  Options
	thing string // what the rows are about
	line  int64  // on which the next row begins
	rows  bool   // lines are counted by rows: the text is not as it is stored
	row   Row
}

func newScanner(text *window, split splitter, opts Options, thing string) *scanner {
	return &scanner{text: text, split: split, opts: opts, thing: thing, line: 1}
}

// next returns the next row that is not blank, valid until the call after it, or io.EOF, a FileError or what the source
// failed with.
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

// beginning is the text that is in memory, without a byte order mark, which begins every file of those that were put
// together, and without the byte that DOS ends a text with.
func (s *scanner) beginning() (data []byte, atEOF bool) {
	if bytes.HasPrefix(s.text.bytes(), utf8Mark) {
		s.text.advance(len(utf8Mark))
	}
	data, atEOF = s.text.bytes(), s.text.atEOF()
	if atEOF {
		data = bytes.TrimSuffix(data, []byte{0x1a})
	}
	return data, atEOF
}

// advance splits off one row. A row that is not whole yet is split again from its start, but only once twice as much of
// it is there.
func (s *scanner) advance() error {
	for {
		data, atEOF := s.beginning()
		if len(data) > MaxRow+2 { // a row of that size and its CRLF
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
