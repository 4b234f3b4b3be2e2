package recommend

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/batch"
	"github.com/alsobought/alsobought/internal/pg"
)

// entryOverhead is about what an entry takes beside its key and body, in bytes.
const entryOverhead = 200

// Cache answers questions with finished JSON, and keeps it.
//
// What it keeps is keyed by the question and by the version of what answers are made from: the active build, rules and catalogue. An answer
// is kept under the version of its own snapshot, and found under the version that holds when it is asked for: one read from the database
// after the call began, or at most trust before it, when no change could be committed meanwhile. So whoever asks after a commit gets what
// holds after it, on every server, without any notification. Of a standby, which does not see the primary's locks, every version is read
// after the call began: whoever asks after a commit was replayed gets what holds after it. Questions about an order or an older build are
// not kept: they depend on more than the version tells.
type Cache struct {
	recommender *Recommender
	together    *batch.Batcher[Question, found] // quick questions
	versions    *batch.Batcher[struct{}, string]
	settled     atomic.Pointer[settled]
	latest      atomic.Pointer[reading]
	kept        *otter.Cache[string, Served] // nil keeps nothing
	flights     singleflight.Group
	hits        atomic.Int64
	misses      atomic.Int64
	shared      atomic.Pointer[shared] // under which work for several callers runs
}

// reading is a version as it was read, at the latest at that moment.
type reading struct {
	version string
	at      time.Time
}

// shared is a context that outlives those of the callers.
type shared struct {
	ctx context.Context //nolint:containedctx // work of several callers belongs to none of them
	end context.CancelFunc
}

// askMost is how many quick questions one statement answers at most: see package batch.
const askMost = 32

// askTimeout bounds what several callers wait for.
const askTimeout = 10 * time.Second

// trust is for how long a version that is settled holds. Whoever changes something waits 5 ms before committing: give_notice() in
// migrations/00012_change_notice.sql. The rest is for clocks that run unevenly.
const trust = 2 * time.Millisecond

// settled is a version that holds until a moment.
type settled struct {
	version string
	until   time.Time
}

// Served is a finished answer.
type Served struct {
	JSON []byte // with a line end; nil if the caller has it: NotModified
	ETag string // strong; "" for a question that is not kept

	version string
}

// NotModified reports whether the caller's ETag is still the answer's.
func (s Served) NotModified() bool { return s.JSON == nil }

// NewCache returns a Cache over database that takes up to about so many bytes; with 0 it keeps nothing.
func NewCache(database db.DBTX, maxBytes int64) *Cache {
	r := New(database)
	c := &Cache{recommender: r}
	c.renew()
	// PostgreSQL takes about half of the processors that we share with it.
	c.together = &batch.Batcher[Question, found]{
		Workers: max(1, runtime.GOMAXPROCS(0)/2), Most: askMost, Timeout: askTimeout, Do: c.listActive,
	}
	c.versions = &batch.Batcher[struct{}, string]{Workers: 1, Most: math.MaxInt, Timeout: askTimeout, Do: c.readVersion}
	if maxBytes > 0 {
		c.kept = otter.Must(&otter.Options[string, Served]{
			MaximumWeight: uint64(maxBytes),
			Weigher:       func(key string, s Served) uint32 { return uint32(len(key) + len(s.JSON) + entryOverhead) },
		})
	}
	return c
}

// Beside returns a Cache over another server of the same database, say its replica, that keeps its answers in the same place: equal versions,
// equal answers. Which version holds, each reads from its own server.
func (c *Cache) Beside(database db.DBTX) *Cache {
	beside := NewCache(database, 0)
	beside.kept = c.kept
	return beside
}

// Ask answers like Recommender.Ask, in JSON. If ifNoneMatch names the answer's ETag, it says so instead, and ranks nothing.
func (c *Cache) Ask(ctx context.Context, q Question, ifNoneMatch func(etag string) bool) (Served, error) {
	q, err := q.normal()
	if err != nil {
		return Served{}, err
	}
	if q.Kind == KindOrder || q.BuildID != 0 || (c.kept == nil && ifNoneMatch == nil) {
		return c.ask(ctx, q)
	}
	version, err := c.version(ctx)
	if err != nil {
		return Served{}, err
	}
	if ifNoneMatch != nil {
		if etag := q.etag(version); ifNoneMatch(etag) {
			return Served{ETag: etag}, nil
		}
	}
	if c.kept == nil {
		return c.ask(ctx, q)
	}
	key := q.key(version)
	if served, found := c.kept.GetIfPresent(key); found {
		c.hits.Add(1)
		return served, nil
	}
	c.misses.Add(1)
	return c.fly(ctx, key, q)
}

