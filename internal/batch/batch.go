// Package batch does together what is asked at the same time.
package batch

import (
	"context"
	"sync"
	"time"
)

// Batcher answers questions in batches: while its workers are busy, questions gather, and the next free one takes all of them. A question
// that finds a free worker does not wait. So the cost of a statement, or of a commit, is shared exactly when there is load. Its fields must
// not change after the first Ask.
type Batcher[Q, A any] struct {
	Workers int           // at most so many batches at a time
	Most    int           // questions in a batch
	Timeout time.Duration // of a batch: several callers wait for it, so it must not end with the first of them

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

// Ask returns the answer to q by a batch that begins after the call. When ctx ends first, the batch goes on.
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

// work runs batches until nobody waits any more.
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
