package recommend

import (
	"context"
	"sync"
	"time"
)

// askTimeout bounds what several callers wait for: it must not end with the first of them.
const askTimeout = 10 * time.Second

// batcher does together what is asked at the same time: while its workers are busy, questions gather, and the next free one takes all of
// them. A question that finds a free worker does not wait. So the cost of a statement is shared exactly when there is load.
type batcher[Q, A any] struct {
	workers int // at most so many batches at a time
	most    int // questions in a batch
	do      func(context.Context, []Q) ([]A, error)

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

// ask returns the answer to q by a batch that begins after the call.
func (b *batcher[Q, A]) ask(ctx context.Context, q Q) (A, error) {
	p := &pending[Q, A]{question: q, done: make(chan struct{})}
	b.mu.Lock()
	b.waiting = append(b.waiting, p)
	if b.running < b.workers {
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
func (b *batcher[Q, A]) work(ctx context.Context) {
	for {
		b.mu.Lock()
		batch := b.waiting[:min(len(b.waiting), b.most)]
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

func (b *batcher[Q, A]) run(ctx context.Context, batch []*pending[Q, A]) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	questions := make([]Q, len(batch))
	for i, p := range batch {
		questions[i] = p.question
	}
	answers, err := b.do(ctx, questions)
	for i, p := range batch {
		if p.err = err; err == nil {
			p.answer = answers[i]
		}
		close(p.done)
	}
}
