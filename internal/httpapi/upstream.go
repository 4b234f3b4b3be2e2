package httpapi

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
)

// upstream is a server of PostgreSQL: the primary, or the replica that questions go to.
type upstream struct {
	name        string // in the log
	pool        pg.Database
	probe       *probe
	answers     *recommend.Cache
	recommender *recommend.Recommender // for what is not kept
	absent      atomic.Pointer[absence]
}

// absence is the state of a database that was looked for and not found. While it lasts nobody is kept waiting: what is kept is answered, and
// the rest refused, until somebody who looks all the time finds it again.
type absence struct{ since time.Time }

func newUpstream(name string, pool pg.Database, answers *recommend.Cache) *upstream {
	return &upstream{name: name, pool: pool, probe: &probe{pool: pool}, answers: answers, recommender: recommend.New(pool)}
}

func (u *upstream) isAway() bool { return u.absent.Load() != nil }

// connect makes the upstreams of the config. Both keep answers in one place: what they are kept by says what they are made from.
func (a *API) connect() {
	a.primary = newUpstream("database", a.Pool, recommend.NewCache(a.Pool, a.CacheBytes))
	a.reads = a.primary
	a.upstreams = []*upstream{a.primary}
	if a.Replica != nil {
		a.primary.name = "primary"
		a.reads = newUpstream("replica", a.Replica, a.primary.answers.Beside(a.Replica))
		a.upstreams = []*upstream{a.reads, a.primary}
	}
}

// lookedAway looks for the database and reports whether it is away.
func (a *API) lookedAway(ctx context.Context, u *upstream) bool {
	seen := u.probe.look(ctx)
	if seen.connected {
		return false
	}
	if u.absent.CompareAndSwap(nil, &absence{seen.at}) {
		a.Logger.WarnContext(ctx, u.name+" is away", slog.Any("error", seen.err)) //nolint:sloglint // one of three names
		u.answers.Interrupt()
		go a.await(u)
	}
	return true
}

// allLookedAway looks for all of them at the same time.
func (a *API) allLookedAway(ctx context.Context, us []*upstream) bool {
	var there atomic.Bool
	var looks sync.WaitGroup
	for _, u := range us {
		looks.Go(func() {
			if !a.lookedAway(ctx, u) {
				there.Store(true)
			}
		})
	}
	looks.Wait()
	return !there.Load()
}

// await looks until the database is back.
func (a *API) await(u *upstream) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-a.life.Done():
			return
		case <-ticker.C:
		}
		if !u.probe.look(a.life).connected {
			continue
		}
		u.pool.Reset() // of its connections, some may not know yet that they are none
		was := u.absent.Swap(nil)
		a.Logger.InfoContext(a.life, u.name+" is back", slog.Duration("away", time.Since(was.since))) //nolint:sloglint // see above
		return
	}
}

// on gives what is asked of one of two upstreams its time: none while that one is away.
func (a *API) on(ctx context.Context, u *upstream) (context.Context, func()) {
	if u == nil || len(a.upstreams) == 1 {
		return ctx, func() {}
	}
	return a.patience(ctx, u)
}

// read asks the replica, and the primary where that is away, or had to cancel the question to follow it. unanswered: nobody has answered.
func read[T any](ctx context.Context, a *API, ask func(context.Context, *upstream) (T, error)) (value T, unanswered bool, err error) {
	unanswered, err = true, errAway
	for _, u := range a.upstreams {
		if u.isAway() {
			continue
		}
		if u != a.reads {
			a.metrics.elsewhere(replicaAway)
		}
		askCtx, done := a.on(ctx, u)
		value, err = ask(askCtx, u)
		unanswered = err != nil && a.unanswered(askCtx, u, err)
		done()
		if err == nil || ctx.Err() != nil || !u.isAway() && !pg.IsConflict(err) {
			break
		}
	}
	return value, unanswered, err
}

// reading is the database that answers questions now.
func (a *API) reading() pg.Database {
	if a.reads.isAway() {
		return a.primary.pool
	}
	return a.reads.pool
}
