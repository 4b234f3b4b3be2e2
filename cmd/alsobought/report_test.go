package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/orderfile"
)

// report describes a load of a shop whose names try to break the page.
type report struct {
	load    db.Load
	files   []db.LoadFile
	reasons []db.LoadRejectCountByReasonRow
	quality db.LoadQualityRow
}

func exampleReport() report {
	began := time.Date(2026, 3, 9, 8, 30, 0, 0, time.UTC)
	ended := began.Add(1900 * time.Millisecond)
	return report{
		load: db.Load{
			LoadID: 12, Source: "orders <b>2026</b>.csv", Status: "loaded", StartedAt: began, FinishedAt: &ended,
			CopySeconds: 1.25, MergeSeconds: 0.5,
			RowsRead: 12_000, RowsLoaded: 10_500, RowsDuplicate: 900, RowsRejected: 600, RowsRepeated: 700,
			OrdersAdded: 3_900, OrdersKnown: 100, ItemsAdded: 811, LoadedBy: "ann@till-3", Version: "v1.2.3",
		},
		files: []db.LoadFile{{
			LoadID: 12, FileNumber: 1, Name: "orders <b>2026</b>.csv", Bytes: 734_003, SHA256: bytes.Repeat([]byte{0xab}, 32),
			RowsRead: 12_000, RowsRejected: 600,
			Mapping: json.RawMessage(`{"notes":["item \"<i>nan</i>\" in 5 lines: a placeholder, or a sum"],
				"unknown_statuses":["odd"]}`),
		}},
		reasons: []db.LoadRejectCountByReasonRow{
			{Outcome: "rejected", Reason: "bad_quantity", Rows: 480}, {Outcome: "rejected", Reason: "missing_item", Rows: 119}, {
				Outcome: "rejected", Reason: "nul_byte", Rows: 1,
			},
		},
		quality: db.LoadQualityRow{
			LoadID: 12, Orders: 4_000, Lines: 10_700, Items: 850, OneItemOrders: 1_000, OneItemShare: 0.25, ItemsSeenOnce: 85,
			BasketSizes: json.RawMessage(`[{"items":"1","orders":1000},{"items":"2","orders":2000},
				{"items":"3","orders":998},{"items":"over 100","orders":2}]`),
			LargestOrders: json.RawMessage(`[{"order_id":"A-7","items":412},
				{"order_id":"<script>alert(1)</script>","items":103},{"order_id":"A-9","items":3}]`),
			NearDuplicates: 21,
			NearDuplicateNames: json.RawMessage(`[["Tamper 58 mm","TAMPER 58  mm"],
				["</q><img src=x onerror=alert(1)>","</Q><IMG SRC=x onerror=alert(1)>"]]`),
			FirstOrderedAt: "2026-03-01T00:00:00Z", LastOrderedAt: "2026-03-08T23:59:00Z", RowsPerSecond: 6_857.14,
		},
	}
}

func (r report) write(t testing.TB, path string) {
	t.Helper()
	if err := writeReport(path, r.load, r.files, r.reasons, r.quality); err != nil {
		t.Fatal(err)
	}
}

