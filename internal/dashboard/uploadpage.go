package dashboard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/orderfile"
)

// stop ends an error, which begins with the name of a file, with a full stop.
func stop(text string) string { return strings.TrimSuffix(text, ".") + "." }

// uploadView is the page of an upload.
type uploadView struct {
	Upload   *upload
	Fields   []mappingField
	Query    url.Values // the mapping, for links and forms
	Plan     *plan      // nil: being read
	Problem  string     // why nothing would be loaded
	Progress *load.Progress
	Gone     bool
	Loading  *loading
	Ended    bool // the load has
	Failure  string
	Again    bool // the failure is that of files that were loaded before
	Part     string
	Rejects  []reasonRow
	Skipped  []reasonRow
}

// Share is how much is read.
func (u *uploadView) Share() float64 {
	if u.Progress == nil || u.Upload.Bytes == 0 {
		return 0
	}
	return min(1, float64(u.Progress.Bytes)/float64(u.Upload.Bytes))
}

// Waits reports whether another load has its turn.
func (u *uploadView) Waits() bool { return !u.Loading.started.Load() }

// Building reports whether the load is done and what it brought is being counted.
func (u *uploadView) Building() bool { return u.Loading != nil && u.Loading.building.Load() }

// Seconds is since the load began.
func (u *uploadView) Seconds() float64 { return time.Since(u.Loading.began).Seconds() }

// Notes are those of a mapping, in the words of the form.
func (u *uploadView) Notes(m orderfile.Mapping) (notes []string) {
	for _, note := range m.AllNotes() {
		notes = append(notes, sentence(asForm(note)))
	}
	return notes
}

// Roles are what a file says, and in which column.
func (u *uploadView) Roles(m orderfile.Mapping) [][2]string { return rolesOf(m) }

// Unused are the columns that play no role.
func (u *uploadView) Unused(m orderfile.Mapping) []string { return unusedOf(m) }

// reasonRow is how many rows had a outcome for a reason.
type reasonRow struct {
	Reason, Says string
	Rows         int64
}

func reasonRows(counts map[datafile.Reason]int64) (rows []reasonRow) {
	for reason, n := range counts {
		rows = append(rows, reasonRow{string(reason), orderfile.Explanation(reason), n})
	}
	slices.SortFunc(rows,
		func(a, b reasonRow) int { return cmp.Or(cmp.Compare(b.Rows, a.Rows), cmp.Compare(a.Reason, b.Reason)) })
	return rows
}

func (d *Dashboard) uploadPage(v *visit) error {
	query := v.r.URL.Query()
	up, err := d.uploads.find(query.Get("id"))
	if err != nil {
		return err
	}
	options, fields := mapping(query)
	view := uploadView{Upload: up, Fields: fields, Query: url.Values{}, Gone: up.isGone()}
	for _, f := range fields {
		if f.Value != "" {
			view.Query.Set(f.Name, f.Value)
		}
	}
	view.Part = "?" + url.Values{"id": {up.ID}, "part": {"1"}}.Encode() + "&" + view.Query.Encode()
	up.mu.Lock()
	view.Loading = up.loading
	up.mu.Unlock()
	if view.Loading != nil {
		soon(v, view.Loading.done)
		view.follow()
	}
	if !view.Gone && (view.Loading == nil || view.Ended && view.Failure != "") {
		if err := options.Validate(); err != nil {
			view.Problem = sentence(asForm(strings.ReplaceAll(err.Error(), "\n", "; ")))
		} else if err := d.rehearse(v, up, options, &view); err != nil {
			return err
		}
	}
	v.at("/loads/upload")
	if query.Get("part") != "" {
		return v.showPart("upload", "upload", &view)
	}
	return v.show("upload", "Load files", &view)
}

// follow is how far the load is.
func (u *uploadView) follow() {
	u.Progress = u.Loading.progress.Load()
	if u.Ended = isClosed(u.Loading.done); !u.Ended || u.Loading.Err == nil {
		u.Gone = u.Ended || u.Gone
		return
	}
	u.Failure = stop(asForm(u.Loading.Err.Error()))
	known := new(load.LoadedError)
	u.Again = errors.As(u.Loading.Err, &known)
}

// rehearse finds out what a load would do, or says how far that is.
func (d *Dashboard) rehearse(v *visit, up *upload, options orderfile.Options, view *uploadView) error {
	p := up.planned(d, view.Query.Encode(), load.Options{File: options, Again: true})
	if p == nil {
		view.Gone = true
		return nil
	}
	soon(v, p.done)
	if !isClosed(p.done) {
		view.Progress = p.progress.Load()
		return nil
	}
	view.Plan = p
	if p.Err != nil {
		if errors.Is(p.Err, context.Canceled) {
			return invalid{"Reading was interrupted: reload the page."}
		}
		view.Problem = stop(asForm(p.Err.Error()))
		if file := new(datafile.FileError); errors.As(p.Err, &file) {
			view.columns([][]string{file.Columns})
		}
	}
	if p.Found != nil {
		view.Rejects, view.Skipped = reasonRows(p.Found.RejectedByReason), reasonRows(p.Found.NotBoughtByReason)
		var columns [][]string
		for _, f := range p.Found.Files {
			columns = append(columns, f.Mapping.Columns)
		}
		view.columns(columns)
	}
	return nil
}

