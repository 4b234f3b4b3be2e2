package dashboard

import (
	"context"
	"sync"
	"time"
)

// kept is what takes long to find out: it is found out once for a key, such as a build, and goes on being found out
// when whoever asked has gone. It keeps the last key's.
type kept[K comparable, V any] struct {
	mu    sync.Mutex
	last  *finding[K, V]
	since *finding[K, V] // the newest that was found, of whatever key
}

type finding[K comparable, V any] struct {
	key   K
	done  chan struct{} // closed when the others can be read
	value V
	err   error
	at    time.Time
}

// ask begins to find out, unless that was done for the key without an error or is under way.
func (k *kept[K, V]) ask(d *Dashboard, key K, find func(context.Context) (V, error)) *finding[K, V] {
	k.mu.Lock()
	defer k.mu.Unlock()
	if f := k.last; f != nil && f.key == key {
		select {
		case <-f.done:
			if f.err == nil {
				return f
			}
		default:
			return f
		}
	}
	f := &finding[K, V]{key: key, done: make(chan struct{})}
	k.last = f
	d.work.Go(func() {
		f.value, f.err = find(d.life)
		f.at = time.Now()
		k.mu.Lock()
		k.since = f
		k.mu.Unlock()
		close(f.done)
	})
	return f
}

// ready returns what was found for the key, if it was.
func (k *kept[K, V]) ready(key K) *V {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.since != nil && k.since.key == key && k.since.err == nil {
		return &k.since.value
	}
	return nil
}

// wait returns what was found, or the error of ctx when that ends first.
func (f *finding[K, V]) wait(ctx context.Context) (*V, error) {
	select {
	case <-f.done:
		return &f.value, f.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// forget has the next ask find out anew, unless that is under way.
func (k *kept[K, V]) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.last == nil {
		return
	}
	select {
	case <-k.last.done:
		k.last = nil
	default:
	}
}

// newest is the last that was found, of whatever key, and whether one is under way.
func (k *kept[K, V]) newest() (found *finding[K, V], underWay bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.last != nil {
		select {
		case <-k.last.done:
		default:
			underWay = true
		}
	}
	return k.since, underWay
}
