package httpapi

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/alsobought/alsobought/internal/pg"
)

// overdueAfter is how long a request waits until somebody looks whether the database is still there. With the look, and before it the wait
// for a place, it stays under two seconds.
const overdueAfter = 500 * time.Millisecond

var errAway = errors.New("the database cannot be reached at the moment; try again later")

// isAway reports whether nobody can be asked.
func (a *API) isAway() bool { return allAway(a.upstreams) }

func allAway(us []*upstream) bool {
	return !slices.ContainsFunc(us, func(u *upstream) bool { return !u.isAway() })
}

// patience gives a request its time: none for a database that is known to be away, a moment while one looks, and Timeout if it is there; of
// several, one that is there is enough. The returned function ends it.
func (a *API) patience(parent context.Context, us ...*upstream) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	if allAway(us) {
		cancel(errAway)
		return ctx, func() {}
	}
	first := min(overdueAfter, a.Timeout)
	began := time.Now()
	timer := time.AfterFunc(first, func() {
		if a.allLookedAway(ctx, us) {
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
func (a *API) unanswered(ctx context.Context, u *upstream, err error) bool {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errAway), errors.Is(cause, context.DeadlineExceeded):
		return true
	case cause != nil:
		return false // the client went away
	case pg.IsUnavailable(err):
		a.lookedAway(ctx, u) // so that the next ones need not find out for themselves
		return true
	}
	return pg.IsTimeout(err) || errors.Is(err, context.Canceled) // interrupted for everybody
}

const staleWarning = `110 alsobought "Response is Stale"`

// staleHeaders say that an answer is of so long ago, and why. (Caches have not written a Warning since RFC 9111, but people read them.)
func (out *answerOutput) stale(age time.Duration) {
	out.Age = strconv.Itoa(int(age.Seconds()))
	out.Warning = staleWarning
}
