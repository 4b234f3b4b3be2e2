// Package browsertest opens pages in Chromium, for tests: headless, with a profile of their own, and with an eye on
// what a page may not do.
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

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// patience bounds a test's use of its browser. Nothing takes that long unless it hangs.
const patience = 3 * time.Minute

// Browser is one Chromium with one tab.
type Browser struct {
	ctx context.Context //nolint:containedctx // chromedp keeps the tab in its context

	mu       sync.Mutex
	problems []string
	expected []string
}

// New starts a Chromium that ends with the test. It may only talk to the given hosts ("127.0.0.1:8000"); a request to
// any other is blocked. The test fails when the page asked for one, logged a warning or an error, or threw an
// exception, unless Expect said that it would.
func New(t testing.TB, hosts ...string) *Browser {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.WindowSize(1440, 900),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium insists, for root
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

// Do performs steps in the tab, and fails the test at once when one of them fails.
func (b *Browser) Do(t testing.TB, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		t.Fatalf("%v; problems: %q", err, b.unexpected())
	}
}

// Get returns what an action gives, and fails the test at once when it fails.
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

// Until waits until a JavaScript expression is true.
func (b *Browser) Until(t testing.TB, expression string) {
	t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression)); err != nil {
		t.Fatalf("%s: %v; problems: %q", expression, err, b.unexpected())
	}
}

// Expect says that problems which contain text are no failure of the test.
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

func (b *Browser) report(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = append(b.problems, fmt.Sprintf(format, args...))
}

func (b *Browser) read(console iter.Seq2[chromedp.ConsoleMessage, error]) {
	for message, err := range console {
		if err != nil {
			return // the browser is gone
		}
		switch message.Type {
		case chromedp.ConsoleWarning, chromedp.ConsoleError, chromedp.ConsoleException:
			b.report("%s (%s)", message, message.URL)
		}
	}
}

// guard lets requests to the given hosts through, and data: URLs and the like, which have none.
func (b *Browser) guard(requests iter.Seq2[fetch.EventRequestPaused, error], hosts []string) {
	for request, err := range requests {
		if err != nil {
			return // the browser is gone
		}
		target, err := url.Parse(request.Request.URL)
		if err == nil && (target.Host == "" || slices.Contains(hosts, target.Host)) {
			_, _ = chromedp.Call(b.ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: request.RequestID})
			continue
		}
		b.report("request to another host: %s", request.Request.URL)
		blocked := fetch.FailRequestParams{RequestID: request.RequestID, ErrorReason: network.ErrorReasonBlockedByClient}
		_, _ = chromedp.Call(b.ctx, fetch.FailRequest, blocked)
	}
}
