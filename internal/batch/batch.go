// Package batch combines concurrent requests into batches, so that they share the cost of a statement or a
// commit.
package batch

import (
	"context"
	"sync"
	"time"
)

// Batcher answers questions in batches: while all workers are busy, questions queue up, and the next free
// worker takes all of them. A question that finds a free worker does not wait, so batches form only under load.
// The fields must not be changed after the first Ask.
type Batcher[Q, A any] struct {
	Workers int           // maximum number of concurrent batches
	Most    int           // maximum number of questions per batch
	Timeout time.Duration // per batch; a batch serves several callers, so no caller's context ends it

	// Do returns an answer for each question, or one error for all of them.
	Do func(context.Context, []Q) ([]A, error)

	mu      sync.Mutex
	waiting []*pending[Q, A]
	running int
}

type pending[Q, A any] struct {
	question Q
	answer   A
	err      error
	done     chan struct{}
}

// Ask returns the answer to q from a batch that starts after the call. If ctx ends first, the batch continues.
func (b *Batcher[Q, A]) Ask(ctx context.Context, q Q) (A, error) {
	p := &pending[Q, A]{question: q, done: make(chan struct{})}
	b.mu.Lock()
	b.waiting = append(b.waiting, p)
	if b.running < b.Workers {
		b.running++
		go b.work(context.WithoutCancel(ctx))
	}
	b.mu.Unlock()
	select {
	case <-ctx.Done():
		var none A
		return none, ctx.Err()
	case <-p.done:
		return p.answer, p.err
	}
}

// work runs batches until no questions are waiting.
func (b *Batcher[Q, A]) work(ctx context.Context) {
	for {
		b.mu.Lock()
		batch := b.waiting[:min(len(b.waiting), b.Most)]
		b.waiting = b.waiting[len(batch):]
		if len(batch) == 0 {
			b.waiting = nil
			b.running--
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		b.run(ctx, batch)
	}
}

func (b *Batcher[Q, A]) run(ctx context.Context, batch []*pending[Q, A]) {
	ctx, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()
	questions := make([]Q, len(batch))
	for i, p := range batch {
		questions[i] = p.question
	}
	answers, err := b.Do(ctx, questions)
	for i, p := range batch {
		if p.err = err; err == nil {
			p.answer = answers[i]
		}
		close(p.done)
	}
}
