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

// upstream is a PostgreSQL server: the primary, or the replica for questions.
type upstream struct {
	name        string // for the log
	pool        pg.Database
	probe       *probe
	answers     *recommend.Cache
	recommender *recommend.Recommender // for answers that are not cached
	absent      atomic.Pointer[absence]
}

// absence is the state of a database that a check found missing. Meanwhile no request waits: cached answers are served,
// others refused, until a background check finds it again.
type absence struct{ since time.Time }

func newUpstream(name string, pool pg.Database, answers *recommend.Cache) *upstream {
	return &upstream{name: name, pool: pool, probe: &probe{pool: pool}, answers: answers, recommender: recommend.New(pool)}
}

func (u *upstream) isAway() bool { return u.absent.Load() != nil }

// connect creates the upstreams of the config. They share cached answers, whose keys identify the data.
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

// checkAway checks the database and reports whether it is away.
func (a *API) checkAway(ctx context.Context, u *upstream) bool {
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

// checkAllAway checks all databases concurrently.
func (a *API) checkAllAway(ctx context.Context, us []*upstream) bool {
	var there atomic.Bool
	var looks sync.WaitGroup
	for _, u := range us {
		looks.Go(func() {
			if !a.checkAway(ctx, u) {
				there.Store(true)
			}
		})
	}
	looks.Wait()
	return !there.Load()
}

// await polls until the database is back.
func (a *API) await(u *upstream) {
	ticker := time.NewTicker(checkEvery)
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
		u.pool.Reset() // some connections may be dead without knowing
		was := u.absent.Swap(nil)
		a.Logger.InfoContext(a.life, u.name+" is back", slog.Duration("away", time.Since(was.since))) //nolint:sloglint // see above
		return
	}
}

// on limits the time of a query to one of two upstreams. The context is already canceled if that one is away.
func (a *API) on(ctx context.Context, u *upstream) (context.Context, func()) {
	if u == nil || len(a.upstreams) == 1 {
		return ctx, func() {}
	}
	return a.withDeadline(ctx, u)
}

// read asks the replica, or the primary if the replica is away or canceled the query because of a recovery conflict.
// unanswered reports that none answered.
func read[T any](ctx context.Context, a *API, ask func(context.Context, *upstream) (T, error)) (value T, unanswered bool, err error) {
	unanswered, err = true, errAway
	for _, u := range a.upstreams {
		if u.isAway() {
			continue
		}
		if u != a.reads {
			a.metrics.askedPrimary(replicaAway)
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

// reading returns the database that currently answers questions.
func (a *API) reading() pg.Database {
	if a.reads.isAway() {
		return a.primary.pool
	}
	return a.reads.pool
}
