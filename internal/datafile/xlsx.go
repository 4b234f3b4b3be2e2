package datafile

import (
	"archive/zip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"
)

const (
	maxXLSX     = 128 << 20 // bytes of an Excel file, which is held in memory as stored
	maxXLSXPart = 1 << 20   // bytes of a part that is unpacked in memory; larger ones go to temporary files
	maxXLSXAll  = 2 << 30   // bytes of all parts
	maxXLSXZip  = 2000      // number of parts
)

// xlsxText reads a sheet of an Excel file as CSV, one line per row: texts as they are, numbers unrounded, dates and
// times in ISO 8601.
type xlsxText struct {
	file  *excelize.File
	rows  *excelize.Rows
	width int // minimum number of fields per row: the sheet omits empty ones at the end
	text  strings.Builder
	out   *csv.Writer
	left  string // of text, not read yet
}

// openXLSX opens the sheet with the wanted name or number, or else the first visible one that suits, or else the first
// visible one.
func openXLSX(file *spooled, wanted string, suits func(rows [][]string) bool) (x *xlsxText, sheet string, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = foreseen(panicked)
		}
	}()
	if err := soundXLSX(file); err != nil {
		return nil, "", err
	}
	book, err := excelize.OpenReader(io.NewSectionReader(file, 0, file.size),
		excelize.Options{UnzipXMLSizeLimit: maxXLSXPart, UnzipSizeLimit: maxXLSXAll})
	if err != nil {
		return nil, "", err
	}
	x = &xlsxText{file: book}
	x.out = csv.NewWriter(&x.text)
	if err := exactCells(book); err != nil {
		return nil, "", errors.Join(err, x.Close())
	}
	sheets := visible(book)
	sheet, err = chooseSheet(book, sheets, wanted, suits)
	if err == nil {
		var sample [][]string
		if sample, err = firstRows(book, sheet); err == nil {
			for _, row := range sample {
				x.width = max(x.width, len(row))
			}
			x.rows, err = book.Rows(sheet)
		}
	}
	if err != nil {
		return nil, "", errors.Join(err, x.Close())
	}
	return x, sheet, nil
}

// soundXLSX rejects files that would not fit into memory, whatever sizes they declare.
func soundXLSX(file *spooled) error {
	if file.size > maxXLSX {
		return fmt.Errorf("more than %d MiB: save it as CSV", maxXLSX>>20)
	}
	archive, err := zip.NewReader(file, file.size)
	if err != nil {
		return err
	}
	var all uint64
	for _, part := range archive.File {
		if all += part.UncompressedSize64; all > maxXLSXAll || len(archive.File) > maxXLSXZip {
			return errors.New("larger than a spreadsheet can be")
		}
		r, err := part.Open()
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, io.LimitReader(r, int64(part.UncompressedSize64)+1))
		if err := errors.Join(err, r.Close()); err != nil {
			return err
		}
		if uint64(n) > part.UncompressedSize64 {
			return errors.New("a part is larger than it says")
		}
	}
	return nil
}

func visible(book *excelize.File) (sheets []string) {
	for _, name := range book.GetSheetList() {
		if shown, err := book.GetSheetVisible(name); err != nil || shown {
			sheets = append(sheets, name)
		}
	}
	return sheets
}

func chooseSheet(book *excelize.File, sheets []string, wanted string, suits func([][]string) bool) (string, error) {
	if wanted != "" {
		all := book.GetSheetList()
		for _, name := range all {
			if strings.EqualFold(name, wanted) {
				return name, nil
			}
		}
		if n, err := strconv.Atoi(wanted); err == nil && 1 <= n && n <= len(all) {
			return all[n-1], nil
		}
		return "", fmt.Errorf("no sheet %q: it has %s", wanted, list(all))
	}
	if len(sheets) == 0 {
		return "", errors.New("no visible sheet: name one with --sheet")
	}
	for _, name := range sheets {
		if rows, err := firstRows(book, name); err == nil && len(sheets) > 1 && suits(rows) {
			return name, nil
		}
	}
	return sheets[0], nil
}

// firstRows returns the first non-empty rows of a sheet.
func firstRows(book *excelize.File, sheet string) (sample [][]string, err error) {
	rows, err := book.Rows(sheet)
	if err != nil {
		return nil, err
	}
	for len(sample) < sampleRows && rows.Next() {
		row, err := rows.Columns()
		if err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		if filled(row) > 0 {
			sample = append(sample, row)
		}
	}
	return sample, errors.Join(rows.Error(), rows.Close())
}

// exactCells makes cells render dates and times in ISO 8601 regardless of their format, and all other numbers
// unrounded.
func exactCells(book *excelize.File) error {
	iso := "yyyy-mm-dd hh:mm:ss"
	style, err := book.NewStyle(&excelize.Style{CustomNumFmt: &iso})
	if err != nil {
		return err
	}
	formats := map[int]string{}
	if book.Styles.NumFmts != nil {
		for _, f := range book.Styles.NumFmts.NumFmt {
			formats[f.NumFmtID] = f.FormatCode
		}
	}
	cells := book.Styles.CellXfs.Xf
	for i := range cells {
		id := cells[i].NumFmtID
		if id == nil || i == style {
			continue
		}
		if isDate(*id, formats[*id]) {
			cells[i].NumFmtID = cells[style].NumFmtID
		} else {
			cells[i].NumFmtID = nil
		}
	}
	return nil
}

// isDate reports whether a number format shows a date, with or without a time.
func isDate(id int, code string) bool {
	if code == "" {
		return 14 <= id && id <= 17 || id == 22 || 27 <= id && id <= 31 || id == 36 || 50 <= id && id <= 58
	}
	plain, quoted := strings.Builder{}, false
	for i := 0; i < len(code); i++ {
		switch c := code[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\':
			i++
		case c == '[' && !quoted:
			for i < len(code) && code[i] != ']' {
				i++
			}
		case !quoted:
			plain.WriteByte(c | 0x20)
		}
	}
	return strings.ContainsAny(plain.String(), "yd")
}

// Read implements [io.Reader].
func (x *xlsxText) Read(b []byte) (n int, err error) {
	for x.left == "" {
		if err := x.fill(); err != nil {
			return 0, err
		}
	}
	n = copy(b, x.left)
	x.left = x.left[n:]
	return n, nil
}

// fill formats the next row.
func (x *xlsxText) fill() (err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = foreseen(panicked)
		}
	}()
	if !x.rows.Next() {
		if err := x.rows.Error(); err != nil {
			return err
		}
		return io.EOF
	}
	row, err := x.rows.Columns()
	if err != nil {
		return err
	}
	for len(row) < x.width {
		row = append(row, "")
	}
	x.text.Reset()
	if len(row) == 0 {
		x.left = "\n"
		return nil
	}
	if err := x.out.Write(row); err != nil {
		return err
	}
	x.out.Flush()
	x.left = x.text.String()
	return nil
}

// Close removes the temporary files.
func (x *xlsxText) Close() error {
	var err error
	if x.rows != nil {
		err = x.rows.Close()
	}
	return errors.Join(err, x.file.Close())
}
