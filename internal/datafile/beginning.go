package datafile

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
)

// Beginning returns the beginning of the text of a basket list: 64 KiB, or all of a shorter one.
func (r *Reader) Beginning() []byte { return r.start }

// StoredSums returns the SHA-256 of the first n bytes of a basket list as stored, for each n in sizes, which must be in
// ascending order. An entry is nil if it cannot be computed, because the source is shorter or is a stream that has been
// read past that point.
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
