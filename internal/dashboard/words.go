package dashboard

import (
	"fmt"
	"html/template"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/alsobought/alsobought/internal/chart"
)

// functions are those of templates.
func functions() template.FuncMap {
	return template.FuncMap{
		"num":      num,
		"pct":      pct,
		"share":    share,
		"ratio":    ratio,
		"plural":   plural,
		"money":    money,
		"ago":      ago,
		"day":      func(t time.Time) string { return t.UTC().Format("2 Jan 2006") },
		"took":     took,
		"itemURL":  itemURL,
		"base":     func() string { return base },
		"meter":    func(value, whole any) template.HTML { return chart.Meter(float(value), float(whole), "bar") },
		"icon":     icon,
		"inc":      func(i int) int { return i + 1 },
		"sentence": sentence,
		"list":     func(values ...any) []any { return values },
		"lower":    strings.ToLower,
		"join":     strings.Join,
	}
}

func float(value any) float64 {
	switch v := value.(type) {
	case int:
		return float64(v)
	case int32:
		return float64(v)
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return 0
}

// num writes 30245 as 30,245.
func num(value any) string {
	digits := strconv.FormatFloat(math.Trunc(float(value)), 'f', 0, 64)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "−", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// compact writes 30245 as 30k, for the axis of a chart.
func compact(value float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if value >= unit.size && (value >= 10*unit.size || unit.size > 1e3) {
			return strconv.FormatFloat(value/unit.size, 'g', 3, 64) + unit.name
		}
	}
	return strconv.FormatFloat(value, 'f', -1, 64)
}

// pct writes .5935 as 59.4 %, and what is little, but not nothing, not as 0.
func pct(share float64) string {
	switch {
	case share > 0 && share < 0.001:
		return "< 0.1 %"
	case share < 1 && share > 0.999:
		return "> 99.9 %"
	}
	return strconv.FormatFloat(100*share, 'f', 1, 64) + " %"
}

// share is pct of a part of a whole.
func share(part, whole any) string { return pct(float(part) / max(float(whole), 1)) }

// ratio writes a factor, as a lift is.
func ratio(value float64) string {
	if value >= 100 {
		return num(value)
	}
	return strconv.FormatFloat(value, 'f', 2, 64)
}

// plural is "1 order" or "12 orders".
func plural(n any, noun string) string {
	if float(n) == 1 {
		return "1 " + noun
	}
	return num(n) + " " + noun + "s"
}

func money(value float64) string {
	whole, cents := math.Modf(math.Round(value*100) / 100)
	return num(whole) + "." + fmt.Sprintf("%02d", int(math.Round(cents*100)))
}

// ago is a moment as people say it, with the exact one behind it.
func ago(at any) template.HTML {
	t, ok := at.(time.Time)
	if p, isPointer := at.(*time.Time); isPointer && p != nil {
		t, ok = *p, true
	}
	if !ok || t.IsZero() {
		return `<span class="soft">never</span>`
	}
	t = t.UTC()
	exact := t.Format("2006-01-02 15:04:05") + " UTC"
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, //nolint:gosec // numbers and words of ours
		t.Format(time.RFC3339), exact, relative(time.Since(t), t)))
}

// relative is how long ago something was, or when it was if that is long.
func relative(since time.Duration, at time.Time) string {
	const day = 24 * time.Hour
	word, future := "%s ago", since < 0
	if future {
		since, word = -since, "in %s"
	}
	switch {
	case since < 10*time.Second && !future:
		return "just now"
	case since < time.Minute:
		return fmt.Sprintf(word, plural(int(since.Seconds()), "second"))
	case since < time.Hour:
		return fmt.Sprintf(word, plural(int(since.Minutes()), "minute"))
	case since < day:
		return fmt.Sprintf(word, plural(int(since.Hours()), "hour"))
	case since < 31*day:
		return fmt.Sprintf(word, plural(int(since/day), "day"))
	}
	return at.Format("2 Jan 2006")
}

// took is a duration of so many seconds.
func took(seconds float64) string {
	switch {
	case seconds < 0.0005:
		return "0 s"
	case seconds < 1:
		return strconv.FormatFloat(1000*seconds, 'f', 0, 64) + " ms"
	case seconds < 100:
		return strconv.FormatFloat(seconds, 'f', 1, 64) + " s"
	}
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

// itemURL is the page of an item.
func itemURL(name string) string { return base + "/item?name=" + url.QueryEscape(name) }

// sentence makes one of a line of an error.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if text != "" && !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}
