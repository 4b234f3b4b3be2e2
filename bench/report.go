package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"
)

// report is all that was measured: what --json prints.
type report struct {
	Scale      int    `json:"scale"`
	Runs       int    `json:"runs"`
	Processors int    `json:"processors"` // GOMAXPROCS
	GoVersion  string `json:"go_version"`
	PostgreSQL string `json:"postgresql"`
	FileBytes  int64  `json:"file_bytes"`
	counts
	Phases        []timing   `json:"phases"`
	MoreOrders    int64      `json:"more_orders"`
	Delta         []timing   `json:"delta"` // after a few orders more
	Compared      []timing   `json:"compared"`
	Ratios        []ratio    `json:"ratios"`
	PeakLoadBytes int64      `json:"peak_load_bytes"` // 0: the system does not say
	Questions     []answered `json:"questions"`
}

// timing is one thing that was measured once per run.
type timing struct {
	Name           string    `json:"name"`
	Seconds        []float64 `json:"seconds"` // in the order of the runs
	Median         float64   `json:"median"`
	Min            float64   `json:"min"`
	Max            float64   `json:"max"`
	LinesPerSecond float64   `json:"lines_per_second"`
}

// ratio is how many times as long the main job took as something else did in the same run.
type ratio struct {
	To     string  `json:"to"`
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// timings collects what is measured, in the order of its first appearance. The zero value is ready.
type timings struct{ list []timing }

func (t *timings) add(name string, seconds float64) {
	i := slices.IndexFunc(t.list, func(known timing) bool { return known.Name == name })
	if i < 0 {
		i = len(t.list)
		t.list = append(t.list, timing{Name: name})
	}
	t.list[i].Seconds = append(t.list[i].Seconds, seconds)
}

// time adds how long do took, unless it failed.
func (t *timings) time(name string, do func() error) error {
	began := time.Now()
	if err := do(); err != nil {
		return err
	}
	t.add(name, time.Since(began).Seconds())
	return nil
}

func (t *timings) summary(lines int64) []timing {
	for i := range t.list {
		s := &t.list[i]
		s.Median, s.Min, s.Max = median(s.Seconds), slices.Min(s.Seconds), slices.Max(s.Seconds)
		s.LinesPerSecond = float64(lines) / s.Median
	}
	return t.list
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// compare takes the ratios run by run: what slows the machine down for a while slows both.
func (r *report) compare() {
	i := slices.IndexFunc(r.Phases, func(t timing) bool { return t.Name == total })
	job := r.Phases[i].Seconds
	for _, other := range r.Compared {
		ratios := make([]float64, len(job))
		for n := range job {
			ratios[n] = job[n] / other.Seconds[n]
		}
		r.Ratios = append(r.Ratios, ratio{
			To: other.Name, Median: median(ratios), Min: slices.Min(ratios), Max: slices.Max(ratios),
		})
	}
}

func printReport(w io.Writer, r report) {
	fmt.Fprintf(w, "scale %d: %s lines (%.1f MB), %s items, %s pairs, %s neighbours\n",
		r.Scale, grouped(r.Lines), float64(r.FileBytes)/1e6, grouped(r.Items), grouped(r.Pairs), grouped(r.Neighbours))
	fmt.Fprintf(w, "PostgreSQL %s, %s, %d processors, %d runs\n\n", r.PostgreSQL, r.GoVersion, r.Processors, r.Runs)

	t := newTable(w)
	t.row("phase", "median s", "min..max", "lines/s", "")
	for _, p := range append(slices.Clone(r.Phases), r.Compared...) {
		t.row(p.Name, fmt.Sprintf("%.3f", p.Median), fmt.Sprintf("%.3f..%.3f", p.Min, p.Max),
			grouped(int64(p.LinesPerSecond)), "")
	}
	t.flush()

	fmt.Fprintln(w)
	t = newTable(w)
	t.row(total+", times", "median", "min..max", "")
	for _, c := range r.Ratios {
		t.row(c.To, fmt.Sprintf("%.2f", c.Median), fmt.Sprintf("%.2f..%.2f", c.Min, c.Max), "")
	}
	t.flush()

	fmt.Fprintln(w)
	t = newTable(w)
	t.row(grouped(r.MoreOrders)+" orders more", "median s", "min..max", "")
	for _, p := range r.Delta {
		t.row(p.Name, fmt.Sprintf("%.3f", p.Median), fmt.Sprintf("%.3f..%.3f", p.Min, p.Max), "")
	}
	t.flush()

	if r.PeakLoadBytes > 0 {
		fmt.Fprintf(w, "\npeak memory of the process while it loads: %.1f MB resident\n", float64(r.PeakLoadBytes)/1e6)
	}

	fmt.Fprintln(w)
	t = newTable(w)
	t.row("question", "over", "goroutines", "requests/s", "p50 ms", "p99 ms", "")
	for _, q := range r.Questions {
		t.row(q.Question, q.Over, strconv.Itoa(q.Goroutines), grouped(int64(q.PerSecond)),
			fmt.Sprintf("%.2f", 1e3*q.P50Seconds), fmt.Sprintf("%.2f", 1e3*q.P99Seconds), "")
	}
	t.flush()
}

// table aligns its columns to the right: they are numbers, mostly.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer) table {
	return table{tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)}
}

// row takes an empty last cell: tabwriter aligns only what a tab ends.
func (t table) row(cells ...string) {
	for i, cell := range cells {
		if i > 0 {
			fmt.Fprint(t.w, "\t")
		}
		fmt.Fprint(t.w, cell)
	}
	fmt.Fprintln(t.w)
}

func (t table) flush() { _ = t.w.Flush() } // who prints the report flushes what is under it, and looks

// grouped writes 30245 as 30,245.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
