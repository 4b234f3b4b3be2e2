package datafile_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/datafile"
)

// spreadsheet returns an Excel file with one sheet, in XML as other programs write it.
func spreadsheet(t testing.TB, settings, texts, sheet string) []byte {
	t.Helper()
	const relation = `<Relationship Id="r%" Type="http://purl.oclc.org/ooxml/officeDocument/relationships/%" Target="`
	relate := func(id, kind, target string) string {
		return strings.Replace(strings.Replace(relation, "%", id, 1), "%", kind, 1) + target + `"/>`
	}
	return archive(t, map[string]string{
		"xl/workbook.xml": `<x:workbook xmlns:x="x" xmlns:r="r"><x:workbookPr ` + settings + `/>
			<x:sheets><x:sheet name="Chart" r:id="r4"/><x:sheet name="Rows" r:id="r1"/></x:sheets></x:workbook>`,
		"xl/_rels/workbook.xml.rels": `<Relationships xmlns="r">` + relate("1", "worksheet", "/xl/worksheets/Sheet1.xml") +
			relate("2", "sharedStrings", "texts.xml") + relate("3", "styles", "styles.xml") +
			relate("4", "chartsheet", "chart.xml") + "</Relationships>",
		"xl/texts.xml": "<sst>" + texts + "</sst>",
		"xl/styles.xml": `<styleSheet><numFmts><numFmt numFmtId="164" formatCode="[Red]0&quot; days&quot;"/>
			<numFmt numFmtId="165" formatCode="d\.m\.yy"/></numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>
			<cellXfs><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="2"/></cellXfs></styleSheet>`,
		`xl\worksheets\sheet1.xml`: "<worksheet><sheetData><row><c t='inlineStr'><is><t>item</t></is></c>" +
			"<c t='str'><v>title</v></c><c t='str'><v>used</v></c></row>" + sheet + "</sheetData><c/></worksheet>",
	}, "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/texts.xml", "xl/styles.xml", `xl\worksheets\sheet1.xml`)
}

func TestCells(t *testing.T) {
	t.Parallel()
	const texts = "<si><t>plain</t></si><si><r><t>ri</t></r><r><t xml:space='preserve'>ch </t></r><rPh><t>said</t></rPh></si>" +
		"<si/><si><t>a_x000A_b_x_x0041_</t></si>"
	for _, c := range []struct{ settings, sheet, want string }{
		{"", "<row><c t='s'><v>0</v></c><c t='s'><v>1</v></c><c t='s'><v>3</v></c></row>", `2: "plain" "rich" "a\nb_xA"`},
		{"", "<row><c t='s'><v>2</v></c><c t='b'><v>1</v></c><c t='e'><f>A1</f><v>#N/A</v></c></row>", `2: "" "TRUE" "#N/A"`},
		{"", "<row r='4'><c r='A4'><v>1</v></c><c r='C4' t='d'><v>2026-03-02</v></c></row>", `4: "1" "" "2026-03-02"`},
		{"", "<row><c s='1'><v>2.5</v></c><c s='2'><v>46083.5</v></c><c s='3'><v>1.005</v></c></row>", `2: "2.5" "2026-03-02 12:00:00" "1.005"`},
		{"date1904='1'", "<row><c s='2'><v>44621.999999</v></c><c s='9'><v>1</v></c></row>", `2: "2026-03-03 00:00:00" "1" ""`},
		{"date1904='0'", "<row><c s='2'><v>1</v></c><c s='2'><v>61</v></c></row>", `2: "1900-01-01 00:00:00" "1900-03-01 00:00:00" ""`},
		{"", "<row><c><v>0.30000000000000004</v></c><c><v>123456789012345</v></c><c><v>1E+20</v></c></row>", `2: "0.3" "123456789012345" "100000000000000000000"`},
		{"", "<row><c s='2'><v>1E+20</v></c><c s='2'><v>-1</v></c><c><v>1,5</v></c></row>", `2: "100000000000000000000" "-1" "1,5"`},
		{"", "<row r='1'/>", `open: X is an Excel file that cannot be read (row "1" follows row 1)`},
		{"", "<row r='1048577'/>", `open: X is an Excel file that cannot be read (row "1048577" follows row 1)`},
		{"", "<row><c r='B2'/><c r='A2'/></row>", `open: X is an Excel file that cannot be read (a cell of row 2 is in the wrong place)`},
		{"", "<row><c r='XFE2'/></row>", `open: X is an Excel file that cannot be read (a cell of row 2 is in the wrong place)`},
		{"", "<row><c t='s'><v>4</v></c></row>", `open: X is an Excel file that cannot be read (row 2 has text "4", which is not there)`},
		{
			"", "<row><c t='str'><v>" + strings.Repeat("a", 9<<20) + "</v></c></row>",
			"open: X is an Excel file that cannot be read (a part of it is larger than it can be)",
		},
	} {
		got := records(bytes.NewReader(spreadsheet(t, c.settings, texts, c.sheet)), datafile.Options{Name: "X"}, parts())
		if got, _, _ = strings.Cut(got, "\n"); got != c.want {
			t.Errorf("%.200s (-want +got):\n%s", c.sheet, cmp.Diff(c.want, got))
		}
	}
}
