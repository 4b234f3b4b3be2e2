package datafile

import (
	"fmt"
	"io"
	"io/fs"
	"time"
)

// Source is one file or stream.
type Source struct {
	Name string // what errors and the audit call it
	Open func() (io.ReadCloser, error)
}

// Progress is how far the reading of sources has come.
type Progress struct {
	Bytes    int64 // of the sources, as they are stored
	Rows     int64
	Rejected int64
	Merging  bool // all is read
}

// File is a source as it was read.
type File struct {
	Name         string
	Bytes        int64 // as it is stored
	SHA256       []byte
	RowsRead     int64
	RowsRejected int64
}

// Walk reads sources one after the other, each by a reader R of its own, and keeps the books. It is not safe for use by
// several goroutines at once.
type Walk[R interface {
	Bytes() int64
	SHA256() []byte
}] struct {
	Sources []Source
	Open    func(src io.Reader, name string) (R, error) // looks at the beginning of a source
	Done    func(f File, reader R) error                // is told of each source once it was read to its end
	Report  func(Progress)                              // is told every few thousand rows how far it is, or nil

	number int // of the current source, from 1
	file   File
	all    File // of all sources; the bytes are those of sources that are finished
	src    io.ReadCloser
	opened state // of src
	reader R
}

// reportEvery is the number of rows between two reports of progress.
const reportEvery = 5000

// Next reads one row with read, of the next source when the current one has ended: read returns io.EOF for that. After the
// last source Next returns io.EOF. Its other errors are those of a source's Open, of Open, of read and of Done, and that of
// a file that has changed since it was opened.
func (w *Walk[R]) Next(read func(R) error) error {
	for {
		if w.src == nil {
			if err := w.open(); err != nil {
				return err
			}
		}
		err := read(w.reader)
		switch {
		case err == nil:
			w.file.RowsRead++
			if w.all.RowsRead++; w.all.RowsRead%reportEvery == 0 && w.Report != nil {
				w.Report(Progress{Bytes: w.all.Bytes + w.reader.Bytes(), Rows: w.all.RowsRead, Rejected: w.all.RowsRejected})
			}
			return nil
		case err != io.EOF:
			return err
		}
		if err := w.finish(); err != nil {
			return err
		}
	}
}

// Reject says that the row that was read last is refused.
func (w *Walk[R]) Reject() {
	w.file.RowsRejected++
	w.all.RowsRejected++
}

// Number is that of the current source, from 1; 0 before the first row.
func (w *Walk[R]) Number() int { return w.number }

// Rows is how many were read so far, over all sources, and Rejected how many of them were refused.
func (w *Walk[R]) Rows() int64 { return w.all.RowsRead }

// Rejected is how many rows were refused so far, over all sources.
func (w *Walk[R]) Rejected() int64 { return w.all.RowsRejected }

// ReportMerging reports that all is read.
func (w *Walk[R]) ReportMerging() {
	if w.Report != nil {
		w.Report(Progress{Bytes: w.all.Bytes, Rows: w.all.RowsRead, Rejected: w.all.RowsRejected, Merging: true})
	}
}

func (w *Walk[R]) open() error {
	if w.number == len(w.Sources) {
		return io.EOF
	}
	source := w.Sources[w.number]
	src, err := source.Open()
	if err != nil {
		return err
	}
	w.number++
	w.src, w.opened, w.file = src, stateOf(src), File{Name: source.Name}
	w.reader, err = w.Open(src, source.Name)
	return err
}

// finish closes the current source and hands over what is known of it.
func (w *Walk[R]) finish() error {
	if stateOf(w.src) != w.opened {
		return fmt.Errorf("%s changed while it was read: load it again when it is complete", w.file.Name)
	}
	w.file.Bytes, w.file.SHA256 = w.reader.Bytes(), w.reader.SHA256()
	w.all.Bytes += w.file.Bytes
	w.Close()
	return w.Done(w.file, w.reader)
}

// Close closes the current source, if one is open.
func (w *Walk[R]) Close() {
	if w.src != nil {
		_ = w.src.Close() // read only
		w.src = nil
	}
}

// state is what is different of a regular file that somebody writes to.
type state struct {
	size     int64
	modified time.Time
}

// stateOf returns the state of a regular file, and always the same of anything else.
func stateOf(src io.Reader) (s state) {
	if f, ok := src.(fs.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return state{info.Size(), info.ModTime()}
		}
	}
	return s
}
