package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/alsobought/alsobought/internal/datafile"
)

// drawEvery is the time between two pictures of the progress.
const drawEvery = 100 * time.Millisecond

// progress shows on a terminal how far a load has come, on one line that is gone afterwards. The nil progress shows nothing: it is what a
// pipe gets.
type progress struct {
	out   *os.File
	total int64 // bytes of the sources; 0 when that is not known

	quit, done chan struct{}

	// One at a time: reports come in while the line is drawn.
	mu     sync.Mutex
	latest datafile.Progress
	began  time.Time // of what is done now
	doing  string    // "" while rows are read
	bar    *progressbar.ProgressBar
}

// watch begins to show the progress: of reading total bytes (0 when nobody knows how many) if doing is empty, else that this is being done.
// Who calls it calls stop before anything else is printed. JSON that goes into a pipe is read by a program, and what its user sees is that
// program's affair.
func watch(t *terminal, json bool, doing string, total int64) *progress {
	out, isFile := t.stderr.(*os.File)
	if !isFile || !isTerminal(out) || os.Getenv("TERM") == "dumb" || json && !isTerminal(t.terminalOutput()) {
		return nil
	}
	p := &progress{out: out, total: total, quit: make(chan struct{}), done: make(chan struct{})}
	p.mu.Lock()
	p.begin(doing)
	p.mu.Unlock()
	go p.redraw()
	return p
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// report takes note of how far a load is. It is quick, as load.Options wants it.
func (p *progress) report(now datafile.Progress) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latest = now
	if now.Merging {
		p.begin("merging " + grouped(now.Rows) + " rows")
	}
}

// stop clears the line. Nothing is drawn after it.
func (p *progress) stop() {
	if p == nil {
		return
	}
	select {
	case <-p.quit: // the second time
	default:
		close(p.quit)
	}
	<-p.done
}

func (p *progress) redraw() {
	defer close(p.done)
	tick := time.NewTicker(drawEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.quit:
			p.mu.Lock()
			defer p.mu.Unlock()
			_ = p.bar.Clear() // a terminal that takes no text has nobody to tell
			return
		case <-tick.C:
			p.mu.Lock()
			p.draw()
			p.mu.Unlock()
		}
	}
}

// begin takes a new line for a new thing to do.
func (p *progress) begin(doing string) {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	p.began, p.doing = time.Now(), doing
	most := p.total
	if doing != "" || most <= 0 {
		most = -1
	}
	p.bar = progressbar.NewOptions64(most,
		progressbar.OptionSetWriter(p.out),
		progressbar.OptionUseANSICodes(true),
		progressbar.OptionSetWidth(24),
		progressbar.OptionSetTheme(progressbar.ThemeDefault),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetSpinnerChangeInterval(0), // it would draw by itself, and after the end too
		progressbar.OptionThrottle(drawEvery/2),       // describing and counting draw once, not twice
	)
	p.draw()
}

// What the line has beside its description: a spinner, or percentage, frame and at least a little of a bar.
const (
	spinnerWidth = 5
	barWidth     = 20
)

func (p *progress) draw() {
	width, _, err := term.GetSize(int(p.out.Fd()))
	if err != nil || width <= 0 {
		width = 80
	}
	elapsed := time.Since(p.began)
	switch {
	case p.doing != "":
		p.bar.Describe(fit(width-spinnerWidth, p.doing, duration(elapsed)))
	case p.total <= 0:
		p.bar.Describe(describe(p.latest, elapsed, 0, width-spinnerWidth))
	default:
		p.bar.Describe(describe(p.latest, elapsed, p.total, width-barWidth))
		// At its end the bar would think that it is finished, and a file that grows has no end.
		_ = p.bar.Set64(min(p.latest.Bytes, p.total-1))
	}
}

// describe says in at most width characters how far the reading is: what there is no room for is left out, the rest stays whole, for a line
// that wraps could not be taken back.
func describe(now datafile.Progress, elapsed time.Duration, total int64, width int) string {
	seconds := elapsed.Seconds()
	rows, rate, left := grouped(now.Rows)+" rows", "", ""
	if seconds >= 0.5 {
		rate = grouped(int64(float64(now.Rows)/seconds)) + "/s"
	}
	bytes := megabytes(now.Bytes)
	if total > 0 {
		bytes = megabytes(now.Bytes) + " of " + megabytes(total)
		if seconds >= 1 && 0 < now.Bytes && now.Bytes < total {
			left = duration(time.Duration(float64(elapsed)/float64(now.Bytes)*float64(total-now.Bytes))) + " left"
		}
	}
	rejected := grouped(now.Rejected) + " rejected"
	for _, parts := range [][]string{
		{bytes, rows, rate, rejected, left},
		{rows, rate, rejected, left},
		{rows, rejected, left},
		{rows, rejected},
	} {
		if line := fit(width, parts...); line != "" {
			return line
		}
	}
	return fit(width, rows)
}

// fit joins the parts that are not empty; it is empty itself when they do not fit.
func fit(width int, parts ...string) string {
	line := strings.Join(slices.DeleteFunc(slices.Clone(parts), func(s string) bool { return s == "" }), "  ")
	if len(line) > width {
		return ""
	}
	return line
}

func megabytes(bytes int64) string {
	if mb := float64(bytes) / 1e6; mb < 10 {
		return strconv.FormatFloat(mb, 'f', 1, 64) + " MB"
	}
	return grouped((bytes+500_000)/1_000_000) + " MB"
}

// duration is for people who wait.
func duration(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	}
	return fmt.Sprintf("%d h %d min", s/3600, s%3600/60)
}
