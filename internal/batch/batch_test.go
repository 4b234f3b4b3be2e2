package batch

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestBatcher: a single question runs at once; those that arrive while the workers are busy run together, and
// each gets its answer.
func TestBatcher(t *testing.T) {
	t.Parallel()
	began, goOn := make(chan []int), make(chan error)
	b := Batcher[int, int]{
		Workers: 1, Most: 3, Timeout: time.Minute,
		Do: func(_ context.Context, questions []int) ([]int, error) {
			began <- questions
			err := <-goOn
			answers := make([]int, len(questions))
			for i, q := range questions {
				answers[i] = q * q
			}
			return answers, err
		},
	}
	type result struct{ question, answer, err any }
	results := make(chan result)
	ask := func(ctx context.Context, q int) {
		go func() {
			a, err := b.Ask(ctx, q)
			results <- result{q, a, err}
		}()
	}
	waiting := func(n int) {
		for {
			b.mu.Lock()
			found := len(b.waiting)
			b.mu.Unlock()
			if found == n {
				return
			}
		}
	}
	ask(t.Context(), 2)
	if first := <-began; len(first) != 1 || first[0] != 2 {
		t.Fatalf("first batch %v", first)
	}
	gone, leave := context.WithCancel(t.Context())
	for i, ctx := range []context.Context{t.Context(), gone, t.Context(), t.Context()} {
		ask(ctx, 3+i)
		waiting(1 + i)
	}
	leave() // leaving does not affect the others
	if r := <-results; r.question != 4 || !errors.Is(r.err.(error), context.Canceled) {
		t.Errorf("%+v", r)
	}
	goOn <- nil
	if r := <-results; r != (result{2, 4, nil}) {
		t.Errorf("%+v", r)
	}
	if second := <-began; len(second) != 3 || second[0] != 3 {
		t.Errorf("second batch %v, want the three that waited longest", second)
	}
	failed := errors.New("failed")
	goOn <- failed
	for range 2 {
		if r := <-results; !errors.Is(r.err.(error), failed) {
			t.Errorf("%+v", r)
		}
	}
	if third := <-began; len(third) != 1 || third[0] != 6 {
		t.Errorf("third batch %v", third)
	}
	goOn <- nil
	if r := <-results; r != (result{6, 36, nil}) {
		t.Errorf("%+v", r)
	}
}
