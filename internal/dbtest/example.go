package dbtest

import (
	"context"
	"fmt"
	"testing"
)

// Example stands in for the testing.TB that an Example does not have: it panics where a test would fail. Call end when
// the example ends.
func Example() (t testing.TB, end func()) {
	e := &example{}
	return e, func() {
		for len(e.cleanups) > 0 {
			last := len(e.cleanups) - 1
			f := e.cleanups[last]
			e.cleanups = e.cleanups[:last]
			f()
		}
	}
}

type example struct {
	testing.TB // nil: only the methods below are there

	cleanups []func()
}

// Helper does nothing.
func (e *example) Helper() {}

// Context is never cancelled.
func (e *example) Context() context.Context { return context.Background() }

// Cleanup has f called at the end.
func (e *example) Cleanup(f func()) { e.cleanups = append(e.cleanups, f) }

// Failed is false, because failing panics.
func (e *example) Failed() bool { return false }

// Error panics.
func (e *example) Error(args ...any) { panic(fmt.Sprint(args...)) }

// Errorf panics.
func (e *example) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// Fatal panics.
func (e *example) Fatal(args ...any) { e.Error(args...) }

// Fatalf panics.
func (e *example) Fatalf(format string, args ...any) { e.Errorf(format, args...) }
