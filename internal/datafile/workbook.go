package datafile

import (
	"archive/zip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	maxXLSXPart  = 32 << 20  // bytes of a part that is parsed as a whole
	maxXLSXToken = 8 << 20   // bytes of a text or tag; a cell has 32,767 characters at most
	maxXLSXText  = 128 << 20 // bytes of all distinct texts
	maxXLSXTexts = 16 << 20  // number of distinct texts
)

// workbook is an Excel file.
type workbook struct {
	parts  map[string]*zip.File // by path in lower case
	sheets []worksheet
	texts  sharedTexts
	dates  []bool // by style of cells: whether it shows a number as a date
	from   time.Time
}

type worksheet struct {
	name   string
	part   string
	hidden bool
}

func openWorkbook(archive *zip.Reader) (*workbook, error) {
	w := &workbook{parts: map[string]*zip.File{}, from: time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC)}
	for _, f := range archive.File {
		w.parts[strings.ToLower(strings.ReplaceAll(f.Name, `\`, "/"))] = f
	}
	var book struct {
		Settings struct {
			From1904 string `xml:"date1904,attr"`
		} `xml:"workbookPr"`
		Sheets []struct {
			Name  string `xml:"name,attr"`
			State string `xml:"state,attr"`
			ID    string `xml:"id,attr"`
		} `xml:"sheets>sheet"`
	}
	var relations struct {
		To []struct {
			ID     string `xml:"Id,attr"`
			Type   string `xml:"Type,attr"`
			Target string `xml:"Target,attr"`
		} `xml:"Relationship"`
	}
	if err := errors.Join(w.parse("xl/workbook.xml", &book), w.parse("xl/_rels/workbook.xml.rels", &relations)); err != nil {
		return nil, err
	}
	if book.Settings.From1904 == "1" || book.Settings.From1904 == "true" {
		w.from = time.Date(1904, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	sheets := map[string]string{}
	for _, r := range relations.To {
		part := strings.ReplaceAll(r.Target, `\`, "/")
		if !strings.HasPrefix(part, "/") {
			part = "/xl/" + part
		}
		part = strings.ToLower(path.Clean(part)[1:])
		var err error
		switch path.Base(r.Type) {
		case "worksheet":
			sheets[r.ID] = part
		case "sharedStrings":
			err = w.readTexts(part)
		case "styles":
			err = w.readStyles(part)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, s := range book.Sheets {
		if part, found := sheets[s.ID]; found { // others show a chart
			w.sheets = append(w.sheets, worksheet{s.Name, part, s.State == "hidden" || s.State == "veryHidden"})
		}
	}
	return w, nil
}

// parse decodes a part.
func (w *workbook) parse(part string, to any) error {
	x, err := w.open(part)
	if err != nil {
		return err
	}
	x.left = maxXLSXPart
	return errors.Join(x.Decode(to), x.Close())
}

// readStyles learns which styles show dates.
func (w *workbook) readStyles(part string) error {
	var styles struct {
		Formats []struct {
			ID   int    `xml:"numFmtId,attr"`
			Code string `xml:"formatCode,attr"`
		} `xml:"numFmts>numFmt"`
		Cells []struct {
			Format int `xml:"numFmtId,attr"`
		} `xml:"cellXfs>xf"`
	}
	if err := w.parse(part, &styles); err != nil {
		return err
	}
	codes := map[int]string{}
	for _, f := range styles.Formats {
		codes[f.ID] = f.Code
	}
	for _, c := range styles.Cells {
		w.dates = append(w.dates, isDate(c.Format, codes[c.Format]))
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

// sharedTexts are the distinct texts of all cells, one after the other.
type sharedTexts struct {
	all  []byte
	ends []int32 // in all
}

func (t *sharedTexts) at(i int) (string, bool) {
	if i < 0 || i >= len(t.ends) {
		return "", false
	}
	start := int32(0)
	if i > 0 {
		start = t.ends[i-1]
	}
	return string(t.all[start:t.ends[i]]), true
}

func (w *workbook) readTexts(part string) (err error) {
	x, err := w.open(part)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	t := &w.texts
	var text cellText
	for {
		token, err := x.token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		text.add(token)
		if end, ends := token.(xml.EndElement); ends && end.Name.Local == "si" {
			t.all = append(t.all, text.take()...)
			t.ends = append(t.ends, int32(len(t.all)))
			if len(t.all) > maxXLSXText || len(t.ends) > maxXLSXTexts {
				return errors.New("it has too many different texts: save it as CSV")
			}
		}
	}
}

// cellText collects the text of a cell from its tokens: all of t and v but the pronunciation (rPh).
type cellText struct {
	b       []byte
	reading bool
	spoken  bool
}

func (c *cellText) add(token xml.Token) {
	switch token := token.(type) {
	case xml.StartElement:
		switch token.Name.Local {
		case "rPh":
			c.spoken = true
		case "t", "v":
			c.reading = !c.spoken
		}
	case xml.EndElement:
		switch token.Name.Local {
		case "rPh":
			c.spoken = false
		case "t", "v":
			c.reading = false
		}
	case xml.CharData:
		if c.reading {
			c.b = append(c.b, token...)
		}
	}
}

var escapedRune = regexp.MustCompile(`_x[0-9A-Fa-f]{4}_`)

// take returns the text, which the next one overwrites.
func (c *cellText) take() string {
	s := string(c.b)
	c.b = c.b[:0]
	if !strings.Contains(s, "_x") {
		return s
	}
	return escapedRune.ReplaceAllStringFunc(s, func(hex string) string {
		n, _ := strconv.ParseUint(hex[2:6], 16, 16) // matches
		return string(rune(n))
	})
}

// partXML reads the XML of a part. A token, or left bytes, must fit into memory.
type partXML struct {
	*xml.Decoder
	part io.ReadCloser
	left int
}

func (w *workbook) open(part string) (*partXML, error) {
	f := w.parts[part]
	if f == nil {
		return nil, fmt.Errorf("it has no %s", part)
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	x := &partXML{part: r}
	x.Decoder = xml.NewDecoder(x)
	return x, nil
}

// Read implements [io.Reader] for the decoder.
func (x *partXML) Read(b []byte) (int, error) {
	if x.left <= 0 {
		return 0, errors.New("a part of it is larger than it can be")
	}
	n, err := x.part.Read(b)
	x.left -= n
	return n, err
}

// token returns the next token; its bytes are overwritten by the next one.
func (x *partXML) token() (xml.Token, error) {
	x.left = maxXLSXToken
	return x.RawToken()
}

// Close closes the part.
func (x *partXML) Close() error { return x.part.Close() }
