package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/chart"
	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/orderfile"
)

//go:embed report.html
var reportPage string

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"grouped": grouped,
	"instant": instant,
	"started": func(t time.Time) string { return instant(&t) },
	"percent": percent,
	"meter":   func(b bar, class string) template.HTML { return chart.Meter(b.Width, 100, class) },
	"hex":     func(sum []byte) string { return fmt.Sprintf("%x", sum) },
	"doubts":  doubts,
}).Parse(reportPage))

// doubts returns what looks wrong in files that were loaded all the same, one line each.
func doubts(files []db.LoadFile) (lines []string, err error) {
	for _, f := range files {
		var m orderfile.Mapping
		if err := json.Unmarshal(f.Mapping, &m); err != nil {
			return nil, fmt.Errorf("mapping of %s: %w", f.Name, err)
		}
		for _, note := range m.AllNotes() {
			if len(files) > 1 {
				note = f.Name + ": " + note
			}
			lines = append(lines, note)
		}
	}
	return lines, nil
}

// quality is what a load brought, in words.
type quality struct{ load.Quality }

// printQuality prints the quality of a load as tables.
func printQuality(w io.Writer, row db.LoadQualityRow) error {
	taken, err := load.QualityOf(row)
	if err != nil {
		return err
	}
	q := quality{taken}
	if q.Orders == 0 {
		fmt.Fprintln(w, "no rows of this load are in the database")
		return nil
	}
	fmt.Fprintln(w, "what it added")
	t := newTable(w)
	t.row("  orders", grouped(q.Orders), q.span())
	t.row("  lines", grouped(q.Lines), fmt.Sprintf("%.2f per order", q.linesPerOrder()))
	t.row("  items", grouped(q.Items))
	t.row("  one-item orders", grouped(q.OneItemOrders), percent(q.OneItemOrders, q.Orders)+
		" of the orders; they say nothing about what goes together")
	t.row("  items seen once", grouped(q.ItemsSeenOnce), percent(q.ItemsSeenOnce, q.Items)+" of the items")
	t.row("  rows per second", grouped(int64(q.RowsPerSecond)))
	t.flush()

	fmt.Fprintln(w, "\nbasket sizes")
	t = newTable(w)
	t.row("  ITEMS", "ORDERS", "SHARE")
	most := q.mostOrders()
	for _, s := range q.Sizes {
		t.row("  "+s.Items, grouped(s.Orders), percent(s.Orders, q.Orders),
			strings.Repeat("█", int((s.Orders*30+most-1)/most)))
	}
	t.flush()

	fmt.Fprintln(w, "\nlargest orders")
	t = newTable(w)
	t.row("  ORDER", "ITEMS")
	for _, o := range q.Largest {
		t.row("  "+shortened(o.OrderID), grouped(o.Items))
	}
	t.flush()

	if q.NearDuplicates == 0 {
		return nil
	}
	fmt.Fprintf(w, "\nnames that look alike: %s\n", counted(q.NearDuplicates, "group"))
	for _, names := range q.Names {
		shown := make([]string, 0, len(names))
		for _, name := range names {
			shown = append(shown, strconv.Quote(shortened(printable(name)))) // quoted, so that spaces are visible
		}
		fmt.Fprintf(w, "  %s\n", strings.Join(shown, ", "))
	}
	if more := q.NearDuplicates - int64(len(q.Names)); more > 0 {
		fmt.Fprintf(w, "  and %s more\n", counted(more, "group"))
	}
	return nil
}

func (q quality) linesPerOrder() float64 { return float64(q.Lines) / float64(max(q.Orders, 1)) }

func (q quality) mostOrders() int64 {
	most := int64(1)
	for _, s := range q.Sizes {
		most = max(most, s.Orders)
	}
	return most
}

// span formats the dates of the first and last order; "" if the file had no times.
func (q quality) span() string {
	if q.FirstOrderedAt == "" {
		return ""
	}
	return day(q.FirstOrderedAt) + " to " + day(q.LastOrderedAt)
}

// day returns the date of an ISO 8601 time.
func day(instant string) string {
	date, _, _ := strings.Cut(instant, "T")
	return date
}

func counted(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(n) + " " + noun + "s"
}

// percent formats a share. It never shows a small share as 0.
func percent(part, whole int64) string {
	share := 100 * float64(part) / float64(max(whole, 1))
	switch {
	case part > 0 && share < 0.1:
		return "under 0.1 %"
	case part < whole && share > 99.9:
		return "over 99.9 %"
	}
	return strconv.FormatFloat(share, 'f', 1, 64) + " %"
}

