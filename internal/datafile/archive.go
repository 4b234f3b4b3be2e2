package datafile

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"
)

const (
	zipMagic   = "PK\x03\x04"
	maxMembers = 1000
	// A member above maxMember bytes may be at most maxRatio times its compressed size; orders compress at most a
	// hundredfold.
	maxMember = 1 << 30
	maxRatio  = 300
)

// unzip returns the files of a zip archive as sources. For anything else, Excel files included, it returns nil and the
// source itself. The archive has to stay open while its files are read.
func unzip(src io.ReadCloser, name string) (members []Source, whole io.ReadCloser, err error) {
	opts := Options{Name: name}
	head := make([]byte, len(zipMagic))
	n, err := io.ReadFull(src, head)
	begun := io.MultiReader(bytes.NewReader(head[:n]), src)
	own := regular(src)
	if string(head[:n]) != zipMagic {
		if own != nil {
			_, err = own.Seek(0, io.SeekStart)
			return nil, src, err
		}
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			begun = io.MultiReader(bytes.NewReader(head[:n]), broken{err})
		}
		return nil, stream{begun, src}, nil
	}
	file, err := spool(begun, own)
	if err != nil {
		return nil, src, fmt.Errorf("read %s: %w", name, err)
	}
	if !file.temp {
		whole = src
	} else {
		whole = file.File
		_ = src.Close() // read only
	}
	archive, err := zip.NewReader(file, file.size)
	if err != nil {
		return nil, whole, opts.fail(err, "is a damaged zip archive (%v): fetch it again", err)
	}
	if office := officeFile(archive); office != "" {
		_, err = file.Seek(0, io.SeekStart)
		return nil, whole, err
	}
	members, err = filesOf(archive, opts)
	return members, whole, err
}

// filesOf returns the non-empty files of an archive, without those that macOS adds.
func filesOf(archive *zip.Reader, opts Options) (members []Source, err error) {
	for _, f := range archive.File {
		if f.FileInfo().IsDir() || strings.HasPrefix(f.Name, "__MACOSX/") || strings.HasPrefix(path.Base(f.Name), ".") {
			continue
		}
		name := opts.name() + "/" + strings.ToValidUTF8(f.Name, "\uFFFD")
		switch {
		case f.Flags&1 != 0:
			return nil, opts.fail(nil, "is protected by a password: unpack it first")
		case f.UncompressedSize64 > maxMember && f.UncompressedSize64/maxRatio > f.CompressedSize64:
			return nil, opts.fail(nil, "holds %s, which is %d times as large as it is stored: this is no file of orders",
				path.Base(name), f.UncompressedSize64/max(f.CompressedSize64, 1))
		case len(members) == maxMembers:
			return nil, opts.fail(nil, "holds more than %d files: unpack it first", maxMembers)
		}
		members = append(members, Source{Name: name, Open: func() (io.ReadCloser, error) {
			r, err := f.Open()
			if err != nil {
				return nil, opts.fail(err, "is a damaged zip archive (%v): fetch it again", err)
			}
			return r, nil
		}})
	}
	if len(members) == 0 {
		return nil, opts.fail(nil, emptyFile)
	}
	return members, nil
}

// officeFile returns the kind of document that a zip archive is, or "" if it is none.
func officeFile(archive *zip.Reader) string {
	for _, f := range archive.File {
		switch f.Name {
		case "xl/workbook.xml":
			return "xlsx"
		case "xl/workbook.bin":
			return "xlsb"
		case "word/document.xml", "ppt/presentation.xml", "META-INF/manifest.xml":
			return "document"
		}
	}
	return ""
}

// stream is a stream whose beginning has already been read.
type stream struct {
	io.Reader

	of io.ReadCloser
}

// Close closes the underlying stream.
func (s stream) Close() error { return s.of.Close() }

// broken is a reader that returns an error found earlier.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }
