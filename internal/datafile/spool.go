package datafile

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// maxSpool is the maximum size in bytes of a temporary file for a source that needs random access.
const maxSpool = 8 << 30

// spooled is a source with random access.
type spooled struct {
	*os.File

	size int64
	temp bool
}

// spool gives src random access: through its own file if it has one, otherwise through a private temporary file. It
// reads all of src.
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
	_ = os.Remove(file.Name()) // the file exists as long as it is open
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

// regular returns the file behind src if it is a regular one, or nil.
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
