package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/chart"
	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/orderfile"
)

const (
	loadsShown    = 50
	rowsShown     = 50  // of a outcome
	filesShown    = 100 // of a load
	downloadsTime = 10 * time.Minute
)

// loadsView is the list of loads.
type loadsView struct {
	Status   string
	Loads    []db.LoadListBeforeRow
	Next     int64
	MayLoad  bool // the server, and the key
	Waiting  []*upload
	Most     int64
	MostSize string
}

func (d *Dashboard) loadsScreen(v *visit) error {
	query := v.r.URL.Query()
	view := loadsView{MayLoad: d.Loader != nil, Most: d.MaxUpload, MostSize: size(d.MaxUpload)}
	switch status := query.Get("status"); status {
	case "loaded", "failed", "reverted", "running":
		view.Status = status
	}
	before := int64(math.MaxInt64)
	if query.Has("before") {
		var err error
		if before, err = v.id("before"); err != nil {
			return err
		}
	}
	var err error
	if view.Loads, err = db.New(d.audit()).LoadListBefore(v.ctx, view.Status, before, loadsShown+1); err != nil {
		return fmt.Errorf("list loads: %w", err)
	}
	if len(view.Loads) > loadsShown {
		view.Loads = view.Loads[:loadsShown]
		view.Next = view.Loads[loadsShown-1].LoadID
	}
	if v.may("write") && view.MayLoad {
		view.Waiting = d.uploads.waiting()
	}
	return v.show("loads", "Loads", view)
}

// loadView is one load in full.
type loadView struct {
	Load        db.Load
	Files       []fileView
	Outcomes    []outcomeRow
	Rejects     []reasonRow
	Skipped     []reasonRow // rows that are not bought
	Reason      string      // of Rows; "" is all
	Rows        []db.LoadReject
	Returned    []db.LoadReject // rows that are not bought
	MayReadRows bool            // this server may read the rows
	MayLoad     bool
	Quality     *load.Quality
	Sizes       template.HTML
	Seconds     float64
}

// fileView is one file of a load.
type fileView struct {
	db.LoadFile

	Mapping orderfile.Mapping
	Notes   []string
	Roles   [][2]string
	Unused  []string
}

// outcomeRow is what became of so many rows.
type outcomeRow struct {
	Class, Name, Says string
	Rows              int64
}

func outcomesOf(l db.Load) []outcomeRow {
	return []outcomeRow{
		{"f-loaded", "Loaded", "new lines of orders", l.RowsLoaded},
		{"f-repeated", "Repeated", "the same item twice in an order of this load; quantities were added", l.RowsRepeated},
		{"f-known", "Already known", "added by an earlier load; unchanged", l.RowsDuplicate - l.RowsRepeated},
		{"f-skipped", "Not bought", "cancelled, refunded or returned", l.RowsNotBought},
		{"f-rejected", "Rejected", "could not be used", l.RowsRejected},
	}
}

// Bar is what became of the rows, drawn.
func (l *loadView) Bar() template.HTML {
	pieces := make([]chart.Piece, 0, len(l.Outcomes))
	for _, f := range l.Outcomes {
		pieces = append(pieces, chart.Piece{Value: float64(f.Rows), Class: f.Class})
	}
	return chart.Stack(float64(l.Load.RowsRead), pieces...)
}

func (d *Dashboard) findLoad(v *visit) (db.Load, error) {
	id, err := v.id("id")
	if err != nil {
		return db.Load{}, err
	}
	l, err := db.New(d.audit()).LoadGet(v.ctx, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return l, errNoPage
	}
	if err != nil {
		return l, fmt.Errorf("find load: %w", err)
	}
	return l, nil
}

func (d *Dashboard) loadPage(v *visit) error {
	l, err := d.findLoad(v)
	if err != nil {
		return err
	}
	view := loadView{
		Load: l, Outcomes: outcomesOf(l), MayReadRows: d.Loader != nil, MayLoad: d.Loader != nil,
		Reason: v.r.URL.Query().Get("reason"),
	}
	if l.FinishedAt != nil {
		view.Seconds = l.FinishedAt.Sub(l.StartedAt).Seconds()
	}
	v.at("/loads/load")
	if v.r.URL.Query().Get("part") == "quality" {
		if err := view.judge(v, d, true); err != nil {
			return err
		}
		return v.showPart("quality", "load", &view)
	}
	if err := view.files(v, d); err != nil {
		return err
	}
	if view.MayReadRows {
		if err := view.rows(v, d); err != nil {
			return err
		}
		if err := view.judge(v, d, v.whole()); err != nil {
			return err
		}
	}
	return v.show("load", fmt.Sprintf("Load %d", l.LoadID), &view)
}

func (l *loadView) files(v *visit, d *Dashboard) error {
	files, err := db.New(d.audit()).LoadFileList(v.ctx, l.Load.LoadID, filesShown)
	if err != nil {
		return fmt.Errorf("list files: %w", err)
	}
	for _, f := range files {
		view := fileView{LoadFile: f}
		if err := json.Unmarshal(f.Mapping, &view.Mapping); err != nil {
			return fmt.Errorf("mapping of %s: %w", f.Name, err)
		}
		view.Roles, view.Unused = rolesOf(view.Mapping), unusedOf(view.Mapping)
		for _, note := range view.Mapping.AllNotes() {
			view.Notes = append(view.Notes, sentence(asForm(note)))
		}
		l.Files = append(l.Files, view)
	}
	return nil
}

