// Package browsertest opens pages in headless Chromium for tests, each test with its own profile, and reports what a
// page must not do.
package browsertest

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// patience bounds a test's use of its browser; only a hang takes that long.
const patience = 8 * time.Minute

// Browser is one Chromium with one tab.
type Browser struct {
	ctx context.Context //nolint:containedctx // chromedp keeps the tab in its context

	mu       sync.Mutex
	problems []string
	expected []string
}

// New starts a Chromium that stops with the test. It may only connect to the given hosts ("127.0.0.1:8000"); requests
// to any other host are blocked. The test fails if a page made such a request, logged a warning or an error, or threw
// an exception, unless Expect allows it.
func New(t testing.TB, hosts ...string) *Browser {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.WindowSize(1440, 900),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium requires this for root
	}
	ctx, stop := context.WithTimeout(context.Background(), patience)
	ctx, stopAllocator := chromedp.NewExecAllocator(ctx, options...)
	ctx, stopTab := chromedp.NewContext(ctx)
	b := &Browser{ctx: ctx}
	console, requests := chromedp.Console(ctx), chromedp.Events(ctx, fetch.RequestPaused)
	var readers sync.WaitGroup
	readers.Go(func() { b.read(console) })
	readers.Go(func() { b.guard(requests, hosts) })
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits for the process to exit, so that its profile can be removed
		stopTab()
		stopAllocator()
		stop()
		readers.Wait()
		for _, problem := range b.unexpected() {
			t.Errorf("in the browser: %s", problem)
		}
	})
	if _, err := chromedp.Call(ctx, fetch.Enable, fetch.EnableParams{}); err != nil {
		t.Fatalf("%v (Chromium is needed: make test installs it; Debian, Ubuntu: apt-get install chromium)", err)
	}
	return b
}

// Do performs steps in the tab. It fails the test at once if one of them fails.
func (b *Browser) Do(t testing.TB, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		t.Fatalf("%v; problems: %q", err, b.unexpected())
	}
}

// Get returns the result of an action. It fails the test at once if the action fails.
func Get[T any](t testing.TB, b *Browser, action chromedp.Action[T]) T {
	t.Helper()
	value, err := chromedp.Run(b.ctx, action)
	if err != nil {
		t.Fatalf("%v; problems: %q", err, b.unexpected())
	}
	return value
}

// Eval returns the value of a JavaScript expression, awaited if it is a promise.
func Eval[T any](t testing.TB, b *Browser, expression string) T {
	t.Helper()
	return Get(t, b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Until waits until a JavaScript expression is true, even across a navigation.
func (b *Browser) Until(t testing.TB, expression string) {
	t.Helper()
	const enough = 3 * time.Minute
	deadline := time.Now().Add(enough)
	for {
		is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression)) // fails during a navigation
		if is && err == nil {
			return
		}
		if time.Now().After(deadline) || b.ctx.Err() != nil {
			t.Fatalf("%s is not so, error %v; problems: %q", expression, err, b.unexpected())
		}
		select {
		case <-b.ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Expect allows problems that contain text.
func (b *Browser) Expect(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = append(b.expected, text)
}

func (b *Browser) unexpected() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.problems), func(problem string) bool {
		return slices.ContainsFunc(b.expected, func(text string) bool { return strings.Contains(problem, text) })
	})
}

func (b *Browser) reportf(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, fmt.Sprintf(format, args...))
}

// serious messages fail the test.
var serious = []chromedp.ConsoleType{chromedp.ConsoleWarning, chromedp.ConsoleError, chromedp.ConsoleException}

func (b *Browser) read(console iter.Seq2[chromedp.ConsoleMessage, error]) {
	for message, err := range console {
		if err != nil {
			return // the browser has exited
		}
		if slices.Contains(serious, message.Type) {
			b.reportf("%s (%s)", message, message.URL)
		}
	}
}

// guard allows requests to the given hosts, and those without a host, such as data: URLs.
func (b *Browser) guard(requests iter.Seq2[fetch.EventRequestPaused, error], hosts []string) {
	for request, err := range requests {
		if err != nil {
			return // the browser has exited
		}
		target, err := url.Parse(request.Request.URL)
		if err == nil && (target.Host == "" || slices.Contains(hosts, target.Host)) {
			_, _ = chromedp.Call(b.ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: request.RequestID})
			continue
		}
		b.reportf("request to another host: %s", request.Request.URL)
		blocked := fetch.FailRequestParams{RequestID: request.RequestID, ErrorReason: network.ErrorReasonBlockedByClient}
		_, _ = chromedp.Call(b.ctx, fetch.FailRequest, blocked)
	}
}

// Resize sets the width of the window, in CSS pixels, and a light or dark colour scheme.
func (b *Browser) Resize(t testing.TB, width int, dark bool) {
	t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.Do(t, chromedp.EmulateViewport(int64(width), 900),
		chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			})
			return err
		}))
}

// Picture returns a PNG of the whole page.
func (b *Browser) Picture(t testing.TB) []byte {
	t.Helper()
	return Get(t, b, chromedp.FullScreenshot(100))
}
