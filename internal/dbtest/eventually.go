package dbtest

import (
	"context"
	"testing"
	"time"
)

// patience bounds every wait of the tests; nothing takes that long unless it hangs.
const patience = 2 * time.Minute

// Eventually asks every few milliseconds whether the condition holds, and fails the test if it never does.
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