// rows are those that were not loaded.
func (l *loadView) rows(v *visit, d *Dashboard) error {
	q := db.New(d.audit())
	counts, err := q.LoadRejectCountByReason(v.ctx, l.Load.LoadID)
	if err != nil {
		return fmt.Errorf("count rejects: %w", err)
	}
	for _, c := range counts {
		row := reasonRow{c.Reason, orderfile.Explanation(datafile.Reason(c.Reason)), c.Rows}
		if c.Outcome == load.NotBought {
			l.Skipped = append(l.Skipped, row)
		} else {
			l.Rejects = append(l.Rejects, row)
		}
	}
	for _, list := range []struct {
		outcome string
		some    bool
		to      *[]db.LoadReject
	}{{load.Rejected, len(l.Rejects) > 0, &l.Rows}, {load.NotBought, len(l.Skipped) > 0, &l.Returned}} {
		if !list.some || !v.may(apikey.Write) { // rows may name customers
			continue
		}
		params := db.LoadRejectListByReasonParams{LoadID: l.Load.LoadID, Outcome: list.outcome, Lim: rowsShown}
		if valid(l.Reason) {
			params.Reason = l.Reason
		}
		if *list.to, err = q.LoadRejectListByReason(v.ctx, params); err != nil {
			return fmt.Errorf("list rejects: %w", err)
		}
	}
	return nil
}

// Raw is the text of a row.
func (l *loadView) Raw(raw []byte) string { return shorten(load.Readable(raw), 300) }

// judge is what the load brought. To count it takes a while for a large one.
func (l *loadView) judge(v *visit, d *Dashboard, wait bool) error {
	if l.Load.Status != "loaded" || d.Loader == nil {
		return nil
	}
	id := l.Load.LoadID
	if l.Quality = d.qualities.ready(id); l.Quality == nil {
		f := d.qualities.ask(d, id, func(ctx context.Context) (load.Quality, error) {
			row, err := db.New(d.Loader).LoadQuality(ctx, id)
			if err != nil {
				return load.Quality{}, fmt.Errorf("read quality of load: %w", err)
			}
			return load.QualityOf(row)
		})
		if !wait {
			soon(v, f.done)
			wait = isClosed(f.done)
		}
		if wait {
			var err error
			if l.Quality, err = f.wait(v.ctx); err != nil {
				return err
			}
		}
	}
	if l.Quality != nil {
		l.Sizes = sizeChart(l.Quality.Sizes)
	}
	return nil
}

func sizeChart(sizes []load.BasketSize) template.HTML {
	if len(sizes) == 0 {
		return ""
	}
	c := chart.Chart{
		Kind: chart.Columns, Title: "Orders by the number of different items",
		Write: func(v float64) string { return num(v) }, Axis: compact,
		Series: []chart.Series{{Name: "Orders", Class: "k-accent"}}, Height: 150,
	}
	for _, s := range sizes {
		unit := " items"
		if s.Items == "1" {
			unit = " item"
		}
		c.Labels, c.Series[0].Values = append(c.Labels, s.Items+unit), append(c.Series[0].Values, float64(s.Orders))
	}
	return c.SVG()
}

// Span is from the first order of a load to the last.
func (l *loadView) Span() string {
	if l.Quality == nil || l.Quality.FirstOrderedAt == "" {
		return ""
	}
	first, _, _ := strings.Cut(l.Quality.FirstOrderedAt, "T")
	last, _, _ := strings.Cut(l.Quality.LastOrderedAt, "T")
	return first + " to " + last
}

// loadRows is the rows of a load that had one outcome as a file. Who has begun to read it gets more time than other
// requests.
func (d *Dashboard) loadRows(v *visit) error {
	l, err := d.findLoad(v)
	if err != nil {
		return err
	}
	if d.Loader == nil {
		return invalid{mayNotLoad}
	}
	outcome, name := load.Rejected, "rejected"
	if v.r.URL.Query().Get("outcome") == load.NotBought {
		outcome, name = load.NotBought, "not-bought"
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.ctx), downloadsTime)
	defer cancel()
	defer context.AfterFunc(v.ctx, func() {
		if !errors.Is(context.Cause(v.ctx), context.DeadlineExceeded) {
			cancel() // whoever asked has gone
		}
	})()
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="load-%d-%s.csv"`, l.LoadID, name))
	h.Set("Cache-Control", "no-store")
	out := &patientWriter{v.w, http.NewResponseController(v.w)}
	if err := load.WriteRows(ctx, d.Loader, out, l.LoadID, outcome); err != nil {
		d.logFailure(v.ctx, "rows of a load", err)
		panic(http.ErrAbortHandler) // half a file must not look like a whole one
	}
	return nil
}

// patientWriter gives each piece its own time.
type patientWriter struct {
	http.ResponseWriter

	control *http.ResponseController
}

func (w *patientWriter) Write(p []byte) (int, error) {
	_ = w.control.SetWriteDeadline(time.Now().Add(uploadPause)) // of a test's writer there is none
	return w.ResponseWriter.Write(p)
}