// Stats is how well a Cache does.
type Stats struct {
	Hits, Misses int64 // of questions that are kept
	Bytes        uint64
}

// Stats returns how the cache has done so far.
func (c *Cache) Stats() Stats {
	s := Stats{Hits: c.hits.Load(), Misses: c.misses.Load()}
	if c.kept != nil {
		s.Bytes = c.kept.WeightedSize()
	}
	return s
}

// Stale returns what was kept under the version that was read last, without asking the database, and how long ago that was. Questions that
// are not kept, or were not asked under that version, are not found.
func (c *Cache) Stale(q Question, ifNoneMatch func(etag string) bool) (served Served, age time.Duration, found bool) {
	q, err := q.normal()
	latest := c.latest.Load()
	if err != nil || latest == nil || c.kept == nil || q.Kind == KindOrder || q.BuildID != 0 {
		return Served{}, 0, false
	}
	if served, found = c.kept.GetIfPresent(q.key(latest.version)); !found {
		return Served{}, 0, false
	}
	if ifNoneMatch != nil && ifNoneMatch(served.ETag) {
		served = Served{ETag: served.ETag}
	}
	return served, time.Since(latest.at), true
}

// Interrupt ends whatever is being asked for several callers, with context.Canceled, so that nobody who comes later waits for an answer
// that is not going to come.
func (c *Cache) Interrupt() { c.renew().end() }

// renew returns what was shared before.
func (c *Cache) renew() *shared {
	ctx, end := context.WithCancel(context.Background())
	return c.shared.Swap(&shared{ctx, end})
}

// share is a context with the values of ctx that ends after askTimeout or with Interrupt, and not with ctx.
func (c *Cache) share(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	stop := context.AfterFunc(c.shared.Load().ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// fly asks once for all who ask the same at the same time.
func (c *Cache) fly(ctx context.Context, key string, q Question) (Served, error) {
	landed := c.flights.DoChan(key, func() (any, error) {
		ctx, done := c.share(ctx)
		defer done()
		served, err := c.ask(ctx, q)
		if err == nil {
			c.kept.Set(q.key(served.version), served)
		}
		return served, err
	})
	select {
	case <-ctx.Done():
		return Served{}, context.Cause(ctx)
	case result := <-landed:
		served, _ := result.Val.(Served)
		return served, result.Err
	}
}

func (c *Cache) ask(ctx context.Context, q Question) (Served, error) {
	f, err := c.find(ctx, q)
	if err != nil {
		return Served{}, err
	}
	answer, err := finish(q, f)
	if err != nil {
		return Served{}, err
	}
	served := Served{version: f.version.text}
	if q.Kind != KindOrder && q.BuildID == 0 {
		served.ETag = q.etag(served.version)
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(answer); err != nil {
		return Served{}, fmt.Errorf("encode answer: %w", err)
	}
	served.JSON = body.Bytes()
	return served, nil
}

func (c *Cache) find(ctx context.Context, q Question) (found, error) {
	if q.quick() {
		return c.together.Ask(ctx, q)
	}
	list, err := c.recommender.list(ctx, q.BuildID, []Question{q})
	if err != nil {
		return found{}, err
	}
	return list[0], nil
}

func (c *Cache) listActive(ctx context.Context, questions []Question) ([]found, error) {
	ctx, done := c.share(ctx)
	defer done()
	return c.recommender.list(ctx, 0, questions)
}

// version returns the version of what answers are made from, as it is now.
func (c *Cache) version(ctx context.Context) (string, error) {
	if s := c.settled.Load(); s != nil && time.Now().Before(s.until) {
		return s.version, nil
	}
	return c.versions.Ask(ctx, struct{}{})
}

// readVersion reads the version once for all who wait for it.
func (c *Cache) readVersion(ctx context.Context, waiting []struct{}) ([]string, error) {
	ctx, done := c.share(ctx)
	defer done()
	began := time.Now()
	v, err := pg.Retried(ctx, c.recommender.database, func() (db.VersionGetRow, error) { return c.recommender.queries.VersionGet(ctx) })
	if err != nil {
		return nil, fmt.Errorf("read version: %w", err)
	}
	c.latest.Store(&reading{v.Version, began})
	if v.Settled {
		c.settled.Store(&settled{v.Version, began.Add(trust)})
	}
	return slices.Repeat([]string{v.Version}, len(waiting)), nil
}

// key tells questions apart: those that differ in nothing but what normal fills in are one.
func (q Question) key(version string) string {
	text, err := json.Marshal(q) //nolint:musttag // any names will do for a key
	if err != nil {
		panic(err) // it is made of texts and finite numbers
	}
	return version + "\n" + string(text)
}

func (q Question) etag(version string) string {
	sum := sha256.Sum256([]byte(q.key(version)))
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}
