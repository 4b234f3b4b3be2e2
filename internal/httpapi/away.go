package httpapi

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/alsobought/alsobought/internal/pg"
)

// overdueAfter is how long a request waits before it checks that the database is still there. Together with that check
// and queueTime, it is under two seconds.
const overdueAfter = 500 * time.Millisecond

var errAway = errors.New("the database cannot be reached at the moment; try again later")

// isAway reports whether all databases are away.
func (a *API) isAway() bool { return allAway(a.upstreams) }

func allAway(us []*upstream) bool {
	return !slices.ContainsFunc(us, func(u *upstream) bool { return !u.isAway() })
}

// withDeadline returns a context for a request: already canceled if all databases are known to be away, canceled soon if
// a check finds that they are, otherwise limited by Timeout. One available database is enough. Call the returned
// function when done.
func (a *API) withDeadline(parent context.Context, us ...*upstream) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	if allAway(us) {
		cancel(errAway)
		return ctx, func() {}
	}
	first := min(overdueAfter, a.Timeout)
	began := time.Now()
	timer := time.AfterFunc(first, func() {
		if a.checkAllAway(ctx, us) {
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

// unanswered reports whether err means that the database did not answer, rather than that it answered with an error.
func (a *API) unanswered(ctx context.Context, u *upstream, err error) bool {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errAway), errors.Is(cause, context.DeadlineExceeded):
		return true
	case cause != nil:
		return false // the client disconnected
	case pg.IsUnavailable(err):
		a.checkAway(ctx, u) // spare the next requests the wait
		return true
	}
	return pg.IsTimeout(err) || errors.Is(err, context.Canceled) // canceled by Interrupt
}

const staleWarning = `110 alsobought "Response is Stale"`

// stale marks an answer as cached, with its age. Warning is obsolete since RFC 9111, but helps people who read it.
func (out *answerOutput) stale(age time.Duration) {
	out.Age = strconv.Itoa(int(age.Seconds()))
	out.Warning = staleWarning
}
