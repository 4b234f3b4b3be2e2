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

// entryOverhead is the approximate size in bytes of a cache entry besides key and body.
const entryOverhead = 200

// Cache answers questions in JSON and caches the answers.
//
// The cache key is the question and the version of the data: the active build, the rules and the catalog. An answer is
// stored under the version of its own snapshot and looked up under the current version, which was read after the call
// began or at most trust before it, when no change could have been committed meanwhile. So a call that starts after a
// commit sees its effect, on every server, without notifications. A standby does not see the primary's locks, so there
// the version is always read after the call began, and a call that starts after a commit is replayed sees its effect.
// Questions about orders and older builds are not cached: their answers depend on more than the version.
type Cache struct {
	recommender *Recommender
	together    *batch.Batcher[Question, found] // quick questions
	versions    *batch.Batcher[struct{}, string]
	settled     atomic.Pointer[settled]
	latest      atomic.Pointer[reading]
	kept        *otter.Cache[string, Served] // nil: no caching
	flights     singleflight.Group
	hits        atomic.Int64
	misses      atomic.Int64
	shared      atomic.Pointer[shared] // context of work done for several callers
}

// reading is a version and when its reading began.
type reading struct {
	version string
	at      time.Time
}

// shared is a context that outlives those of the callers.
type shared struct {
	ctx context.Context //nolint:containedctx // work of several callers belongs to none of them
	end context.CancelFunc
}

// askMost is the maximum number of quick questions per statement: see package batch.
const askMost = 32

// askTimeout bounds work done for several callers.
const askTimeout = 10 * time.Second

// trust is how long a settled version is valid. Writers wait 5 ms before they commit: give_notice() in
// migrations/00012_change_notice.sql. The difference allows for clock drift.
const trust = 2 * time.Millisecond

// settled is a version that is valid until a point in time.
type settled struct {
	version string
	until   time.Time
}

// Served is an encoded answer.
type Served struct {
	JSON []byte // ends with a newline; nil if NotModified
	ETag string // strong; "" for questions that are not cached

	version string
}

// NotModified reports whether the caller already has the answer.
func (s Served) NotModified() bool { return s.JSON == nil }

// NewCache returns a Cache over database of about maxBytes bytes. With 0, it caches nothing.
func NewCache(database db.DBTX, maxBytes int64) *Cache {
	r := New(database)
	c := &Cache{recommender: r}
	c.renew()
	// PostgreSQL needs about half of the CPUs if it runs on the same machine.
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

// Beside returns a Cache over another server of the same database, e.g. a replica, that shares the cached answers:
// equal versions mean equal answers. Each Cache reads the current version from its own server.
func (c *Cache) Beside(database db.DBTX) *Cache {
	beside := NewCache(database, 0)
	beside.kept = c.kept
	return beside
}

// Ask answers like Recommender.Ask, in JSON. If ifNoneMatch accepts the answer's ETag, the result is NotModified and
// nothing is ranked.
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

// Stats are a Cache's statistics since the start.
type Stats struct {
	Hits, Misses int64 // of cacheable questions
	Bytes        uint64
}

// Stats returns the statistics.
func (c *Cache) Stats() Stats {
	s := Stats{Hits: c.hits.Load(), Misses: c.misses.Load()}
	if c.kept != nil {
		s.Bytes = c.kept.WeightedSize()
	}
	return s
}

// Stale returns the answer cached under the last version read, and the age of that version, without asking the
// database. found is false if there is none, as for all questions that are not cached.
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

// Interrupt cancels all work done for several callers, with context.Canceled, so that later callers do not wait for an
// answer that will never come.
func (c *Cache) Interrupt() { c.renew().end() }

// renew replaces the shared context and returns the old one.
func (c *Cache) renew() *shared {
	ctx, end := context.WithCancel(context.Background())
	return c.shared.Swap(&shared{ctx, end})
}

// share returns a context with the values of ctx that ends after askTimeout or on Interrupt, but not with ctx.
func (c *Cache) share(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	stop := context.AfterFunc(c.shared.Load().ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// fly asks once for all concurrent calls with the same key.
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

// version returns the current version of the data.
func (c *Cache) version(ctx context.Context) (string, error) {
	if s := c.settled.Load(); s != nil && time.Now().Before(s.until) {
		return s.version, nil
	}
	return c.versions.Ask(ctx, struct{}{})
}

// readVersion reads the version once for all waiting callers.
func (c *Cache) readVersion(ctx context.Context, waiting []struct{}) ([]string, error) {
	ctx, done := c.share(ctx)
	defer done()
	began := time.Now()
	v, err := pg.Retried(ctx, c.recommender.database,
		func() (db.VersionGetRow, error) { return c.recommender.queries.VersionGet(ctx) })
	if err != nil {
		return nil, fmt.Errorf("read version: %w", err)
	}
	c.latest.Store(&reading{v.Version, began})
	if v.Settled {
		c.settled.Store(&settled{v.Version, began.Add(trust)})
	}
	return slices.Repeat([]string{v.Version}, len(waiting)), nil
}

// key returns the cache key. Questions that are equal after normal share it.
func (q Question) key(version string) string {
	text, err := json.Marshal(q) //nolint:musttag // any names will do for a key
	if err != nil {
		panic(err) // names and finite numbers always encode
	}
	return version + "\n" + string(text)
}

func (q Question) etag(version string) string {
	sum := sha256.Sum256([]byte(q.key(version)))
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}
