package dashboard

import (
	"fmt"
	"html/template"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/chart"
)

// operating adds the pages and actions behind the screens of rules, loads, builds, data quality and health.
func (d *Dashboard) operating() {
	d.see(base+"/rules/rule", apikey.Read, (*Dashboard).rulePage)
	d.see(base+"/rules/new", apikey.Write, (*Dashboard).newRule)
	d.act("/rules/preview", apikey.Write, (*Dashboard).previewRule)
	d.act("/rules/add", apikey.Write, (*Dashboard).addNewRule)

	d.see(base+"/loads/load", apikey.Read, (*Dashboard).loadPage)
	d.see(base+"/loads/rows.csv", apikey.Write, (*Dashboard).loadRows)
	d.see(base+"/loads/revert", apikey.Write, (*Dashboard).revertPage)
	d.see(base+"/loads/upload", apikey.Write, (*Dashboard).uploadPage)
	d.act("/loads/revert", apikey.Write, (*Dashboard).revert)
	d.act("/loads/upload", apikey.Write, (*Dashboard).receive)
	d.act("/loads/upload/load", apikey.Write, (*Dashboard).startLoad)
	d.act("/loads/upload/discard", apikey.Write, (*Dashboard).discardUpload)

	d.see(base+"/builds/build", apikey.Read, (*Dashboard).buildPage)
	d.see(base+"/builds/diff", apikey.Read, (*Dashboard).diffPage)
	d.see(base+"/builds/activate", apikey.Write, (*Dashboard).activatePage)
	d.act("/builds/activate", apikey.Write, (*Dashboard).activateBuild)
	d.act("/builds/new", apikey.Write, (*Dashboard).startBuild)

	d.act("/keys/new", apikey.Admin, (*Dashboard).makeKey)
	d.see(base+"/keys/revoke", apikey.Admin, (*Dashboard).revokePage)
	d.act("/keys/revoke", apikey.Admin, (*Dashboard).revokeKey)
}

const mayNotLoad = "This server cannot load or build: its database role is read-only. " +
	"Start it with --load-url, or use a shell."

// id is the number that a parameter of the URL, or of a form, names.
func (v *visit) id(name string) (int64, error) {
	id, err := strconv.ParseInt(v.r.FormValue(name), 10, 64)
	if err != nil || id < 1 {
		return 0, errNoPage
	}
	return id, nil
}

// at says which place of the navigation the page belongs to.
func (v *visit) at(screen string) { v.here = screen }

// soon waits a moment for something, so that what is quick needs no second look.
func soon[T any](v *visit, done <-chan T) {
	const moment = 700 * time.Millisecond
	wait := moment
	if v.whole() {
		wait = time.Hour // or as long as the request has
	}
	select {
	case <-done:
	case <-v.ctx.Done():
	case <-time.After(wait):
	}
}

// moreFunctions are those of the templates of the screens that operate.
func moreFunctions() template.FuncMap {
	return template.FuncMap{
		"size":   size,
		"short":  func(text string) string { return shorten(text, 160) },
		"moment": func(t time.Time) string { return t.UTC().Format("2 Jan 2006 15:04") + " UTC" },
		"stack":  stack,
		"hr":     func(value float64) string { return strconv.FormatFloat(value, 'f', 4, 64) },
		"within": func(here, path string) bool {
			return len(here) > len(path) && path != "/" && here[:len(path)+1] == path+"/"
		},
		"minus":   func(a, b any) float64 { return float(a) - float(b) },
		"more":    func(shown int, all any) int64 { return int64(float(all)) - int64(shown) },
		"setting": func(value float64) string { return strconv.FormatFloat(value, 'g', 6, 64) },
	}
}

// size writes bytes as people do.
func size(bytes any) string {
	n := float(bytes)
	for _, unit := range []struct {
		size float64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= unit.size {
			return strconv.FormatFloat(n/unit.size, 'f', 1, 64) + " " + unit.name
		}
	}
	return fmt.Sprintf("%.0f bytes", n)
}

// shorten cuts a text that would fill a page.
func shorten(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

// stack is a bar of pairs of a value and a class.
func stack(whole any, pieces ...any) template.HTML {
	list := make([]chart.Piece, 0, len(pieces)/2)
	for i := 0; i+1 < len(pieces); i += 2 {
		class, _ := pieces[i+1].(string)
		list = append(list, chart.Piece{Value: float(pieces[i]), Class: class})
	}
	return chart.Stack(float(whole), list...)
}
