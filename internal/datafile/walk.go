package datafile

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// Source is one file or stream.
type Source struct {
	Name string // its name in errors and in the audit
	Open func() (io.ReadCloser, error)
}

// Progress is how far the sources have been read.
type Progress struct {
	Bytes    int64 // of the sources, as stored
	Rows     int64
	Rejected int64
	Merging  bool // everything has been read
}

// File describes a source that was read.
type File struct {
	Name         string
	Bytes        int64 // as stored
	SHA256       []byte
	RowsRead     int64
	RowsRejected int64
}

// Walk reads sources one after the other, each with its own reader R, and counts their rows. The files of a zip archive
// are sources of their own, named ARCHIVE/FILE. It is not safe for concurrent use.
type Walk[R interface {
	Bytes() int64
	SHA256() []byte
	Close() error
}] struct {
	Sources []Source
	Open    func(src io.Reader, name string) (R, error) // opens a reader of a source
	Done    func(f File, reader R) error                // called for each source after it was read to its end
	Report  func(Progress)                              // called every few thousand rows; may be nil

	sources int      // opened so far
	members []Source // files of the archive that are still to be read
	archive io.Closer
	number  int // of the current file, from 1
	file    File
	all     File // totals of all files; Bytes is that of finished ones
	src     io.ReadCloser
	opened  state // of src
	reader  R
	reading bool // reader is open
}

// reportEvery is the number of rows between progress reports.
const reportEvery = 5000

// Next reads one row with read, which returns io.EOF at the end of a source; Next then continues with the next source.
// After the last source it returns io.EOF. Its other errors are those of a source's Open, of Open, read and Done, and
// an error if a file has changed since it was opened.
func (w *Walk[R]) Next(read func(R) error) error {
	for {
		if !w.reading {
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

// Reject counts the row read last as rejected.
func (w *Walk[R]) Reject() {
	w.file.RowsRejected++
	w.all.RowsRejected++
}

// Number returns the number of the current file, from 1; 0 before the first row.
func (w *Walk[R]) Number() int { return w.number }

// Name returns the name of the current file.
func (w *Walk[R]) Name() string { return w.file.Name }

// Rows returns the number of rows read so far, over all sources.
func (w *Walk[R]) Rows() int64 { return w.all.RowsRead }

// Rejected returns the number of rows rejected so far, over all sources.
func (w *Walk[R]) Rejected() int64 { return w.all.RowsRejected }

// ReportMerging reports that everything has been read.
func (w *Walk[R]) ReportMerging() {
	if w.Report != nil {
		w.Report(Progress{Bytes: w.all.Bytes, Rows: w.all.RowsRead, Rejected: w.all.RowsRejected, Merging: true})
	}
}

// open opens the next file: of the current archive, or of the next source.
func (w *Walk[R]) open() (err error) {
	for len(w.members) == 0 {
		w.Close()
		if w.sources == len(w.Sources) {
			return io.EOF
		}
		source := w.Sources[w.sources]
		if w.src, err = source.Open(); err != nil {
			return err
		}
		w.sources++
		w.opened = stateOf(w.src)
		opened := w.src
		if w.members, w.src, err = unzip(opened, source.Name); err != nil {
			return err
		}
		if copied, isFile := w.src.(*os.File); isFile && w.src != opened {
			w.opened = stateOf(copied)
		}
		if w.members == nil {
			return w.read(w.src, source.Name)
		}
		w.archive, w.src = w.src, nil
	}
	member := w.members[0]
	w.members = w.members[1:]
	if w.src, err = member.Open(); err != nil {
		return err
	}
	w.opened = stateOf(w.src)
	return w.read(w.src, member.Name)
}

// read starts reading a file.
func (w *Walk[R]) read(src io.Reader, name string) (err error) {
	w.number++
	w.file = File{Name: name}
	if w.reader, err = w.Open(src, name); err != nil {
		return err
	}
	w.reading = true
	return nil
}

// finish closes the current file and calls Done.
func (w *Walk[R]) finish() error {
	if stateOf(w.src) != w.opened {
		return fmt.Errorf("%s changed while it was read: load it again when it is complete", w.file.Name)
	}
	w.file.Bytes, w.file.SHA256 = w.reader.Bytes(), w.reader.SHA256()
	w.all.Bytes += w.file.Bytes
	w.closeFile()
	return w.Done(w.file, w.reader)
}

// Close closes everything that is open.
func (w *Walk[R]) Close() {
	w.closeFile()
	if w.archive != nil {
		_ = w.archive.Close() // read only
		w.archive = nil
	}
}

func (w *Walk[R]) closeFile() {
	if w.reading {
		_ = w.reader.Close() // removes temporary files
		w.reading = false
	}
	if w.src != nil {
		_ = w.src.Close() // read only
		w.src = nil
	}
}

// state is what changes when a regular file is written to.
type state struct {
	size     int64
	modified time.Time
}

// stateOf returns the state of a regular file, and the zero state for anything else.
func stateOf(src io.Reader) (s state) {
	if s, ok := src.(stream); ok {
		src = s.of
	}
	if f, ok := src.(fs.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return state{info.Size(), info.ModTime()}
		}
	}
	return s
}
