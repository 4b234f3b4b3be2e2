package chart

import (
	"encoding/xml"
	"errors"
	"html/template"
	"io"
	"math"
	"strings"
	"testing"
)

// elements returns the attributes of each element of a name. Parsing as XML catches malformed SVG.
func elements(t *testing.T, svg template.HTML, name string) (list []map[string]string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(string(svg)))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
		start, is := token.(xml.StartElement)
		if !is {
			continue
		}
		attributes := map[string]string{}
		for _, a := range start.Attr {
			attributes[a.Name.Local] = a.Value
			if a.Name.Local == "style" || strings.HasPrefix(a.Name.Local, "on") {
				t.Errorf("%s has %s", start.Name.Local, a.Name.Local)
			}
		}
		if start.Name.Local == name {
			list = append(list, attributes)
		}
	}
}

func TestColumns(t *testing.T) {
	t.Parallel()
	svg := Chart{
		Kind: Columns, Title: `Orders <of> "a" week`, Labels: []string{"Mon", "Tue & Wed", "Thu", "Fri"}, Height: 130,
		Series: []Series{{Name: "Orders", Class: "k", Values: []float64{0, 50, math.NaN(), 100}}},
	}.SVG()
	columns := elements(t, svg, "rect")
	if len(columns) != 3 {
		t.Fatalf("%d columns in %s", len(columns), svg)
	}
	// The plot is 100 high: 130 minus 8 above and 22 below.
	for i, want := range []map[string]string{
		{"x": "2.5%", "width": "20%", "y": "108", "height": "0"},
		{"x": "27.5%", "y": "58", "height": "50"},
		{"x": "77.5%", "y": "8", "height": "100"},
	} {
		for name, value := range want {
			if columns[i][name] != value {
				t.Errorf("column %d: %s is %s, want %s", i, name, columns[i][name], value)
			}
		}
	}
	if label := elements(t, svg,
		"svg")[0]["aria-label"]; label != `Orders <of> "a" week. Orders from 0 (Mon) to 100 (Fri).` {
		t.Errorf("label: %s", label)
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	svg := Chart{
		Kind: Line, Title: "Grades", Labels: []string{"1", "2", "3"},
		Series: []Series{
			{Name: "A", Class: "a", Values: []float64{0.5, math.NaN(), 0.75}}, {
				Name: "B", Class: "b", Values: []float64{0.1, 0.1, 0.1},
			},
		},
	}.SVG()
	if dots := elements(t, svg, "circle"); len(dots) != 5 {
		t.Errorf("%d dots", len(dots))
	}
	lines := 0
	for _, line := range elements(t, svg, "line") {
		if strings.HasPrefix(line["class"], "line ") {
			lines++
		}
	}
	if lines != 3 {
		t.Errorf("%d lines between them", lines)
	}
}

func TestNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []Chart{
		{Title: "of nothing"},
		{Kind: Line, Labels: []string{"1"}, Series: []Series{{Values: []float64{math.NaN()}}}},
	} {
		if svg := string(c.SVG()); strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("%s", svg)
		}
	}
}

func TestScale(t *testing.T) {
	t.Parallel()
	for highest, want := range map[float64][2]float64{
		0: {1, 1}, 1: {0.25, 4}, 0.83: {0.25, 4}, 3: {1, 3}, 7: {2, 4}, 9: {2.5, 4}, 10: {2.5, 4}, 183: {50, 4},
		1_111: {500, 3}, 30_245: {10_000, 4},
	} {
		step, steps := scale(highest)
		if step != want[0] || float64(steps) != want[1] {
			t.Errorf("up to %v: %d of %v, want %v", highest, steps, step, want)
		}
	}
}

func TestStack(t *testing.T) {
	t.Parallel()
	svg := Stack(200, Piece{100, "a"}, Piece{0, "b"}, Piece{0.1, "c"}, Piece{500, "d"})
	pieces := elements(t, svg, "rect")[1:]
	if len(pieces) != 3 || pieces[0]["width"] != "50%" || pieces[1]["width"] != "0.4%" || pieces[2]["x"] != "50.05%" ||
		pieces[2]["width"] != "49.95%" {
		t.Errorf("%v", pieces)
	}
	if empty := elements(t, Meter(1, 0, "a"), "rect"); len(empty) != 1 {
		t.Errorf("of nothing: %v", empty)
	}
}
