package datafile

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
)

// Beginning is that of the text of a basket list: 64 KiB, or all of a shorter one.
func (r *Reader) Beginning() []byte { return r.start }

// StoredSums returns the SHA-256 of the first bytes of a basket list as it is stored, for each of some numbers of them,
// the smallest first. nil is one that cannot be told: the source is shorter, or it is a stream that was read past it.
func (r *Reader) StoredSums(sizes []int64) (sums [][]byte, err error) {
	var stored io.Reader
	switch own := regular(r.source.src); {
	case len(sizes) == 0:
		return nil, nil
	case own != nil:
		stored = io.NewSectionReader(own, 0, sizes[len(sizes)-1])
	case r.shape.Compression == "" && r.shape.Encoding == utf8Text:
		stored = bytes.NewReader(r.start)
	}
	sums = make([][]byte, len(sizes))
	sum, read := sha256.New(), int64(0)
	for i, size := range sizes {
		if stored == nil {
			break
		}
		n, err := io.CopyN(sum, stored, size-read)
		if read += n; errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		sums[i] = sum.Sum(nil)
	}
	return sums, nil
}
