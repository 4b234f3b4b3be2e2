package load

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/orderfile"
)

// stage reads the rows of the sources, groups and numbers them.
type stage struct {
	sources []Source
	options Options
	loadID  int64

	files    []db.LoadFile // finished, and the current one last
	file     io.ReadCloser
	opened   orderfile.State // the current file's, as it was opened
	reader   *orderfile.Reader
	bytes    int64 // of the sources that are finished
	rows     int64 // read so far, over all sources
	rejected int64
	line     orderfile.Line // the row that was read last, or
	reject   *orderfile.Reject
	ahead    bool // it is not taken in yet
	err      error

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
	s := &stage{sources: sources, options: options, items: map[string]int64{}, written: &chunk{}}
	if s.err = s.open(); s.err == nil && !s.next() && s.err == nil {
		s.err = fmt.Errorf("%s: %w: there is a header at most, nothing was loaded", names(sources), ErrNoRows)
	}
	if s.err != nil {
		s.close()
		return nil, s.err
	}
	s.ahead = true
	return s, nil
}

// judge checks what can be judged only when all is read.
func (s *stage) judge() error {
	// Divided, not multiplied: 29 of 100 are exactly 0.29, but 0.29 of 100 is a little less than 29.
	if most := s.options.MaxRejectShare; most != nil && float64(s.rejected)/float64(s.rows) > *most {
		return fmt.Errorf("%w: %d of %d rows were rejected, the most allowed is %.6g %%: nothing was loaded; --dry-run shows them",
			ErrTooManyRejects, s.rejected, s.rows, *most*100)
	}
	s.report(true)
	return nil
}

// reportEvery is the number of rows between two reports of progress.
const reportEvery = 5000

func (s *stage) report(merging bool) {
	if s.options.Progress == nil {
		return
	}
	read := s.bytes
	if !merging {
		read += s.reader.Bytes()
	}
	s.options.Progress(Progress{Bytes: read, Rows: s.rows, Rejected: s.rejected, Merging: merging})
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
	for {
		var err error
		s.line, s.reject, err = s.reader.Read()
		if err == nil {
			return true
		}
		if !errors.Is(err, io.EOF) {
			s.err = err
			return false
		}
		if s.err = s.finish(); s.err != nil || len(s.files) == len(s.sources) {
			return false
		}
		if s.err = s.open(); s.err != nil {
			return false
		}
	}
}

func (s *stage) open() error {
	source := s.sources[len(s.files)]
	file, err := source.Open()
	if err != nil {
		return err
	}
	s.file, s.opened = file, orderfile.StateOf(file)
	options := s.options.File
	options.Name = source.Name
	if s.reader, err = orderfile.Open(file, options); err != nil {
		return err
	}
	s.files = append(s.files, db.LoadFile{Name: storable(source.Name)})
	return nil
}

// finish closes the current source and keeps what the audit says of it.
func (s *stage) finish() error {
	mapping, err := json.Marshal(s.reader.Mapping())
	if err != nil {
		return fmt.Errorf("mapping of %s: %w", s.files[len(s.files)-1].Name, err)
	}
	f := &s.files[len(s.files)-1]
	if orderfile.StateOf(s.file) != s.opened {
		return fmt.Errorf("%s changed while it was read: load it again when it is complete", f.Name)
	}
	f.Bytes, f.SHA256, f.Mapping = s.reader.Bytes(), s.reader.SHA256(), mapping
	s.bytes += f.Bytes
	s.close()
	return nil
}

func (s *stage) close() {
	if s.file != nil {
		_ = s.file.Close() // read only
		s.file = nil
	}
}

func (s *stage) put(line orderfile.Line, reject *orderfile.Reject) error {
	s.rows++
	if s.rows%reportEvery == 0 {
		s.report(false)
	}
	file := &s.files[len(s.files)-1]
	file.RowsRead++
	if reject != nil {
		s.rejected++
		file.RowsRejected++
		if most := s.options.MaxRejects; most != nil && s.rejected > *most {
			return fmt.Errorf("%w: more than %d, the last on line %d of %s (%s: %s): nothing was loaded; --dry-run shows them",
				ErrTooManyRejects, *most, reject.Number, file.Name, reject.Reason, reject.Detail)
		}
		return s.written.reject(s.loadID, s.rows, len(s.files), reject)
	}
	s.add(line)
	return nil
}
