package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/alsobought/alsobought/internal/pg"
)

// overdueAfter is how long a request waits until somebody looks whether the database is still there. With the look, and before it the wait
// for a place, it stays under two seconds.
const overdueAfter = 500 * time.Millisecond

var errAway = errors.New("the database cannot be reached at the moment; try again later")

// absence is the state of a database that was looked for and not found. While it lasts nobody is kept waiting: what is kept is answered, and
// the rest refused, until somebody who looks all the time finds it again.
type absence struct{ since time.Time }

// away looks for the database and reports whether it is away.
func (a *API) lookedAway(ctx context.Context) bool {
	seen := a.probe.look(ctx)
	if seen.connected {
		return false
	}
	if a.absent.CompareAndSwap(nil, &absence{seen.at}) {
		a.Logger.WarnContext(ctx, "database is away", slog.Any("error", seen.err))
		a.answers.Interrupt()
		go a.awaitDatabase()
	}
	return true
}

func (a *API) isAway() bool { return a.absent.Load() != nil }

// awaitDatabase looks until the database is back.
func (a *API) awaitDatabase() {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-a.life.Done():
			return
		case <-ticker.C:
		}
		if !a.probe.look(a.life).connected {
			continue
		}
		a.Pool.Reset() // of its connections, some may not know yet that they are none
		was := a.absent.Swap(nil)
		a.Logger.InfoContext(a.life, "database is back", slog.Duration("away", time.Since(was.since)))
		return
	}
}

// patience gives a request its time: none for a database that is known to be away, a moment while one looks, and Timeout if it is there.
// The returned function ends it.
func (a *API) patience(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	if a.isAway() {
		cancel(errAway)
		return ctx, func() {}
	}
	first := min(overdueAfter, a.Timeout)
	began := time.Now()
	timer := time.AfterFunc(first, func() {
		if a.lookedAway(ctx) {
			cancel(errAway)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(a.Timeout - time.Since(began)):
			cancel(context.DeadlineExceeded)
		}
	})
	return ctx, func() { timer.Stop(); cancel(nil) }
}

// unanswered reports whether err says that the database did not answer, as opposed to what it answered.
func (a *API) unanswered(ctx context.Context, err error) bool {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errAway), errors.Is(cause, context.DeadlineExceeded):
		return true
	case cause != nil:
		return false // the client went away
	case pg.IsUnavailable(err):
		a.lookedAway(ctx) // so that the next ones need not find out for themselves
		return true
	}
	return pg.IsTimeout(err) || errors.Is(err, context.Canceled) // interrupted for everybody
}

// staleHeaders say that an answer is of so long ago, and why. (Caches have not written a Warning since RFC 9111, but people read them.)
func (out *answerOutput) stale(age time.Duration) {
	out.Age = strconv.Itoa(int(age.Seconds()))
	out.Warning = `110 alsobought "Response is Stale"`
}
