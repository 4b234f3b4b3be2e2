package datafile

import (
	"archive/zip"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	maxXLSX    = 128 << 20 // bytes of an Excel file
	maxXLSXAll = 2 << 30   // bytes of all parts
	maxXLSXZip = 2000      // number of parts

	maxXLSXRows    = 1 << 20
	maxXLSXColumns = 1 << 14
)

// xlsxText reads a sheet of an Excel file as CSV, one line per row: texts as they are, numbers unrounded, dates and
// times in ISO 8601.
type xlsxText struct {
	rows  *sheetRows
	width int // minimum number of fields per row: the sheet omits empty ones at the end
	text  strings.Builder
	out   *csv.Writer
	left  string // of text, not read yet
}

// openXLSX opens the sheet with the wanted name or number, or else the first visible one that suits, or else the first
// visible one.
func openXLSX(file *spooled, wanted string, suits func(rows [][]string) bool) (x *xlsxText, sheet string, err error) {
	archive, err := soundXLSX(file)
	if err != nil {
		return nil, "", err
	}
	book, err := openWorkbook(archive)
	if err != nil {
		return nil, "", err
	}
	chosen, err := chooseSheet(book, wanted, suits)
	if err != nil {
		return nil, "", err
	}
	sample, err := firstRows(book, chosen)
	if err != nil {
		return nil, "", err
	}
	x = &xlsxText{}
	x.out = csv.NewWriter(&x.text)
	for _, row := range sample {
		x.width = max(x.width, len(row))
	}
	x.rows, err = book.rows(chosen)
	return x, chosen.name, err
}

// soundXLSX rejects files that would not fit into memory, whatever sizes they declare, and damaged ones.
func soundXLSX(file *spooled) (*zip.Reader, error) {
	if file.size > maxXLSX {
		return nil, fmt.Errorf("more than %d MiB: save it as CSV", maxXLSX>>20)
	}
	archive, err := zip.NewReader(file, file.size)
	if err != nil {
		return nil, err
	}
	var all uint64
	for _, part := range archive.File {
		if all += part.UncompressedSize64; all > maxXLSXAll || len(archive.File) > maxXLSXZip {
			return nil, errors.New("larger than a spreadsheet can be")
		}
		r, err := part.Open()
		if err != nil {
			return nil, err
		}
		n, err := io.Copy(io.Discard, io.LimitReader(r, int64(part.UncompressedSize64)+1))
		if err := errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
		if uint64(n) > part.UncompressedSize64 {
			return nil, errors.New("a part is larger than it says")
		}
	}
	return archive, nil
}

func chooseSheet(book *workbook, wanted string, suits func([][]string) bool) (worksheet, error) {
	var names []string
	var visible []worksheet
	for _, s := range book.sheets {
		names = append(names, s.name)
		if !s.hidden {
			visible = append(visible, s)
		}
	}
	if wanted != "" {
		for _, s := range book.sheets {
			if strings.EqualFold(s.name, wanted) {
				return s, nil
			}
		}
		if n, err := strconv.Atoi(wanted); err == nil && 1 <= n && n <= len(names) {
			return book.sheets[n-1], nil
		}
		return worksheet{}, fmt.Errorf("no sheet %q: it has %s", wanted, list(names))
	}
	if len(visible) == 0 {
		return worksheet{}, errors.New("no visible sheet: name one with --sheet")
	}
	for _, s := range visible {
		if rows, err := firstRows(book, s); err == nil && len(visible) > 1 && suits(rows) {
			return s, nil
		}
	}
	return visible[0], nil
}

