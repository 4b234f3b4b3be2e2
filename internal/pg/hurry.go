package pg

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// connPatience is how long a request waits for a connection, whether for a free one or for a new one.
const connPatience = time.Second

// hurry bounds the wait for a connection when it is on. It is a tracer because pgxpool has no setting for that.
type hurry struct{ on atomic.Bool }

type hurryKey struct{}

// TraceAcquireStart returns a context with a deadline for the acquisition.
func (h *hurry) TraceAcquireStart(
	ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData,
) context.Context {
	if !h.on.Load() {
		return ctx
	}
	ctx, cancel := context.WithTimeout(ctx, connPatience)
	return context.WithValue(ctx, hurryKey{}, cancel)
}

// TraceAcquireEnd releases the timer of TraceAcquireStart.
func (*hurry) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	if cancel, ok := ctx.Value(hurryKey{}).(context.CancelFunc); ok {
		cancel()
	}
}

// TraceQueryStart does nothing: pgx requires it of tracers.
func (*hurry) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd does nothing: pgx requires it of tracers.
func (*hurry) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
