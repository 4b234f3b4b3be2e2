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

	"github.com/alsobought/alsobought/internal/orderfile"
	"github.com/alsobought/alsobought/internal/pg"
)

//go:embed staging.sql
var createStaging string

var stagedColumns = []string{
	"file_number", "line_number", "item_name", "category", "label", "url", "image_url", "price", "active",
}

// stage streams the good rows of the sources into staged_items, one at a time: it is the pgx.CopyFromSource of the load's COPY. Of wrong
// rows it keeps the first and counts the rest.
type stage struct {
	sources []Source
	options Options
	kind    orderfile.Kind

	files     []File          // the current one last
	file      io.ReadCloser   // nil when all sources are finished
	opened    orderfile.State // the current file's, as it was opened
	reader    *orderfile.Records
	record    orderfile.Record
	bytes     int64 // of the sources that are finished
	rows      int64 // read so far, over all sources
	staged    int64
	rowsWrong int64
	firsts    []refused
	values    [2 + roles]any
	ahead     bool // values are of a row that was read but not asked for yet
	err       error
}

// refused is one wrong row.
type refused struct {
	file int // its number
	line int64
	why  string
}

// newStage reads as far as the first good row, so that a wrong file is refused before the database hears of it.
func newStage(sources []Source, options Options) (*stage, error) {
	if len(sources) == 0 {
		return nil, errors.New("no source to load")
	}
	s := &stage{sources: sources, options: options, kind: kind(options.Columns)}
	if s.err = s.open(); s.err == nil {
		s.ahead = s.read()
	}
	if s.err == nil && s.rows == 0 {
		s.err = fmt.Errorf("%s: %w: there is a header at most, nothing was changed", strings.Join(s.names(), " "), ErrNoRows)
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
	s.report(true)
	return nil
}

// wrong returns a WrongError if any row is wrong.
func (s *stage) wrong() error {
	if s.rowsWrong == 0 {
		return nil
	}
	// Contradictions are found last, wherever they stand.
	slices.SortStableFunc(s.firsts, func(a, b refused) int { return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line)) })
	e := &WrongError{RowsRead: s.rows, RowsWrong: s.rowsWrong}
	for _, r := range s.firsts[:min(len(s.firsts), MaxWrong)] {
		e.First = append(e.First, Wrong{s.files[r.file-1].Name, r.line, r.why})
	}
	return e
}

// refuse takes note of a wrong row.
func (s *stage) refuse(file int, line int64, why string) {
	s.rowsWrong++
	if len(s.firsts) < MaxWrong {
		s.firsts = append(s.firsts, refused{file, line, why})
	}
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
	s.options.Progress(Progress{Bytes: read, Rows: s.rows, Wrong: s.rowsWrong, Merging: merging})
}

// Next reads one good row of the sources into values. It is false at the end of the last one and on error.
func (s *stage) Next() bool {
	if s.ahead {
		s.ahead = false
		return true
	}
	return s.read()
}

// read says no for good once all sources are finished: when none of their rows is good, COPY asks again after newStage.
func (s *stage) read() bool {
	for s.err == nil && s.file != nil {
		reject, err := s.reader.Read(&s.record)
		switch {
		case err == nil:
			if s.put(reject) {
				return true
			}
		case !errors.Is(err, io.EOF):
			s.err = err
		default:
			if s.err = s.finish(); s.err != nil || len(s.files) == len(s.sources) {
				return false
			}
			s.err = s.open()
		}
	}
	return false
}

// Values returns the row that Next read. pgx is done with it before the next Next.
func (s *stage) Values() ([]any, error) { return s.values[:], nil }

// Err returns why Next ended early.
func (s *stage) Err() error { return s.err }

func (s *stage) open() error {
	source := s.sources[len(s.files)]
	file, err := source.Open()
	if err != nil {
		return err
	}
	s.file, s.opened = file, orderfile.StateOf(file)
	options := s.options.File
	options.Name = source.Name
	if s.reader, err = orderfile.OpenRecords(file, options, s.kind); err != nil {
		return err
	}
	s.files = append(s.files, File{Name: strings.ToValidUTF8(source.Name, "\uFFFD")})
	return nil
}

// finish closes the current source and keeps how it was understood.
func (s *stage) finish() error {
	f := &s.files[len(s.files)-1]
	if orderfile.StateOf(s.file) != s.opened {
		return fmt.Errorf("%s changed while it was read: load it again when it is complete", f.Name)
	}
	found := s.reader.Found()
	f.Bytes = s.reader.Bytes()
	f.Mapping = Mapping{
		Shape: s.reader.Shape(), Item: found[itemRole], Category: found[categoryRole], Label: found[labelRole], URL: found[urlRole],
		ImageURL: found[imageURLRole], Price: found[priceRole], Active: found[activeRole],
	}
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

// names are what the sources are called.
func (s *stage) names() []string {
	list := make([]string, len(s.sources))
	for i, source := range s.sources {
		list[i] = strings.ToValidUTF8(source.Name, "\uFFFD")
	}
	return list
}

// put counts a row, and says whether it is good.
func (s *stage) put(reject *orderfile.Reject) bool {
	s.rows++
	if s.rows%reportEvery == 0 {
		s.report(false)
	}
	number := len(s.files)
	s.files[number-1].RowsRead++
	if reject != nil {
		s.refuse(number, reject.Number, reject.Detail)
		return false
	}
	if problem := check(s.record.Values, (*[roles]any)(s.values[2:])); problem != "" {
		s.refuse(number, s.record.Number, problem)
		return false
	}
	s.values[0], s.values[1] = number, s.record.Number
	s.staged++
	return true
}