// firstRows returns the first non-empty rows of a sheet.
func firstRows(book *workbook, sheet worksheet) (sample [][]string, err error) {
	rows, err := book.rows(sheet)
	if err != nil {
		return nil, err
	}
	for len(sample) < sampleRows && err == nil {
		var row []string
		if row, err = rows.read(); filled(row) > 0 {
			sample = append(sample, row)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return sample, errors.Join(err, rows.Close())
}

// sheetRows reads the rows of a sheet.
type sheetRows struct {
	*partXML

	book    *workbook
	number  int      // of the last row returned
	ahead   int      // number of the row that was read last
	cells   []string // of that row
	text    cellText
	column  int    // of the current cell
	kind    string // of the current cell
	style   string // of the current cell
	inSheet bool
}

func (w *workbook) rows(sheet worksheet) (*sheetRows, error) {
	x, err := w.open(sheet.part)
	if err != nil {
		return nil, err
	}
	return &sheetRows{partXML: x, book: w}, nil
}

// read returns the next row, which is empty if the sheet leaves it out.
func (r *sheetRows) read() ([]string, error) {
	if r.number == r.ahead {
		if err := r.readRow(); err != nil {
			return nil, err
		}
	}
	if r.number++; r.number < r.ahead {
		return nil, nil
	}
	return r.cells, nil
}

// readRow reads the next row that is there.
func (r *sheetRows) readRow() error {
	for {
		token, err := r.token()
		switch {
		case errors.Is(err, io.EOF) && r.inSheet:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
		r.text.add(token)
		switch token := token.(type) {
		case xml.StartElement:
			err = r.start(token)
		case xml.EndElement:
			switch token.Name.Local {
			case "sheetData":
				r.inSheet = false
				return io.EOF
			case "row":
				return nil
			case "c":
				err = r.endCell()
			}
		}
		if err != nil {
			return err
		}
	}
}

func (r *sheetRows) start(tag xml.StartElement) error {
	switch tag.Name.Local {
	case "sheetData":
		r.inSheet = true
	case "row":
		r.cells, r.column = make([]string, 0, len(r.cells)), 0
		number := r.ahead + 1
		if given := attribute(tag, "r"); given != "" {
			var err error
			if number, err = strconv.Atoi(given); err != nil || number <= r.ahead || number > maxXLSXRows {
				return fmt.Errorf("row %.20q follows row %d", given, r.ahead)
			}
		}
		r.ahead = number
	case "c":
		r.column++
		if given := attribute(tag, "r"); given != "" {
			r.column = columnOf(given)
		}
		r.kind, r.style = attribute(tag, "t"), attribute(tag, "s")
		r.text.take()
	}
	return nil
}

func (r *sheetRows) endCell() error {
	if r.column <= len(r.cells) || r.column > maxXLSXColumns {
		return fmt.Errorf("a cell of row %d is in the wrong place", r.ahead)
	}
	value, err := r.value()
	if err != nil {
		return err
	}
	for len(r.cells) < r.column-1 {
		r.cells = append(r.cells, "")
	}
	r.cells = append(r.cells, value)
	return nil
}

// value returns the value of the current cell.
func (r *sheetRows) value() (string, error) {
	text := r.text.take()
	switch r.kind {
	case "s":
		i, err := strconv.Atoi(strings.TrimSpace(text))
		shared, found := r.book.texts.at(i)
		if err != nil || !found {
			return "", fmt.Errorf("row %d has text %.20q, which is not there", r.ahead, text)
		}
		return shared, nil
	case "b":
		return strings.ToUpper(strconv.FormatBool(text == "1" || text == "true")), nil
	case "", "n":
		style, _ := strconv.Atoi(r.style) // 0 if it has none
		return r.book.number(strings.TrimSpace(text), style), nil
	}
	return text, nil
}

// number returns a number as it is, without what is added to 15 digits in binary, or as a date.
func (w *workbook) number(text string, style int) string {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	if 0 <= style && style < len(w.dates) && w.dates[style] && 0 <= n && n < 2958466 { // the year 10000
		if w.from.Year() < 1900 && n < 60 {
			n++ // the 29th of February 1900 is day 60
		}
		whole, part := math.Modf(n)
		at := w.from.AddDate(0, 0, int(whole)).Add(time.Duration(math.Round(part*86400)) * time.Second)
		return at.Format(time.DateTime)
	}
	n, _ = strconv.ParseFloat(strconv.FormatFloat(n, 'g', 15, 64), 64) // is a number
	return strconv.FormatFloat(n, 'f', -1, 64)
}

func attribute(tag xml.StartElement, name string) string {
	for _, a := range tag.Attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// columnOf returns the number of the column of a cell like "AB12", 0 if it has none.
func columnOf(cell string) (n int) {
	for i := 0; i < len(cell) && n <= maxXLSXColumns; i++ {
		c := cell[i] &^ 0x20
		if c < 'A' || c > 'Z' {
			break
		}
		n = n*26 + int(c-'A') + 1
	}
	return n
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
func (x *xlsxText) fill() error {
	row, err := x.rows.read()
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

// Close closes the sheet.
func (x *xlsxText) Close() error { return x.rows.Close() }