// columns has the form choose from those of the files.
func (u *uploadView) columns(files [][]string) {
	seen := map[string]bool{}
	choices := [][2]string{{"", "Detect"}, {datafile.NoColumn, "None"}}
	for _, names := range files {
		for _, name := range names {
			if !seen[name] && name != "" {
				seen[name] = true
				choices = append(choices, [2]string{name, name})
			}
		}
	}
	if len(seen) == 0 {
		return
	}
	for i := range u.Fields {
		f := &u.Fields[i]
		if !f.Column {
			continue
		}
		f.Choices = choices
		if f.Name == "order-column" || f.Name == "item-column" {
			f.Choices = slices.Concat(choices[:1], choices[2:])
		}
		if f.Value != "" && !seen[f.Value] && f.Value != datafile.NoColumn {
			f.Choices = append(slices.Clone(f.Choices), [2]string{f.Value, f.Value})
		}
	}
}

// planned returns the plan of the options, which is begun if there is none. An older one ends. nil: the files are gone.
func (up *upload) planned(d *Dashboard, key string, options load.Options) *plan {
	up.mu.Lock()
	defer up.mu.Unlock()
	if up.gone {
		return nil
	}
	if up.plan != nil && up.plan.key == key && !(isClosed(up.plan.done) && errors.Is(up.plan.Err, context.Canceled)) {
		return up.plan
	}
	if up.plan != nil {
		up.plan.cancel()
	}
	ctx, cancel := context.WithCancel(d.life)
	p := &plan{key: key, cancel: cancel, done: make(chan struct{})}
	options.Progress = func(now load.Progress) { p.progress.Store(&now) }
	up.plan = p
	d.work.Go(func() {
		defer cancel()
		defer close(p.done)
		up.use.Lock()
		defer up.use.Unlock()
		if p.Err = ctx.Err(); p.Err == nil {
			p.Found, p.Err = load.Rehearse(ctx, up.sources(), options)
		}
	})
	return p
}

// startLoad loads an upload as its form says, in the server's life.
func (d *Dashboard) startLoad(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	if d.Loader == nil {
		return invalid{mayNotLoad}
	}
	up, err := d.uploads.find(v.r.PostFormValue("id"))
	if err != nil {
		return err
	}
	file, fields := mapping(v.r.PostForm)
	options := load.Options{File: file, Again: v.r.PostFormValue("again") == "1", LoadedBy: v.key.Name, Version: d.Version}
	if err := file.Validate(); err != nil {
		return invalid{sentence(asForm(err.Error()))}
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	switch {
	case up.gone:
		return invalid{"These files were already loaded or discarded."}
	case up.loading != nil && !isClosed(up.loading.done): // somebody pressed twice
	default:
		if up.plan != nil {
			up.plan.cancel()
		}
		l := &loading{began: time.Now(), done: make(chan struct{})}
		up.loading = l
		d.work.Go(func() { d.runLoad(up, l, options, v.r.PostFormValue("build") == "1") })
	}
	target := url.Values{"id": {up.ID}}
	for _, f := range fields {
		if f.Value != "" {
			target.Set(f.Name, f.Value)
		}
	}
	v.w.Header().Set("Cache-Control", "no-store")
	http.Redirect(v.w, v.r, base+"/loads/upload?"+target.Encode(), http.StatusSeeOther)
	return nil
}

func (d *Dashboard) runLoad(up *upload, l *loading, options load.Options, build bool) {
	defer close(l.done)
	d.uploads.turn.Lock()
	defer d.uploads.turn.Unlock()
	up.use.Lock()
	defer up.use.Unlock()
	l.started.Store(true)
	options.Progress = func(now load.Progress) { l.progress.Store(&now) }
	loaded, err := load.Run(d.life, d.Loader, up.sources(), options)
	if err != nil {
		l.Err = err
		return
	}
	l.Loaded = &loaded.Load
	up.mu.Lock()
	up.closeFiles()
	up.mu.Unlock()
	if !build {
		return
	}
	l.building.Store(true)
	defer l.building.Store(false)
	built, err := d.build(d.life, options.LoadedBy, false)
	if err != nil {
		l.BuildErr = err
		d.logFailure(d.life, "build after an upload", err)
		return
	}
	l.Build = &built
}

// buildOptions are those of a build with the settings of the active one.
func (d *Dashboard) buildOptions(ctx context.Context, by string) (builds.Options, error) {
	settings, err := builds.CurrentSettings(ctx, d.Loader)
	if err != nil {
		return builds.Options{}, fmt.Errorf("read settings: %w", err)
	}
	return builds.Options{Settings: settings, Keep: builds.DefaultKeep, BuiltBy: by, Version: d.Version}, nil
}