// page is what report.html shows.
type page struct {
	Load     db.Load
	Files    []db.LoadFile
	Outcomes []bar
	Stack    template.HTML // chart of Outcomes
	Reasons  []bar         // reasons for rejected rows
	Returned []bar         // reasons for rows that are not bought
	Quality  quality
	Sizes    []bar
	Largest  []bar
	More     int64 // groups of similar names that are not shown
	Span     string
	PerOrder string
	Speed    string
	Took     string
}

// bar is one bar of a chart, or one segment of a bar.
type bar struct {
	Label, Note, Kind string
	Count             int64
	Width             float64 // percent of the longest bar, or of the whole
}

func pageOf(
	l db.Load, files []db.LoadFile, reasons []db.LoadRejectCountByReasonRow, row db.LoadQualityRow,
) (page, error) {
	taken, err := load.QualityOf(row)
	if err != nil {
		return page{}, err
	}
	q := quality{taken}
	p := page{
		Load: l, Files: files, Quality: q, More: q.NearDuplicates - int64(len(q.Names)), Span: q.span(),
		PerOrder: fmt.Sprintf("%.2f", q.linesPerOrder()), Speed: grouped(int64(q.RowsPerSecond)),
	}
	if l.FinishedAt != nil {
		p.Took = duration(l.FinishedAt.Sub(l.StartedAt))
		if took := l.FinishedAt.Sub(l.StartedAt); took < 10*time.Second {
			p.Took = fmt.Sprintf("%.1f s", took.Seconds())
		}
	}
	var pieces []chart.Piece
	for _, f := range []bar{
		{Kind: "loaded", Label: "loaded", Note: "new lines of orders", Count: l.RowsLoaded},
		{
			Kind: "repeated", Label: "repeated", Note: "the same item twice in one order; quantities were added",
			Count: l.RowsRepeated,
		},
		{
			Kind: "known", Label: "already known", Note: "added by an earlier load; unchanged",
			Count: l.RowsDuplicate - l.RowsRepeated,
		},
		{Kind: "returned", Label: "not bought", Note: "cancelled, refunded or returned; not counted", Count: l.RowsNotBought},
		{Kind: "rejected", Label: "rejected", Note: "could not be used; kept for inspection", Count: l.RowsRejected},
	} {
		f.Width = share(f.Count, l.RowsRead)
		p.Outcomes = append(p.Outcomes, f)
		pieces = append(pieces, chart.Piece{Value: f.Width, Class: f.Kind})
	}
	p.Stack = chart.Stack(100, pieces...)
	most := int64(0)
	for _, r := range reasons {
		most = max(most, r.Rows)
		list := &p.Reasons
		if r.Outcome == load.NotBought {
			list = &p.Returned
		}
		*list = append(*list, bar{
			Label: r.Reason, Note: orderfile.Explanation(datafile.Reason(r.Reason)), Count: r.Rows, Width: share(r.Rows, most),
		})
	}
	for _, s := range q.Sizes {
		p.Sizes = append(p.Sizes, bar{
			Label: s.Items, Note: percent(s.Orders, q.Orders), Count: s.Orders, Width: share(s.Orders, q.mostOrders()),
		})
	}
	for _, o := range q.Largest {
		p.Largest = append(p.Largest, bar{Label: o.OrderID, Count: o.Items, Width: share(o.Items, q.Largest[0].Items)})
	}
	return p, nil
}

func share(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	// Three decimals are enough for a chart and make the page identical on every machine.
	return float64(100_000*part/whole) / 1000
}

// writeReport writes the report of a load as a self-contained page, without scripts or external resources. It replaces
// an existing file atomically.
func writeReport(
	path string, l db.Load, files []db.LoadFile, reasons []db.LoadRejectCountByReasonRow, q db.LoadQualityRow,
) error {
	p, err := pageOf(l, files, reasons, q)
	if err != nil {
		return err
	}
	var text strings.Builder
	if err := reportTemplate.Execute(&text, p); err != nil {
		return fmt.Errorf("make report: %w", err)
	}
	if err := replaceFile(path, text.String()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// replaceFile writes a file under a temporary name and renames it, so that nobody sees a partial file.
func replaceFile(path, text string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a directory: name a file in it", path)
	case err == nil && !info.Mode().IsRegular(): // devices such as /dev/stdout are written to, not replaced
		return os.WriteFile(path, []byte(text), 0)
	case err == nil:
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	// os.CreateTemp would make the file private. The report is meant to be shared, so the umask decides who can read it.
	temporary := path + "." + strconv.Itoa(os.Getpid()) + ".tmp"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666) //nolint:gosec // the umask decides
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary) }() // after success it no longer exists
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
