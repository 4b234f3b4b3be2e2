package datafile

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
)

// unpack replaces the bytes of an Excel or Parquet file by its text, and leaves any other source unchanged.
func (r *Reader) unpack(raw *window) error {
	excel := bytes.HasPrefix(raw.bytes(), []byte(zipMagic))
	if !excel && !bytes.HasPrefix(raw.bytes(), []byte("PAR1")) {
		return nil
	}
	var own *os.File
	if r.shape.Compression == "" {
		own = regular(r.source.src)
	}
	var err error
	if r.spool, err = spool(raw, own); err != nil {
		if r.source.err != nil {
			return r.source.err
		}
		return r.opts.fail(err, "cannot be unpacked: %v", err)
	}
	if excel {
		err = r.unpackExcel()
	} else {
		err = r.unpackParquet()
	}
	if err != nil {
		return err
	}
	r.shape.Encoding = utf8Text
	*raw = window{src: damaged{r.unpacked, r}}
	return nil
}

func (r *Reader) unpackExcel() error {
	archive, err := zip.NewReader(r.spool, r.spool.size)
	if err != nil {
		return r.opts.fail(err, "is a damaged zip archive (%v): fetch it again", err)
	}
	switch officeFile(archive) {
	case "xlsx":
	case "xlsb":
		return r.opts.fail(nil, "is an Excel file of the binary kind (.xlsb): save it as .xlsx or CSV")
	case "document":
		return r.opts.fail(nil, "is an office document: save its table as .xlsx or CSV")
	default:
		return r.opts.fail(nil, "is a zip archive inside another file: unpack it first")
	}
	words := NewGlossary(r.kind)
	text, sheet, err := openXLSX(r.spool, r.opts.Sheet, func(rows [][]string) bool {
		_, suits := headerAmong(rows, words)
		return suits
	})
	if err != nil {
		return r.opts.fail(err, "is an Excel file that cannot be read (%v)", err)
	}
	r.unpacked, r.shape.Format, r.shape.Sheet = text, XLSX, bounded([]string{sheet})[0]
	r.opts.Format, r.opts.Quotes, r.opts.Encoding = CSV, CSVQuotes, ""
	return nil
}

func (r *Reader) unpackParquet() error {
	if len(r.opts.Columns) > 0 {
		return r.opts.fail(nil, "is a Parquet file, which names its columns itself: leave out --columns")
	}
	text, err := newParquetText(r.spool)
	if err != nil {
		return r.opts.fail(err, "is a Parquet file that cannot be read (%v): fetch it again", err)
	}
	r.unpacked, r.shape.Format = text, Parquet
	r.opts.Format, r.opts.Encoding = JSONLines, ""
	return nil
}

// sizeError is the error for a file that may be sound but would need too much memory.
type sizeError string

func (e sizeError) Error() string { return string(e) }

// damaged adds the name of the file to errors of unpacking it.
type damaged struct {
	io.Reader
	r *Reader
}

// Read implements [io.Reader].
func (d damaged) Read(b []byte) (int, error) {
	n, err := d.Reader.Read(b)
	var size sizeError
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return n, err
	case errors.As(err, &size):
		return n, d.r.opts.fail(err, "cannot be read: %v", size)
	}
	return n, d.r.opts.fail(err, "is damaged (%v): fetch it again", err)
}
