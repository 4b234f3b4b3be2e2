package httpapi

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

	"github.com/alsobought/alsobought/internal/apikey"
)

// limiter is a token bucket per client, identified by a K. nil does not limit.
type limiter[K comparable] struct {
	name    string   // name in RateLimit
	policy  []string // value of RateLimit-Policy
	rate    rate.Limit
	burst   int
	buckets *otter.Cache[K, *rate.Limiter]
}

// maxClients bounds a limiter's memory to about 20 MB. Beyond it, the least active clients are evicted and start over.
const maxClients = 100_000

func newLimiter[K comparable](name string, perSecond float64, burst int) *limiter[K] {
	if perSecond <= 0 {
		return nil
	}
	full := time.Duration(float64(burst) / perSecond * float64(time.Second))
	return &limiter[K]{
		name:    `"` + name + `"`,
		policy:  []string{fmt.Sprintf(`"%s";q=%d;w=%d`, name, burst, seconds(full))},
		rate:    rate.Limit(perSecond),
		burst:   burst,
		buckets: otter.Must(&otter.Options[K, *rate.Limiter]{MaximumSize: maxClients}),
	}
}

func (l *limiter[K]) bucket(client K) *rate.Limiter {
	if bucket, found := l.buckets.GetIfPresent(client); found {
		return bucket
	}
	bucket, _ := l.buckets.SetIfAbsent(client, rate.NewLimiter(l.rate, l.burst))
	return bucket
}

// take counts a request and, if header is not nil, adds the remaining quota to it. It returns 0 or how long the client
// has to wait.
func (l *limiter[K]) take(client K, header http.Header) time.Duration {
	if l == nil {
		return 0
	}
	bucket, now := l.bucket(client), time.Now()
	allowed := bucket.AllowN(now, 1)
	tokens := bucket.TokensAt(now)
	if header != nil {
		l.tell(max(0, tokens), header)
	}
	if allowed {
		return 0
	}
	return l.after(1 - tokens)
}

// peek is take without counting the request.
func (l *limiter[K]) peek(client K) time.Duration {
	if l == nil {
		return 0
	}
	return l.after(1 - l.bucket(client).Tokens())
}

// after returns the time until that many tokens have been added.
func (l *limiter[K]) after(tokens float64) time.Duration {
	return time.Duration(max(0, tokens) / float64(l.rate) * float64(time.Second))
}

// tell adds the remaining quota to header, as in the IETF draft on RateLimit header fields.
func (l *limiter[K]) tell(tokens float64, header http.Header) {
	line := make([]byte, 0, 48)
	line = append(append(line, l.name...), ";r="...)
	line = strconv.AppendInt(line, int64(tokens), 10)
	line = append(line, ";t="...)
	line = strconv.AppendInt(line, int64(seconds(l.after(float64(l.burst)-tokens))), 10)
	header["Ratelimit"] = []string{string(line)}
	header["Ratelimit-Policy"] = l.policy
}

func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// limitRate limits the requests of each known key, and of each address without one. Probes are exempt: their clients do
// not retry later.
func (a *API) limitRate(next http.Handler) http.Handler {
	if a.addressRate == nil && a.keyRate == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if probeRoutes[r.URL.Path] {
			next.ServeHTTP(w, r)
			return
		}
		var wait time.Duration
		whose, limit := "this key", refusedKey
		if key, known := a.identify(r); known {
			wait = a.keyRate.take(key.KeyID, w.Header())
		} else {
			whose, limit = "this address", refusedAddress
			wait = a.addressRate.take(stateOf(r.Context()).client, w.Header())
		}
		if wait > 0 {
			a.metrics.refuse(limit)
			w.Header().Set("Retry-After", strconv.Itoa(max(1, seconds(wait))))
			writeProblem(w, newProblem(http.StatusTooManyRequests, tooMany(whose)))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// identify returns the key of a request, also on routes that need none. It checks keys not seen before, because a key is
// not limited by its address, which others may share.
func (a *API) identify(r *http.Request) (key apikey.Key, known bool) {
	sent := bearer(r.Header)
	if key, known = a.keys.Recall(sent); known || sent == "" {
		return key, known
	}
	x := stateOf(r.Context())
	if a.logins.peek(x.client) > 0 {
		return key, false
	}
	ctx, done := a.withDeadline(r.Context(), a.primary)
	defer done()
	key, err := a.keys.Check(ctx, sent)
	if errors.Is(err, apikey.ErrRefused) {
		a.logins.take(x.client, nil)
		x.refused = err
	}
	return key, err == nil
}

func tooMany(whose string) string {
	return "there were too many requests of " + whose + ": wait as long as Retry-After says"
}

func tooManyRequests(whose string, wait time.Duration) error {
	return huma.ErrorWithHeaders(newProblem(http.StatusTooManyRequests, tooMany(whose)),
		http.Header{"Retry-After": {strconv.Itoa(max(1, seconds(wait)))}})
}

// slots limits concurrent requests. Others wait only briefly, because an unbounded queue helps nobody.
type slots chan struct{}

// queueTime is how long a request waits for a slot. Together with overdueAfter and a database check, it is under two
// seconds.
const queueTime = 500 * time.Millisecond

var errBusy = errors.New("the server is at its limit of concurrent requests")

// enter takes a slot, to be released by leave. It returns errBusy after queueTime, or the cause of ctx's end.
func (r slots) enter(ctx context.Context) error {
	select {
	case r <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(queueTime)
	defer timer.Stop()
	select {
	case r <- struct{}{}:
		return nil
	case <-timer.C:
		return errBusy
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r slots) leave() { <-r }

// within makes an operation's requests hold a slot of r until their answer is written.
func (a *API) within(r slots) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if err := r.enter(ctx.Context()); err != nil {
			if errors.Is(err, errBusy) {
				a.metrics.refuse(refusedConcurrency)
			}
			a.writeErr(ctx, problem(ctx.Context(), err, ""))
			return
		}
		defer r.leave()
		next(ctx)
	}
}

// addressOf returns what counts as one client: an IPv4 address, or an IPv6 network, since a host has any number of
// addresses in it.
func addressOf(addr netip.Addr) netip.Addr {
	if !addr.Is6() {
		return addr
	}
	prefix, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return addr
	}
	return prefix.Addr()
}
