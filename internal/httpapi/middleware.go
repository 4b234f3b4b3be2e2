package httpapi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/alsobought/alsobought/internal/apikey"
)

const requestIDHeader = "X-Request-ID"

// requestState is what is logged about a request besides what its response shows.
type requestState struct {
	id      string
	client  netip.Addr // what its rate counts against: see addressOf
	key     apikey.Key // if the route needs one
	refused error      // why the key sent is not valid, if it was checked before the route was known
	stale   bool       // answered from the cache because the database did not answer
	err     error      // cause of a problem that the client does not see
	stack   []byte
}

type stateKey struct{}

// stateOf returns the state set by observe, which wraps all handlers.
func stateOf(ctx context.Context) *requestState {
	return ctx.Value(stateKey{}).(*requestState) //nolint:forcetypeassert // see above
}

// observe assigns the request id, turns panics into problems, and logs one line per request.
func (a *API) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		a.metrics.began()
		x := &requestState{id: requestID(r), client: addressOf(a.clientOf(r))}
		w.Header().Set(requestIDHeader, x.id)
		ctx := context.WithValue(r.Context(), stateKey{}, x)
		recorded := &recorder{ResponseWriter: w}
		cut := protect(next, recorded, r.WithContext(ctx), x)
		if !cut {
			recorded.begin()
		}
		a.log(ctx, r, recorded, x, time.Since(began))
		if cut {
			panic(http.ErrAbortHandler)
		}
	})
}

// protect recovers panics. It reports whether the connection must be cut, so that a partial answer does not look
// complete.
func protect(next http.Handler, w *recorder, r *http.Request, x *requestState) (cut bool) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		if err, _ := cause.(error); !errors.Is(err, http.ErrAbortHandler) {
			x.err, x.stack = fmt.Errorf("panic: %v", cause), debug.Stack()
		}
		if cut = w.begun || x.err == nil; !cut {
			writeProblem(w, internalError(x.id))
		}
	}()
	next.ServeHTTP(w, r)
	return false
}

func (a *API) log(ctx context.Context, r *http.Request, w *recorder, x *requestState, took time.Duration) {
	route, status := chi.RouteContext(r.Context()).RoutePattern(), w.status
	if w.gone && r.Context().Err() != nil {
		status = statusClientGone
	}
	a.metrics.ended(r.Method, route, status, x, took)
	attributes := []slog.Attr{
		slog.String("method", r.Method), slog.String("route", route), slog.Int("status", status),
		slog.Duration("duration", took), slog.Int64("bytes", w.bytes), slog.String("request_id", x.id),
	}
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetName(r.Method + " " + route)
		span.SetAttributes(semconv.HTTPRoute(route))
		attributes = append(attributes, slog.String("trace_id", span.SpanContext().TraceID().String()))
	}
	if x.stale {
		attributes = append(attributes, slog.Bool("stale", true))
	}
	if x.key.KeyID != 0 {
		attributes = append(attributes, slog.Int64("key_id", x.key.KeyID))
	}
	if status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusTooManyRequests {
		attributes = append(attributes, slog.String("client", x.client.String())) // for finding abusive clients
	}
	level := slog.LevelInfo
	if x.err != nil {
		attributes = append(attributes, slog.Any("error", x.err))
		level = slog.LevelWarn
		if status == http.StatusInternalServerError || x.stack != nil {
			level = slog.LevelError
		}
	} else if probeRoutes[route] && status == http.StatusOK {
		level = slog.LevelDebug // polled every few seconds
	}
	if x.stack != nil {
		attributes = append(attributes, slog.String("stack", string(x.stack)))
	}
	a.Logger.LogAttrs(ctx, level, "request", attributes...)
}

// requestID returns the caller's request id, if it is safe to log, or a new one.
func requestID(r *http.Request) string {
	const most = 64
	id := r.Header.Get(requestIDHeader)
	if id == "" || len(id) > most || strings.ContainsFunc(id, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return rand.Text()
	}
	return id
}

// recorder records status and size for the log, and delays the status until the body begins, so that an earlier panic
// can still become a problem. It hides write errors of disconnected clients, which handlers would report as failures.
type recorder struct {
	http.ResponseWriter

	status int
	begun  bool
	gone   bool
	bytes  int64
}

// WriteHeader records the status, unless the body has begun.
func (w *recorder) WriteHeader(status int) {
	if !w.begun {
		w.status = status
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.begin()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	w.gone = w.gone || err != nil
	return len(p), nil
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) begin() {
	if w.begun {
		return
	}
	w.begun = true
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.ResponseWriter.WriteHeader(w.status)
}

// secure sets headers that keep browsers from sniffing, framing or running an answer. Pages set their own policy.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}

// limit bounds the request's time.
func (a *API) limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, done := a.withDeadline(r.Context(), a.upstreams...)
		defer done()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Everything after these prefixes is one name.
var namePrefixes = []string{similarPath + "/", orderPath + "/", ordersPath + "/"}

// routable rewrites requests for the router: each name as one segment, and HEAD as GET.
func routable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			chi.RouteContext(r.Context()).RouteMethod = http.MethodGet // net/http drops the body
		}
		for _, prefix := range namePrefixes {
			name, found := strings.CutPrefix(r.URL.Path, prefix)
			if !found {
				continue
			}
			// Path is decoded, so "/" and "%2F" are the same here, and not cleaned. The router and huma use RawPath if
			// it is set, and huma decodes it.
			u := *r.URL
			u.RawPath = prefix + url.PathEscape(name)
			r.URL = &u
			break
		}
		next.ServeHTTP(w, r)
	})
}

// methodNotAllowed lists the allowed methods, as the answer to OPTIONS or in a problem.
func methodNotAllowed(router *chi.Mux) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.RawPath
		if path == "" {
			path = r.URL.Path
		}
		var allowed []string
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			if router.Match(chi.NewRouteContext(), method, path) {
				allowed = append(allowed, method)
				if method == http.MethodGet {
					allowed = append(allowed, http.MethodHead)
				}
			}
		}
		if len(allowed) == 0 {
			notFound(w, r) // a method unknown to the router
			return
		}
		allow := strings.Join(append(allowed, http.MethodOptions), ", ")
		w.Header().Set("Allow", allow)
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		writeProblem(w, newProblem(http.StatusMethodNotAllowed, fmt.Sprintf("%s is not possible here: choose one of %s", r.Method, allow)))
	}
}
