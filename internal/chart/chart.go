// Package chart draws small SVG charts for pages with a strict content security policy.
//
// Positions are SVG attributes, never styles, and colors are classes of the page's style sheet, so that charts follow
// light and dark mode. Widths are percentages, so that text keeps its size on phones. Each chart has a text
// alternative.
//
// The axis labels are left of the chart: class chart needs padding there. The classes are chart, grid, label, column,
// line and dot, the Class of each series, and, for meters, meter, track and fill.
package chart

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// Kind is how a series is drawn.
type Kind string

// Kinds of series.
const (
	Columns Kind = "columns"
	Line    Kind = "line"
)

// Series has one value per label. NaN is a missing value.
type Series struct {
	Name   string
	Class  string // CSS class of its marks
	Values []float64
}

// Chart has values on the vertical axis and labels on the horizontal one.
type Chart struct {
	Kind   Kind
	Title  string
	Labels []string
	Series []Series
	Write  func(float64) string // formats a value; nil: as a plain number
	Axis   func(float64) string // formats a value on the axis, shorter; nil: Write
	Height int                  // in pixels; 0: 180
}

const (
	top    = 8  // half of the highest grid line's label
	bottom = 22 // the labels
)

// SVG returns the chart as an svg element.
func (c Chart) SVG() template.HTML {
	if c.Height == 0 {
		c.Height = 180
	}
	if c.Write == nil {
		c.Write = func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
	}
	if c.Axis == nil {
		c.Axis = c.Write
	}
	step, steps := scale(c.highest())
	highest := step * float64(steps)
	plot := float64(c.Height - top - bottom)
	y := func(v float64) float64 { return float64(top) + plot*(1-v/highest) }

	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" width="100%%" height="%d" role="img" aria-label="%s">`, c.Height,
		escape(c.Title+". "+c.description()))
	for i := range steps + 1 {
		v := step * float64(i)
		fmt.Fprintf(&b, `<line class="grid" x1="0" x2="100%%" y1="%s" y2="%s"/>`, px(y(v)), px(y(v)))
		fmt.Fprintf(&b, `<text class="label" x="-8" y="%s" text-anchor="end">%s</text>`, px(y(v)+4), escape(c.Axis(v)))
	}
	c.labels(&b)
	for _, s := range c.Series {
		if c.Kind == Line {
			c.line(&b, s, y)
		} else {
			c.columns(&b, s, y, y(0))
		}
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // every text was escaped
}

// labels writes the first, middle and last label: a phone has no room for more.
func (c Chart) labels(b *strings.Builder) {
	n := len(c.Labels)
	at := func(i int, x float64, anchor string) {
		fmt.Fprintf(b, `<text class="label" x="%s" y="%d" text-anchor="%s">%s</text>`, percent(x), c.Height-6,
			anchor, escape(c.Labels[i]))
	}
	if n == 1 {
		at(0, 50, "middle")
		return
	}
	if n > 0 {
		at(0, 0, "start")
		at(n-1, 100, "end")
	}
	if n > 2 && n%2 == 1 {
		at(n/2, 50, "middle")
	}
}

func (c Chart) columns(b *strings.Builder, s Series, y func(float64) float64, zero float64) {
	slot := 100 / float64(max(len(s.Values), 1))
	for i, v := range s.Values {
		if math.IsNaN(v) {
			continue
		}
		height := zero - y(v)
		if v > 0 {
			height = max(height, 1) // keep small values visible
		}
		fmt.Fprintf(b, `<g><title>%s: %s</title><rect class="column %s" x="%s" y="%s" width="%s" height="%s" rx="1"/></g>`,
			escape(c.Labels[i]), escape(c.Write(v)), escape(s.Class), percent(slot*(float64(i)+0.1)), px(zero-height),
			percent(slot*0.8), px(height))
	}
}

func (c Chart) line(b *strings.Builder, s Series, y func(float64) float64) {
	slot := 100 / float64(max(len(s.Values), 1))
	x := func(i int) string { return percent(slot * (float64(i) + 0.5)) }
	last := -1
	for i, v := range s.Values {
		if math.IsNaN(v) {
			continue
		}
		if last >= 0 {
			fmt.Fprintf(b, `<line class="line %s" x1="%s" y1="%s" x2="%s" y2="%s"/>`,
				escape(s.Class), x(last), px(y(s.Values[last])), x(i), px(y(v)))
		}
		last = i
	}
	for i, v := range s.Values {
		if !math.IsNaN(v) {
			fmt.Fprintf(b, `<g><title>%s, %s: %s</title><circle class="dot %s" cx="%s" cy="%s" r="4"/></g>`,
				escape(c.Labels[i]), escape(s.Name), escape(c.Write(v)), escape(s.Class), x(i), px(y(v)))
		}
	}
}

// description returns the chart's text alternative: the minimum and maximum of each series.
func (c Chart) description() string {
	var list []string
	for _, s := range c.Series {
		low, high, lowest, highest, some := math.Inf(1), math.Inf(-1), 0, 0, false
		for i, v := range s.Values {
			if math.IsNaN(v) {
				continue
			}
			some = true
			if v < low {
				low, lowest = v, i
			}
			if v > high {
				high, highest = v, i
			}
		}
		if some {
			list = append(list, fmt.Sprintf("%s from %s (%s) to %s (%s).", s.Name, c.Write(low), c.Labels[lowest],
				c.Write(high), c.Labels[highest]))
		}
	}
	return strings.Join(list, " ")
}

func (c Chart) highest() float64 {
	highest := 0.0
	for _, s := range c.Series {
		for _, v := range s.Values {
			if !math.IsNaN(v) {
				highest = max(highest, v)
			}
		}
	}
	return highest
}

// scale returns a round step between grid lines and how many steps, at most 4, cover the highest value.
func scale(highest float64) (step float64, steps int) {
	if highest <= 0 {
		return 1, 1
	}
	power := math.Pow(10, math.Floor(math.Log10(highest)))
	for _, factor := range []float64{0.25, 0.5, 1, 2, 2.5, 5} {
		step = factor * power
		if steps = int(math.Ceil(highest/step - 1e-9)); steps <= 4 {
			return step, max(steps, 1)
		}
	}
	return 10 * power, 1
}

// Piece is one part of a stacked bar.
type Piece struct {
	Value float64
	Class string
}

// Meter draws a bar filled to value of whole. It is hidden from screen readers: the page shows the number beside it.
func Meter(value, whole float64, class string) template.HTML {
	return Stack(whole, Piece{value, class})
}

// Stack draws the pieces of a whole, one after the other, as a single bar.
func Stack(whole float64, pieces ...Piece) template.HTML {
	var b strings.Builder
	b.WriteString(`<svg class="meter" width="100%" height="12" aria-hidden="true">` +
		`<rect class="track" width="100%" height="100%" rx="3"/>`)
	at := 0.0
	for _, p := range pieces {
		if p.Value <= 0 || whole <= 0 {
			continue
		}
		width := min(100*p.Value/whole, 100-at)
		fmt.Fprintf(&b, `<rect class="fill %s" x="%s" width="%s" height="100%%" rx="3"/>`, escape(p.Class), percent(at),
			percent(max(width, 0.4)))
		at += width
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // every text was escaped
}

func escape(text string) string { return template.HTMLEscapeString(text) }

// Two decimals are precise enough, and give the same output on every platform.
func px(v float64) string      { return strconv.FormatFloat(math.Round(100*v)/100, 'f', -1, 64) }
func percent(v float64) string { return px(v) + "%" }