func TestPrintQuality(t *testing.T) {
	t.Parallel()
	const shown = `what it added
  orders           4,000   2026-03-01 to 2026-03-08
  lines            10,700  2.67 per order
  items            850
  one-item orders  1,000  25.0 % of the orders; they say nothing about what goes together
  items seen once  85     10.0 % of the items
  rows per second  6,857

basket sizes
  ITEMS     ORDERS  SHARE
  1         1,000   25.0 %       ███████████████
  2         2,000   50.0 %       ██████████████████████████████
  3         998     24.9 %       ███████████████
  over 100  2       under 0.1 %  █

largest orders
  ORDER                      ITEMS
  A-7                        412
  <script>alert(1)</script>  103
  A-9                        3

names that look alike: 21 groups
  "Tamper 58 mm", "TAMPER 58  mm"
  "</q><img src=x onerror=alert(1)>", "</Q><IMG SRC=x onerror=alert(1)>"
  and 19 groups more
`
	without := exampleReport().quality
	without.FirstOrderedAt, without.LastOrderedAt = "", ""
	without.NearDuplicates, without.NearDuplicateNames = 0, json.RawMessage("[]")
	shownWithout, _, _ := strings.Cut(strings.Replace(shown, "   2026-03-01 to 2026-03-08", "", 1), "\nnames")
	for _, c := range []struct {
		name    string
		quality db.LoadQualityRow
		want    string
	}{
		{"all of it", exampleReport().quality, shown},
		{"no times, no near duplicates", without, shownWithout},
		{
			"failed",
			db.LoadQualityRow{LoadID: 1, BasketSizes: json.RawMessage("[]")},
			"no rows of this load are in the database\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			if err := printQuality(&b, c.quality); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, b.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPrintQualityBroken(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := printQuality(&b, db.LoadQualityRow{BasketSizes: json.RawMessage(`{"a":1}`)}); err == nil {
		t.Errorf("printed %q, want an error", b.String())
	}
}

// TestExplanations covers every reason, including those of later versions.
func TestExplanations(t *testing.T) {
	t.Parallel()
	for _, reason := range append(orderfile.Reasons(), orderfile.NotBought()...) {
		if orderfile.Explanation(reason) == "" {
			t.Errorf("nobody says what %s means", reason)
		}
	}
}

// TestWriteReport parses the page as browsers do: the figures are in place, nothing is loaded from elsewhere and
// nothing runs.
func TestWriteReport(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "report.html")
	example := exampleReport()
	example.write(t, path)
	p := parsed(t, path)
	p.isSelfContained(t)

	for id, figures := range map[string][]string{
		"outcomes": {
			"12,000 rows were read", "10,500 loaded, 900 duplicate, 0 not bought, 600 rejected", "loaded 10,500 87.5 %",
			"repeated 700 5.8 %", "already known 200 1.7 %",
			"rejected 600 5.0 %", "3,900 orders and 811 items were new; 100 orders were known",
		},
		"reasons": {
			orderfile.Explanation(orderfile.BadQuantity) + " bad_quantity 480",
			orderfile.Explanation(orderfile.MissingItem) + " missing_item 119",
			"alsobought loads rejects 12",
		},
		"quality": {
			"from 2026-03-01 to 2026-03-08", "orders 4,000", "10,700 2.67 per order", "items 850", "1,000 25.0 % of the orders",
			"85 10.0 % of the items", "6,857",
		},
		"sizes":   {"1 item 1,000 · 25.0 %", "2 items 2,000 · 50.0 %", "over 100 items 2 · under 0.1 %"},
		"largest": {"A-7 412 items", "<script>alert(1)</script> 103 items"},
		"names":   {"21 groups", "Tamper 58 mm TAMPER 58 mm", "</q><img src=x onerror=alert(1)>", "and 19 more"},
		"doubts":  {`item "<i>nan</i>" in 5 lines: a placeholder, or a sum`, "unknown statuses count as bought: odd"},
		"files":   {"orders <b>2026</b>.csv", "734,003 bytes, 12,000 rows, 600 rejected", strings.Repeat("ab", 32)},
	} {
		section := p.text(id)
		for _, figure := range figures {
			if !strings.Contains(section, figure) {
				t.Errorf("%s: no %q in %q", id, figure, section)
			}
		}
	}
	if diff := cmp.Diff([]string{"87.5%", "5.83%", "1.67%", "5%"}, p.widths("outcomes")); diff != "" {
		t.Errorf("bars of rows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"50%", "100%", "49.9%", "0.4%"}, p.widths("sizes")); diff != "" {
		t.Errorf("bars of basket sizes (-want +got):\n%s", diff)
	}
	for _, want := range []string{
		"orders <b>2026</b>.csv loaded", "2026-03-09 08:30:01 UTC, by ann@till-3, in 1.9 s",
		"alsobought v1.2.3",
	} {
		if !strings.Contains(p.text(""), want) {
			t.Errorf("no %q on the page", want)
		}
	}
}

func TestWriteReportPerStatus(t *testing.T) {
	t.Parallel()
	why, who, when := "orders.csv: line 3: <i>broken</i>", "bob", time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		status string
		change func(*db.Load)
		says   string
	}{
		{"failed", func(l *db.Load) { l.Error = &why }, "None of its rows are in the database. The reason: " + why},
		{"running", func(l *db.Load) { l.FinishedAt = nil }, "This load is still running"},
		{
			"reverted", func(l *db.Load) { l.RevertedAt, l.RevertedBy = &when, &who }, "reverted 2026-03-10 00:00:00 UTC by bob",
		},
	} {
		t.Run(c.status, func(t *testing.T) {
			t.Parallel()
			r := report{load: exampleReport().load}
			r.load.Status = c.status
			c.change(&r.load)
			path := filepath.Join(t.TempDir(), "report.html")
			r.write(t, path)
			p := parsed(t, path)
			p.isSelfContained(t)
			if !strings.Contains(p.text("outcomes"), c.says) {
				t.Errorf("no %q in %q", c.says, p.text("outcomes"))
			}
			if p.find("quality") != nil || p.find("reasons") != nil {
				t.Error("the page shows figures that there are none of")
			}
		})
	}
}

