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

// drawEvery is the interval between updates of the progress.
const drawEvery = 100 * time.Millisecond

// progress shows the progress of a load in a terminal, on one line that is cleared afterwards. A nil progress shows
// nothing; it is used when there is no terminal.
type progress struct {
	out   *os.File
	total int64 // bytes of the sources; 0 if not known

	quit, done chan struct{}

	// mu is needed because reports arrive while the line is drawn.
	mu     sync.Mutex
	latest datafile.Progress
	began  time.Time // start of the current activity
	doing  string    // current activity; "" while reading rows
	bar    *progressbar.ProgressBar
}

// watch starts showing the progress: of reading total bytes (0 if not known) if doing is empty, otherwise doing itself.
// The caller must call stop before printing anything else. With JSON going into a pipe nothing is shown, because a
// program reads it.
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

// report records the progress of a load. It returns quickly, as load.Options requires.
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

// stop clears the line. Nothing is drawn after it returns.
func (p *progress) stop() {
	if p == nil {
		return
	}
	select {
	case <-p.quit: // already stopped
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
			_ = p.bar.Clear() // there is no way to report a broken terminal
			return
		case <-tick.C:
			p.mu.Lock()
			p.draw()
			p.mu.Unlock()
		}
	}
}

// begin starts a new line for a new activity.
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
		progressbar.OptionSetSpinnerChangeInterval(0), // the spinner would redraw on its own, even after the end
		progressbar.OptionThrottle(drawEvery/2),       // setting description and count draws once, not twice
	)
	p.draw()
}

// Widths of the line's parts other than the description: a spinner, or percentage, frame and a minimal bar.
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
		// At 100% the bar would consider itself finished, but a file may still be growing.
		_ = p.bar.Set64(min(p.latest.Bytes, p.total-1))
	}
}

// describe formats the progress of reading in at most width characters. It omits whole parts that do not fit, because a
// line that wraps cannot be cleared.
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

// fit joins the non-empty parts; it returns "" if the result does not fit.
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

// duration formats a duration for display.
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
