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

// stage reads the rows of the sources, groups and numbers them.
type stage struct {
	options Options
	loadID  int64

	walk    *datafile.Walk[*orderfile.Reader]
	readRow func(*orderfile.Reader) error
	files   []db.LoadFile     // finished
	line    orderfile.Line    // the row that was read last, or
	reject  *orderfile.Reject // why there is none
	ahead   bool              // it is not taken in yet
	err     error

	refusals     refusals // of the current file
	returns      int64    // rows so far that take something back
	notBought    int64    // of these, those that are no lines, and
	notBoughtNow int64    // those of the current file

	order   order            // whose lines are being read
	orders  int64            // numbered so far: places where lines of an order stand together
	lines   int64            // written so far
	items   map[string]int64 // the numbers of the items
	written *chunk           // what is not copied yet
}

// newStage reads the first row, so that a wrong file is refused before the database hears of it.
func newStage(sources []Source, options Options) (*stage, error) {
	if len(sources) == 0 {
		return nil, errors.New("no source to load")
	}
	s := &stage{options: options, items: map[string]int64{}, written: &chunk{}, refusals: refusals{}}
	s.walk = walk(sources, options, s.done)
	s.readRow = func(r *orderfile.Reader) (err error) {
		s.line, s.reject, err = r.Read()
		return err
	}
	if s.ahead = s.next(); !s.ahead && s.err == nil {
		s.err = fmt.Errorf("%s: %w: there is a header at most, nothing was loaded", names(sources), ErrNoRows)
	}
	if s.err != nil {
		s.close()
		return nil, s.err
	}
	return s, nil
}

// walk goes over the rows of the sources, for a load or to rehearse one.
func walk(sources []Source, options Options, done func(datafile.File, *orderfile.Reader) error) *datafile.Walk[*orderfile.Reader] {
	return &datafile.Walk[*orderfile.Reader]{
		Sources: sources, Report: options.Progress, Done: done,
		Open: func(src io.Reader, name string) (*orderfile.Reader, error) {
			file := options.File
			file.Name = name
			return orderfile.Open(src, file)
		},
	}
}

// judge checks what can be judged only when all is read.
func (s *stage) judge() error {
	if err := s.options.tooMany(s.walk.Rejected(), s.walk.Rows()); err != nil {
		return fmt.Errorf("%w: nothing was loaded; --dry-run shows them", err)
	}
	s.walk.ReportMerging()
	return nil
}

// read takes in one row of the sources. It is false at the end of the last one and on error.
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

// done keeps what the audit says of a file, if enough of it was understood.
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
		Name: storable(f.Name), Bytes: f.Bytes, SHA256: f.SHA256, Mapping: mapping, RowsRead: f.RowsRead, RowsRejected: f.RowsRejected,
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

// put takes in a row.
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
