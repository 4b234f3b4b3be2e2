package dashboard

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/alsobought/alsobought/internal/apikey"
)

//go:embed templates
var templateFiles embed.FS

// pages are the templates by name: each is the frame, what pages share, and its own file.
var pages = func() map[string]*template.Template {
	frame := template.Must(template.New("layout.html").Funcs(functions()).Funcs(moreFunctions()).
		ParseFS(templateFiles, "templates/layout.html", "templates/parts.html"))
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		panic(err) // the pattern is wrong
	}
	list := map[string]*template.Template{}
	for _, file := range files {
		if name := strings.TrimSuffix(path.Base(file), ".html"); name != "layout" && name != "parts" {
			list[name] = template.Must(template.Must(frame.Clone()).ParseFS(templateFiles, file))
		}
	}
	return list
}()

// page is what a template gets. D is the screen's own.
type page struct {
	Title   string
	Here    string // path of the screen
	Screens []screen
	Key     apikey.Key
	Guest   bool
	Signed  bool
	Whole   bool
	Naming  bool   // the page is one item's
	Search  string // what was searched for
	Version string
	Style   string
	Script  string
	Icon    string
	Note    note // of the action that led here
	D       any
	v       *visit
}

// May reports whether the visitor may do what needs a scope.
func (p *page) May(scope string) bool { return p.v.may(scope) }

// With is the URL of this page with another value of a parameter; "" takes it out.
func (p *page) With(name string, value any) string {
	query := p.v.r.URL.Query()
	for _, passing := range []string{"whole", "part", "with"} {
		query.Del(passing)
	}
	if text := fmt.Sprint(value); name == "" || text == "" {
		query.Del(name)
	} else {
		query.Set(name, text)
	}
	return base + p.Here + suffix(query)
}

func suffix(query url.Values) string {
	if len(query) == 0 {
		return ""
	}
	return "?" + query.Encode()
}

// show answers with a page. pictures are the URLs of what it shows of the catalogue.
func (v *visit) show(name, title string, data any, pictures ...string) error {
	return v.showStatus(http.StatusOK, name, title, data, pictures...)
}

func (v *visit) showStatus(status int, name, title string, data any, pictures ...string) error {
	return v.render(status, "layout.html", name, title, data, pictures...)
}

// showPart answers with one template of a page, for data-part.
func (v *visit) showPart(part, name string, data any) error {
	return v.render(http.StatusOK, part, name, "", data)
}

func (v *visit) render(status int, part, name, title string, data any, pictures ...string) error {
	p := &page{
		Title: title, Here: v.here, Key: v.key, Guest: v.guest, Signed: v.signedIn(), Whole: v.whole(),
		Naming: v.r.URL.Query().Get("name") != "", Search: v.r.URL.Query().Get("q"), Version: v.d.Version, D: data, v: v,
		Style: v.d.assets.url("style.css"), Script: v.d.assets.url("app.js"), Icon: v.d.assets.url("icon.svg"),
	}
	if part == "layout.html" {
		p.Note = v.take()
	}
	for _, s := range v.d.screens {
		if v.may(s.scope) {
			p.Screens = append(p.Screens, s)
		}
	}
	var body bytes.Buffer
	if err := pages[name].ExecuteTemplate(&body, part, p); err != nil {
		return fmt.Errorf("make page %s: %w", name, err)
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy(pictures))
	h.Set("Cache-Control", "no-store") // whoever signs out leaves nothing in the browser
	h.Set("Vary", "Accept, Cookie")
	v.w.WriteHeader(status)
	_, _ = body.WriteTo(v.w) // a client that is gone
	return nil
}

// policy lets a page run and load what is ours alone, and show pictures from the hosts, and no others, that the
// catalogue names for the items on it.
func policy(pictures []string) string {
	sources := []string{"'self'"}
	for _, picture := range pictures {
		u, err := url.Parse(picture)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || strings.ContainsAny(u.Host, "; ,'\"*") || u.Host == "" {
			continue
		}
		if origin := u.Scheme + "://" + u.Host; !slices.Contains(sources, origin) {
			sources = append(sources, origin)
		}
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
		"img-src " + strings.Join(sources, " ") + "; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

// done leads back to where a form says it was, or to the screen of the path, and has it say what was done. undo is the
// rule that was added, if one was.
func (v *visit) done(path, text string, undo int64) error {
	target := base + path
	if back := local(v.r.PostFormValue("back")); back != "" {
		target = back
	}
	v.leave(note{text, undo})
	v.seeOther(target)
	return nil
}

// form reads the fields of a posted form.
func (v *visit) form() error {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
	if err := v.r.ParseForm(); err != nil {
		return badForm(err)
	}
	return nil
}

func badForm(err error) error {
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return invalid{"The form is larger than 1 MiB."}
	}
	return invalid{"The form cannot be read."}
}
