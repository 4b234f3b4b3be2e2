package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/orderfile"
)

// stage reads the rows of the sources, groups them by order and numbers them.
type stage struct {
	options Options
	loadID  int64

	walk    *datafile.Walk[*orderfile.Reader]
	readRow func(*orderfile.Reader) error
	files   []db.LoadFile     // files read to the end
	line    orderfile.Line    // the row read last, or
	reject  *orderfile.Reject // why it is not a line
	ahead   bool              // the row is not processed yet
	err     error

	refusals     refusals // of the current file
	returns      int64    // rows so far that take something back
	notBought    int64    // rows so far that are not bought,
	notBoughtNow int64    // and those of the current file

	order   order            // the order being read
	orders  int64            // orders numbered so far, one per run of consecutive lines
	lines   int64            // lines written so far
	items   map[string]int64 // item numbers by name
	written *chunk           // rows to be copied
}

// newStage reads the first row, so that a bad file is refused before anything reaches the database.
func newStage(sources []Source, options Options) (*stage, error) {
	if len(sources) == 0 {
		return nil, errors.New("nothing to load")
	}
	s := &stage{options: options, items: map[string]int64{}, written: &chunk{}, refusals: refusals{}}
	s.walk = walk(sources, options, s.done)
	s.readRow = func(r *orderfile.Reader) (err error) {
		s.line, s.reject, err = r.Read()
		return err
	}
	if s.ahead = s.next(); !s.ahead && s.err == nil {
		s.err = fmt.Errorf("%s: %w: at most a header; nothing was loaded", names(sources), ErrNoRows)
	}
	if s.err != nil {
		s.close()
		return nil, s.err
	}
	return s, nil
}

// walk reads the rows of the sources, for a load or a rehearsal.
func walk(
	sources []Source, options Options, done func(datafile.File, *orderfile.Reader) error,
) *datafile.Walk[*orderfile.Reader] {
	return &datafile.Walk[*orderfile.Reader]{
		Sources: sources, Report: options.Progress, Done: done,
		Open: func(src io.Reader, name string) (*orderfile.Reader, error) {
			file := options.File
			file.Name = name
			return orderfile.Open(src, file)
		},
	}
}

// judge makes the checks that need all rows.
func (s *stage) judge() error {
	if err := s.options.tooMany(s.walk.Rejected(), s.walk.Rows()); err != nil {
		return fmt.Errorf("%w: nothing was loaded; --dry-run shows them", err)
	}
	s.walk.ReportMerging()
	return nil
}

// read processes one row of the sources. It returns false at the end of the last source and on error.
func (s *stage) read() bool {
	if !s.ahead && !s.next() {
		return false
	}
	s.ahead = false
	s.err = s.put(s.line, s.reject)
	return s.err == nil
}

// next reads the next row of the sources into line or reject.
func (s *stage) next() bool {
	err := s.walk.Next(s.readRow)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return err == nil
}

// done keeps the audit of a finished file, or returns an error if too little of the file was understood.
func (s *stage) done(f datafile.File, reader *orderfile.Reader) error {
	if err := s.refusals.judge(f, reader.Mapping().Columns); err != nil {
		return fmt.Errorf("%w; nothing was loaded", err)
	}
	clear(s.refusals)
	mapping, err := json.Marshal(audited{reader.Mapping(), s.reached()})
	if err != nil {
		return fmt.Errorf("mapping of %s: %w", f.Name, err)
	}
	s.files = append(s.files, db.LoadFile{
		Name: storable(f.Name), Bytes: f.Bytes, SHA256: f.SHA256, Mapping: mapping, RowsRead: f.RowsRead,
		RowsRejected:  f.RowsRejected,
		RowsNotBought: s.notBoughtNow,
	})
	s.notBoughtNow = 0
	return nil
}

func (s *stage) reached() *Mark {
	if s.options.Reached == nil {
		return nil
	}
	return s.options.Reached()
}

func (s *stage) close() { s.walk.Close() }

// put processes a row.
func (s *stage) put(line orderfile.Line, reject *orderfile.Reject) error {
	if line.Returned.Any() {
		s.returns++
		if line.Order != "" {
			s.written.giveBack(line)
		}
	}
	switch {
	case reject == nil:
		s.add(line)
		return nil
	case line.Returned.Any():
		s.notBought++
		s.notBoughtNow++
		return s.written.reject(s.loadID, s.walk.Rows(), s.walk.Number(), NotBought, reject)
	}
	s.walk.Reject()
	s.refusals.note(reject)
	if most := s.options.MaxRejects; most != nil && s.walk.Rejected() > *most {
		return fmt.Errorf("%w: more than %d, the last on line %d of %s (%s: %s): nothing was loaded; --dry-run shows them",
			ErrTooManyRejects, *most, reject.Number, storable(s.walk.Name()), reject.Reason, reject.Detail)
	}
	return s.written.reject(s.loadID, s.walk.Rows(), s.walk.Number(), Rejected, reject)
}
