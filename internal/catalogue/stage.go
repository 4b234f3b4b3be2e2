package catalogue

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/pg"
)

//go:embed staging.sql
var createStaging string

var stagedColumns = []string{
	"file_number", "line_number", "item_name", "category", "label", "url", "image_url", "price", "active",
}

// stage streams the good rows of the sources into staged_items one at a time, as the pgx.CopyFromSource of the load's
// COPY. It keeps the first wrong rows and counts the rest.
type stage struct {
	options Options
	kind    datafile.Kind

	walk    *datafile.Walk[*datafile.Records]
	readRow func(*datafile.Records) error
	files   []File // files read to the end
	record  datafile.Record
	reject  *datafile.Reject // why record is not valid
	staged  int64
	wrong   int64 // number of wrong rows
	firsts  []refused

	variants variants
	values   [2 + attributes]any
	ahead    bool // values are of a row that Next has not returned yet
	err      error
}

// refused is one wrong row.
type refused struct {
	file int // file number
	line int64
	why  string
}

// newStage reads up to the first good row, so that a bad file is refused before anything reaches the database.
func newStage(sources []Source, options Options) (*stage, error) {
	if len(sources) == 0 {
		return nil, errors.New("nothing to load")
	}
	s := &stage{options: options, kind: kind(options.Columns), variants: variants{named: options.Columns.Item != ""}}
	s.walk = &datafile.Walk[*datafile.Records]{
		Sources: sources, Report: options.Progress, Done: s.done,
		Open: func(src io.Reader, name string) (*datafile.Records, error) {
			file := options.File
			file.Name = name
			return datafile.OpenRecords(src, file, s.kind)
		},
	}
	s.readRow = func(r *datafile.Records) (err error) {
		s.reject, err = r.Read(&s.record)
		return err
	}
	s.ahead = s.read()
	if s.err == nil && s.walk.Rows() == 0 {
		s.err = fmt.Errorf("%s: %w: at most a header; nothing was changed", strings.Join(s.names(), " "), ErrNoRows)
	}
	if s.err != nil {
		s.close()
		return nil, s.err
	}
	return s, nil
}

func (s *stage) copy(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, createStaging); err != nil {
		return fmt.Errorf("make staging tables: %w", err)
	}
	staged, err := pg.Copy(ctx, tx, "staged_items", stagedColumns, s)
	if err != nil {
		return err
	}
	if staged != s.staged {
		return fmt.Errorf("copy rows: %d read, but %d staged", s.staged, staged)
	}
	s.walk.ReportMerging()
	return nil
}

// verdict returns a WrongError if there are wrong rows, unless these may be omitted and there are good ones.
func (s *stage) verdict() error {
	if s.wrong == 0 || s.options.SkipRejected && s.wrong < s.walk.Rows() {
		return nil
	}
	return s.refusal()
}

// refusal returns the wrong rows as an error.
func (s *stage) refusal() *WrongError {
	// Contradictions are found last, wherever they are.
	slices.SortStableFunc(s.firsts,
		func(a, b refused) int { return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line)) })
	e := &WrongError{RowsRead: s.walk.Rows(), RowsWrong: s.wrong}
	for _, r := range s.firsts[:min(len(s.firsts), MaxWrong)] {
		e.First = append(e.First, Wrong{s.files[r.file-1].Name, r.line, r.why})
	}
	return e
}

// refuse records a wrong row.
func (s *stage) refuse(file int, line int64, why string) {
	s.wrong++
	if len(s.firsts) < MaxWrong {
		s.firsts = append(s.firsts, refused{file, line, why})
	}
}

// Next reads one good row of the sources into values. It returns false at the end of the last source and on error.
func (s *stage) Next() bool {
	if s.ahead {
		s.ahead = false
		return true
	}
	return s.read()
}

// read reads up to the next good row.
func (s *stage) read() bool {
	for s.err == nil {
		switch err := s.walk.Next(s.readRow); {
		case err == io.EOF: // may recur if COPY calls Next again
			return false
		case err != nil:
			s.err = err
		case s.put():
			return true
		}
	}
	return false
}

// Values returns the row that Next read. It is valid until the next call of Next.
func (s *stage) Values() ([]any, error) { return s.values[:], nil }

// Err returns the error that made Next return false early.
func (s *stage) Err() error { return s.err }

// done records how a source was understood.
func (s *stage) done(f datafile.File, reader *datafile.Records) error {
	s.variants.first = nil
	found := reader.Found()
	s.files = append(s.files, File{
		Name: strings.ToValidUTF8(f.Name, "\uFFFD"), Bytes: f.Bytes, RowsRead: f.RowsRead, Mapping: Mapping{
			Shape: reader.Shape(), Item: found[itemRole], Category: found[categoryRole],
			Label: found[labelRole], URL: found[urlRole],
			ImageURL: found[imageURLRole], Price: found[priceRole], Active: found[activeRole],
		},
	})
	return nil
}

func (s *stage) close() { s.walk.Close() }

// names returns the names of the sources.
func (s *stage) names() []string {
	list := make([]string, len(s.walk.Sources))
	for i, source := range s.walk.Sources {
		list[i] = strings.ToValidUTF8(source.Name, "\uFFFD")
	}
	return list
}

// put processes the row read last, and reports whether it is good.
func (s *stage) put() bool {
	number := s.walk.Number()
	if s.reject != nil {
		s.walk.Reject()
		s.refuse(number, s.reject.Number, s.reject.Detail)
		return false
	}
	if !s.variants.complete(s.record.Values) {
		return false
	}
	if problem := check(s.record.Values, (*[attributes]any)(s.values[2:])); problem != "" {
		s.walk.Reject()
		s.refuse(number, s.record.Number, problem)
		return false
	}
	s.values[0], s.values[1] = number, s.record.Number
	s.staged++
	return true
}
