package datafile

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxZstdWindow bounds the memory of the zstd decoder. It is enough for every level of the zstd tool except --ultra.
const maxZstdWindow = 32 << 20

// source counts and hashes the bytes as stored, before decompression.
type source struct {
	src  io.Reader
	opts Options
	n    int64
	sum  hash.Hash
	err  error // error of the source, other than io.EOF
}

func newSource(src io.Reader, opts Options) *source {
	return &source{src: src, opts: opts, sum: sha256.New()}
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.src.Read(p)
	for idle := 0; n == 0 && err == nil && len(p) > 0; idle++ {
		if idle == 100 {
			err = io.ErrNoProgress
			break
		}
		n, err = s.src.Read(p)
	}
	s.n += int64(n)
	s.sum.Write(p[:n])
	if err != nil && err != io.EOF {
		s.err = fmt.Errorf("read %s: %w", s.opts.name(), err)
		err = s.err
	}
	return n, err
}

// drain reads what a decompressor left unread, so that count and hash cover the whole source.
func (s *source) drain() error {
	_, err := io.Copy(io.Discard, s)
	return err
}

// decompress inspects the first bytes of the source and returns the decompressed stream, and the name of the
// compression or "".
func decompress(s *source) (io.Reader, string, error) {
	var magic [4]byte
	n, err := io.ReadFull(s, magic[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF || s.err != nil {
		return nil, "", err
	}
	whole := io.MultiReader(bytes.NewReader(magic[:n]), s)
	plain := &inflater{source: s}
	switch {
	case magic[0] == 0x1f && magic[1] == 0x8b:
		plain.kind = "gzip"
		plain.src, err = gzip.NewReader(whole)
	case isZstd(magic):
		plain.kind = "zstd"
		plain.src, err = zstd.NewReader(whole, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxZstdWindow))
	default:
		return whole, "", nil
	}
	if err != nil {
		return nil, "", plain.explain(err)
	}
	return plain, plain.kind, nil
}

// isZstd recognises frames, and the skippable frames that pzstd puts before them.
func isZstd(magic [4]byte) bool {
	return magic == [4]byte{0x28, 0xb5, 0x2f, 0xfd} || magic[0]&0xf0 == 0x50 && [3]byte(magic[1:]) == [3]byte{0x2a, 0x4d, 0x18}
}

// inflater distinguishes a damaged file from a source that failed.
type inflater struct {
	src    io.Reader
	source *source
	kind   string
}

func (i *inflater) Read(p []byte) (int, error) {
	n, err := i.src.Read(p)
	if err != nil && err != io.EOF {
		err = i.explain(err)
	}
	return n, err
}

func (i *inflater) explain(err error) error {
	switch {
	case i.source.err != nil:
		return i.source.err
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return i.source.opts.fail(err, "needs more than %d MiB to decompress: compress it without --long and --ultra", maxZstdWindow>>20)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return i.source.opts.fail(err, "ends in the middle of its %s data: fetch it again", i.kind)
	}
	return i.source.opts.fail(err, "is damaged %s data (%v): fetch it again", i.kind, err)
}
