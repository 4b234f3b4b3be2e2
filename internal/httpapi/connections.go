package httpapi

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// crowd limits the number of connections. Above the limit, it closes those that have been idle longest, so that a flood
// of idle connections displaces itself and not clients with requests.
type crowd struct {
	most      int
	pushedOut atomic.Int64

	mu     sync.Mutex
	guests map[net.Conn]*guest
}

// guest is one connection.
type guest struct {
	conn  net.Conn
	since atomic.Int64 // idle since, in Unix nanoseconds; 0 while a request runs
}

type guestKey struct{}

func newCrowd(most int) *crowd { return &crowd{most: most, guests: make(map[net.Conn]*guest)} }

// admit is the http.Server's ConnContext, called before anything is read.
func (c *crowd) admit(ctx context.Context, conn net.Conn) context.Context {
	g := &guest{conn: conn}
	g.wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.guests) >= c.most && !c.makePlace() {
		_ = conn.Close() // all others are busy
		c.pushedOut.Add(1)
		return context.WithValue(ctx, guestKey{}, g)
	}
	c.guests[conn] = g
	return context.WithValue(ctx, guestKey{}, g)
}

// makePlace closes several connections at once, so that a flood does not cost a scan per connection.
func (c *crowd) makePlace() bool {
	type candidate struct {
		guest *guest
		since int64
	}
	candidates := make([]candidate, 0, len(c.guests))
	for _, g := range c.guests {
		if since := g.since.Load(); since != 0 {
			candidates = append(candidates, candidate{g, since})
		}
	}
	slices.SortFunc(candidates, func(a, b candidate) int { return cmp.Compare(a.since, b.since) })
	for _, some := range candidates[:min(len(candidates), 1+c.most/64)] {
		_ = some.guest.conn.Close() // the server notices on its next read
		delete(c.guests, some.guest.conn)
		c.pushedOut.Add(1)
	}
	return len(candidates) > 0
}

// changed is the http.Server's ConnState.
func (c *crowd) changed(conn net.Conn, state http.ConnState) {
	if state != http.StateClosed {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.guests, conn)
}

func (c *crowd) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.guests)
}

// answering reports whether any connection has a running request.
func (c *crowd) answering() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.guests {
		if g.since.Load() == 0 {
			return true
		}
	}
	return false
}

// attend marks connections with a running request as busy.
func attend(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g, ok := r.Context().Value(guestKey{}).(*guest); ok {
			g.since.Store(0)
			defer g.wait()
		}
		next.ServeHTTP(w, r)
	})
}

func (g *guest) wait() { g.since.Store(time.Now().UnixNano()) }

// receiving marks the connection as idle while read waits for the client.
func receiving(ctx context.Context, read func()) {
	if g, ok := ctx.Value(guestKey{}).(*guest); ok {
		g.wait()
		defer g.since.Store(0)
	}
	read()
}
