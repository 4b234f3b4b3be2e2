package datafile

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// maxSpool is how many bytes of a source that has to be read in any order may lie in a temporary file.
const maxSpool = 8 << 30

// spooled is a source that can be read in any order.
type spooled struct {
	*os.File

	size int64
	temp bool
}

// spool makes src readable in any order: by its own file if there is one, else by a temporary one that nobody else
// sees. All of src is read.
func spool(src io.Reader, own *os.File) (*spooled, error) {
	if own != nil {
		if _, err := io.Copy(io.Discard, src); err != nil {
			return nil, err
		}
		info, err := own.Stat()
		if err != nil {
			return nil, err
		}
		return &spooled{own, info.Size(), false}, nil
	}
	file, err := os.CreateTemp("", "alsobought-*")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(file.Name()) // it lives as long as it is open
	size, err := io.Copy(file, io.LimitReader(src, maxSpool+1))
	if err == nil && size > maxSpool {
		err = fmt.Errorf("more than %d GiB for a temporary file: unpack it first", maxSpool>>30)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &spooled{file, size, true}, nil
}

// regular is the file behind src if it is a regular one.
func regular(src io.Reader) *os.File {
	file, ok := src.(*os.File)
	if !ok {
		return nil
	}
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	return file
}
