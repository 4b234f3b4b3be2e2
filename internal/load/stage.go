package load

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/orderfile"
	"github.com/alsobought/alsobought/internal/pg"
)

//go:embed staging.sql
var createStaging string

var stagedColumns = []string{
	"row_number", "file_number", "line_number", "order_id", "item_name", "quantity", "ordered_at", "customer_id",
	"reason", "detail", "raw", "said",
}

// stage streams the rows of the sources into staged_rows, one at a time: it is the pgx.CopyFromSource of the load's COPY.
type stage struct {
	sources []Source
	options Options

	files    []db.LoadFile // finished, and the current one last
	file     io.ReadCloser
	opened   orderfile.State // the current file's, as it was opened
	reader   *orderfile.Reader
	bytes    int64 // of the sources that are finished
	rows     int64 // read so far, over all sources
	rejected int64
	values   [12]any
	ahead    bool // values are of a row that was read but not asked for yet
	err      error
}

// newStage reads the first row, so that a wrong file is refused before the database hears of it.
func newStage(sources []Source, options Options) (*stage, error) {
	if len(sources) == 0 {
		return nil, errors.New("no source to load")
	}
	s := &stage{sources: sources, options: options}
	if s.err = s.open(); s.err == nil && !s.read() && s.err == nil {
		s.err = fmt.Errorf("%s: %w: there is a header at most, nothing was loaded", names(sources), ErrNoRows)
	}
	if s.err != nil {
		s.close()
		return nil, s.err
	}
	s.ahead = true
	return s, nil
}

func (s *stage) copy(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, createStaging); err != nil {
		return fmt.Errorf("make staging table: %w", err)
	}
	staged, err := pg.Copy(ctx, tx, "staged_rows", stagedColumns, s)
	if err != nil {
		return err
	}
	if staged != s.rows {
		return fmt.Errorf("copy rows: %d read, but %d staged", s.rows, staged)
	}
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

// Next reads one row of the sources into values. It is false at the end of the last one and on error.
func (s *stage) Next() bool {
	if s.ahead {
		s.ahead = false
		return true
	}
	return s.read()
}

func (s *stage) read() bool {
	for {
		line, reject, err := s.reader.Read()
		switch {
		case err == nil:
			s.err = s.put(line, reject)
			return s.err == nil
		case !errors.Is(err, io.EOF):
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
	number := len(s.files)
	if reject != nil {
		s.rejected++
		file.RowsRejected++
		if most := s.options.MaxRejects; most != nil && s.rejected > *most {
			return fmt.Errorf("%w: more than %d, the last on line %d of %s (%s: %s): nothing was loaded; --dry-run shows them",
				ErrTooManyRejects, *most, reject.Number, file.Name, reject.Reason, reject.Detail)
		}
		s.values = [12]any{
			s.rows, number, reject.Number, nil, nil, nil, nil, nil, string(reject.Reason), reject.Detail, reject.Raw, nil,
		}
		if reject.Said == nil {
			return nil
		}
		said, err := json.Marshal(reject.Said)
		if err != nil {
			return fmt.Errorf("keep reject: %w", err)
		}
		s.values[11] = said
		return nil
	}
	s.values = [12]any{s.rows, number, line.Number, line.Order, line.Item, numeric(line.Quantity), nil, nil, nil, nil, nil, nil}
	if !line.OrderedAt.IsZero() {
		s.values[6] = line.OrderedAt
	}
	if line.Customer != "" {
		s.values[7] = line.Customer
	}
	return nil
}

// one is the quantity of a line that names none.
var one = pgtype.Numeric{Int: big.NewInt(1), Valid: true}

func numeric(q orderfile.Quantity) pgtype.Numeric {
	switch {
	case q.IsZero(), q == orderfile.Quantity{Whole: 1}:
		return one
	case q.Micros == 0:
		return pgtype.Numeric{Int: big.NewInt(q.Whole), Valid: true}
	}
	unscaled := new(big.Int).Mul(big.NewInt(q.Whole), big.NewInt(1_000_000))
	return pgtype.Numeric{Int: unscaled.Add(unscaled, big.NewInt(int64(q.Micros))), Exp: -6, Valid: true}
}
