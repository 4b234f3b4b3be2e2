package pg

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// connPatience is how long a server waits for a connection of its pool, whether all are in use or a new one has to be made.
const connPatience = time.Second

// hurry, when it is on, bounds the wait for a connection, by the hook that pgxpool has for tracing it: a pool has no setting for that.
type hurry struct{ on atomic.Bool }

type hurryKey struct{}

// TraceAcquireStart returns the context that is waited under.
func (h *hurry) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	if !h.on.Load() {
		return ctx
	}
	ctx, cancel := context.WithTimeout(ctx, connPatience)
	return context.WithValue(ctx, hurryKey{}, cancel)
}

// TraceAcquireEnd ends it.
func (*hurry) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	if cancel, ok := ctx.Value(hurryKey{}).(context.CancelFunc); ok {
		cancel()
	}
}

// TraceQueryStart is there because a tracer has to have it.
func (*hurry) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd is, too.
func (*hurry) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
