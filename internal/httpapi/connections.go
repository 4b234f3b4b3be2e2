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

// connLimiter limits the number of connections. Above the limit, it closes those that have been idle longest, so that a
// flood of idle connections displaces itself and not clients with requests.
type connLimiter struct {
	most    int
	evicted atomic.Int64

	mu    sync.Mutex
	conns map[net.Conn]*trackedConn
}

// trackedConn is an open connection.
type trackedConn struct {
	conn  net.Conn
	since atomic.Int64 // idle since, in Unix nanoseconds; 0 while a request runs
}

type connKey struct{}

func newConnLimiter(most int) *connLimiter {
	return &connLimiter{most: most, conns: make(map[net.Conn]*trackedConn)}
}

// admit is the http.Server's ConnContext, called before anything is read.
func (c *connLimiter) admit(ctx context.Context, conn net.Conn) context.Context {
	g := &trackedConn{conn: conn}
	g.setIdle()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.conns) >= c.most && !c.evictIdle() {
		_ = conn.Close() // all others are busy
		c.evicted.Add(1)
		return context.WithValue(ctx, connKey{}, g)
	}
	c.conns[conn] = g
	return context.WithValue(ctx, connKey{}, g)
}

// evictIdle closes several connections at once, so that a flood does not cost a scan per connection.
func (c *connLimiter) evictIdle() bool {
	type candidate struct {
		conn  *trackedConn
		since int64
	}
	candidates := make([]candidate, 0, len(c.conns))
	for _, g := range c.conns {
		if since := g.since.Load(); since != 0 {
			candidates = append(candidates, candidate{g, since})
		}
	}
	slices.SortFunc(candidates, func(a, b candidate) int { return cmp.Compare(a.since, b.since) })
	for _, some := range candidates[:min(len(candidates), 1+c.most/64)] {
		_ = some.conn.conn.Close() // the server notices on its next read
		delete(c.conns, some.conn.conn)
		c.evicted.Add(1)
	}
	return len(candidates) > 0
}

// changed is the http.Server's ConnState.
func (c *connLimiter) changed(conn net.Conn, state http.ConnState) {
	if state != http.StateClosed {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, conn)
}

func (c *connLimiter) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.conns)
}

// answering reports whether any connection has a running request.
func (c *connLimiter) answering() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.conns {
		if g.since.Load() == 0 {
			return true
		}
	}
	return false
}

// trackRequests marks connections with a running request as busy.
func trackRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g, ok := r.Context().Value(connKey{}).(*trackedConn); ok {
			g.since.Store(0)
			defer g.setIdle()
		}
		next.ServeHTTP(w, r)
	})
}

func (g *trackedConn) setIdle() { g.since.Store(time.Now().UnixNano()) }

// receiving marks the connection as idle while read waits for the client.
func receiving(ctx context.Context, read func()) {
	if g, ok := ctx.Value(connKey{}).(*trackedConn); ok {
		g.setIdle()
		defer g.since.Store(0)
	}
	read()
}
