package datafile

import "io"

// window is the part of a stream that is in memory. Unlike a bufio.Reader, it grows as far as its user asks.
type window struct {
	src    io.Reader
	buf    []byte
	lo, hi int
	err    error // why the stream ended, io.EOF included; bytes before it may still be in the window
}

func (w *window) bytes() []byte { return w.buf[w.lo:w.hi] }

func (w *window) atEOF() bool { return w.err == io.EOF }

// advance drops the first n bytes. They stay readable until the next fill.
func (w *window) advance(n int) { w.lo += n }

// fill reads until the window has at least n bytes or the stream ends.
func (w *window) fill(n int) {
	if w.hi-w.lo >= n || w.err != nil {
		return
	}
	held := w.bytes()
	if n > len(w.buf) {
		w.buf = make([]byte, n)
	}
	w.lo, w.hi = 0, copy(w.buf, held)
	for w.hi < n && w.err == nil {
		var got int
		got, w.err = w.src.Read(w.buf[w.hi:])
		w.hi += got
	}
}

// Read makes the rest of a window readable as a source of another window.
func (w *window) Read(p []byte) (int, error) {
	if w.lo < w.hi {
		n := copy(p, w.bytes())
		w.advance(n)
		return n, nil
	}
	if w.err != nil {
		return 0, w.err
	}
	return w.src.Read(p)
}
