package dbtest

import (
	"context"
	"testing"
	"time"
)

// patience bounds every wait of the tests; only a hang takes that long.
const patience = 2 * time.Minute

// Eventually polls the condition every few milliseconds, and fails the test if it does not come true.
func Eventually(t testing.TB, what string, holds func(ctx context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}
