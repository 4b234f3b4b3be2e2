package orderfile

import (
	"io"
	"io/fs"
	"time"
)

// State is what is different of a regular file that somebody writes to.
type State struct {
	size     int64
	modified time.Time
}

// StateOf returns the state of a regular file, and always the same of anything else.
func StateOf(src io.Reader) (s State) {
	if f, ok := src.(fs.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return State{info.Size(), info.ModTime()}
		}
	}
	return s
}
