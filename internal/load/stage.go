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

<<<<<<< HEAD
	walk    *datafile.Walk[*orderfile.Reader]
	readRow func(*orderfile.Reader) error
	files   []db.LoadFile     // finished
	line    orderfile.Line    // the row that was read last, or
	reject  *orderfile.Reject // why there is none
	ahead   bool              // it is not taken in yet
	err     error
=======
	files     []db.LoadFile // finished, and the current one last
	file      io.ReadCloser
	opened    orderfile.State // the current file's, as it was opened
	reader    *orderfile.Reader
	bytes     int64 // of the sources that are finished
	rows      int64 // read so far, over all sources
	rejected  int64
	returns   int64          // rows that take something back, and of these
	notBought int64          // those that are no lines
	line      orderfile.Line // the row that was read last, or
	reject    *orderfile.Reject
	ahead     bool // it is not taken in yet
	err       error
>>>>>>> fabfc4f (load: rows that are not bought, in the database)

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
	s := &stage{options: options, items: map[string]int64{}, written: &chunk{}}
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

// done keeps what the audit says of a source.
func (s *stage) done(f datafile.File, reader *orderfile.Reader) error {
	mapping, err := json.Marshal(reader.Mapping())
	if err != nil {
		return fmt.Errorf("mapping of %s: %w", f.Name, err)
	}
	s.files = append(s.files, db.LoadFile{
		Name: storable(f.Name), Bytes: f.Bytes, SHA256: f.SHA256, Mapping: mapping, RowsRead: f.RowsRead, RowsRejected: f.RowsRejected,
	})
	return nil
}

func (s *stage) close() { s.walk.Close() }

// put takes in a row.
func (s *stage) put(line orderfile.Line, reject *orderfile.Reject) error {
	if reject == nil {
		s.add(line)
		return nil
	}
<<<<<<< HEAD
	s.walk.Reject()
	if most := s.options.MaxRejects; most != nil && s.walk.Rejected() > *most {
		return fmt.Errorf("%w: more than %d, the last on line %d of %s (%s: %s): nothing was loaded; --dry-run shows them",
			ErrTooManyRejects, *most, reject.Number, storable(s.walk.Sources[s.walk.Number()-1].Name), reject.Reason, reject.Detail)
=======
	file := &s.files[len(s.files)-1]
	file.RowsRead++
	if line.Returned.Any() {
		s.returns++
		s.written.giveBack(line)
		if reject != nil {
			s.notBought++
			file.RowsNotBought++
			return s.written.reject(s.loadID, s.rows, len(s.files), NotBought, reject)
		}
	}
	if reject != nil {
		s.rejected++
		file.RowsRejected++
		if most := s.options.MaxRejects; most != nil && s.rejected > *most {
			return fmt.Errorf("%w: more than %d, the last on line %d of %s (%s: %s): nothing was loaded; --dry-run shows them",
				ErrTooManyRejects, *most, reject.Number, file.Name, reject.Reason, reject.Detail)
		}
		return s.written.reject(s.loadID, s.rows, len(s.files), Rejected, reject)
>>>>>>> fabfc4f (load: rows that are not bought, in the database)
	}
	return s.written.reject(s.loadID, s.walk.Rows(), s.walk.Number(), reject)
}