func TestReplaceFile(t *testing.T) {
	t.Parallel()
	t.Run("an older report", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		path, link := filepath.Join(dir, "report.html"), filepath.Join(dir, "latest.html")
		if err := os.WriteFile(path, []byte("older"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, link); err != nil {
			t.Fatal(err)
		}
		if err := replaceFile(link, "newer"); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "newer" {
			t.Errorf("the file behind the link says %q, %v", text, err)
		}
		if info, err := os.Lstat(link); err != nil || info.Mode().Type() != fs.ModeSymlink {
			t.Errorf("the link became %v, %v", info, err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
			t.Errorf("left behind: %v, %v", entries, err)
		}
	})
	t.Run("a device", func(t *testing.T) {
		t.Parallel()
		if err := replaceFile(os.DevNull, "text"); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
			t.Errorf("it is a file now: %v, %v", info, err)
		}
	})
	t.Run("a directory", func(t *testing.T) {
		t.Parallel()
		if err := replaceFile(t.TempDir(), "text"); err == nil || !strings.Contains(err.Error(), "name a file in it") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no such directory", func(t *testing.T) {
		t.Parallel()
		if err := replaceFile(filepath.Join(t.TempDir(), "no", "report.html"), "text"); err == nil {
			t.Error("no error")
		}
	})
}

// document is a page as parsed by browsers.
type document struct{ root *html.Node }

func parsed(t testing.TB, path string) document {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	root, err := html.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	return document{root}
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func (d document) find(id string) *html.Node {
	for n := range d.root.Descendants() {
		if attribute(n, "id") == id {
			return n
		}
	}
	return nil
}

// text returns the words of a section separated by single spaces, or those of the whole page if id is empty.
func (d document) text(id string) string {
	from := d.root
	if id != "" {
		if from = d.find(id); from == nil {
			return ""
		}
	}
	var words []string
	for n := range from.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "style" {
			words = append(words, strings.Fields(n.Data)...)
		}
	}
	return strings.Join(words, " ")
}

func (d document) widths(id string) []string {
	var widths []string
	for n := range d.find(id).Descendants() {
		if strings.HasPrefix(attribute(n, "class"), "fill ") {
			widths = append(widths, attribute(n, "width"))
		}
	}
	return widths
}

func (d document) isSelfContained(t testing.TB) {
	t.Helper()
	for n := range d.root.Descendants() {
		switch n.Data {
		case "script", "img", "link", "iframe", "object":
			if n.Type == html.ElementNode {
				t.Errorf("the page has a %s", n.Data)
			}
		case "style":
			if css := n.FirstChild.Data; strings.Contains(css, "url(") || strings.Contains(css, "@import") ||
				strings.Contains(css, "ZgotmplZ") {
				t.Error("the style fetches something")
			}
		}
		for _, a := range n.Attr {
			if a.Key == "src" || a.Key == "href" || strings.HasPrefix(a.Key, "on") || strings.Contains(a.Val, "ZgotmplZ") {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
	}
}
