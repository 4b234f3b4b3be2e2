package load_test

import (
	"io"
	"sync"
)

// gate blocks readers at the end of their data until the expected number of readers have got there.
type gate struct{ missing sync.WaitGroup }

func newGate(readers int) *gate {
	g := &gate{}
	g.missing.Add(readers)
	return g
}

func (g *gate) atEnd(r io.Reader) io.Reader {
	arrive := sync.OnceFunc(g.missing.Done)
	return readerFunc(func(p []byte) (int, error) {
		n, err := r.Read(p)
		if err == io.EOF {
			arrive()
			g.missing.Wait()
		}
		return n, err
	})
}

// hooked returns a reader that calls do once, after more than after bytes of r have been read. The loader starts its
// load after reading at most 128 KiB of a table.
func hooked(r io.Reader, after int64, do func()) io.Reader {
	once := sync.OnceFunc(do)
	var n int64
	return readerFunc(func(p []byte) (int, error) {
		if n > after {
			once()
		}
		got, err := r.Read(p[:min(len(p), 32<<10)])
		n += int64(got)
		return got, err
	})
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
