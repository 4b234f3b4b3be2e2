package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/alsobought/alsobought/internal/apikey"
)

// keyScheme is the document's name for the security scheme of keys.
const keyScheme = "key"

const aboutKeys = "A key of `alsobought keys create NAME --scope SCOPE`, sent as `Authorization: Bearer KEY`. Changes are recorded under its name. " +
	"Scopes: `read` allows questions, `write` changes to orders and rules, `admin` everything."

// checkKey requires a valid key with the scope. Handlers get its name from signer. Wrong keys are rate-limited by
// address, but keys that were valid before are not.
func (a *API) checkKey(scope apikey.Scope) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, _ := humachi.Unwrap(ctx)
		key, err := a.login(ctx.Context(), bearer(r.Header), scope)
		if err == nil && !key.May(scope) {
			err = forbidden(scope, key.Scopes)
		}
		if err != nil {
			a.writeErr(ctx, problem(ctx.Context(), err, "header"))
			return
		}
		stateOf(ctx.Context()).key = key
		next(ctx)
	}
}

// login checks a key with the primary. If that does not answer, a key that the replica knows, or that was valid before,
// may still read but not write.
func (a *API) login(ctx context.Context, sent string, scope apikey.Scope) (apikey.Key, error) {
	if refused := stateOf(ctx).refused; refused != nil {
		return apikey.Key{}, refused
	}
	client := stateOf(ctx).client
	recalled, known := a.keys.Recall(sent)
	if !known && sent != "" {
		if wait := a.logins.peek(client); wait > 0 {
			a.metrics.refuse(refusedLogins)
			return apikey.Key{}, tooManyRequests("wrong keys from this address", wait)
		}
	}
	first, done := a.on(ctx, a.primary)
	defer done()
	key, err := a.keys.Check(first, sent)
	if sent != "" && errors.Is(err, apikey.ErrRefused) {
		a.logins.take(client, nil)
	}
	if err == nil || scope != apikey.Read || !a.unanswered(first, a.primary, err) {
		return key, err
	}
	if a.reads != a.primary && !a.reads.isAway() {
		// The replica may lag: a key it does not know may be new, and one it knows may be revoked. The same holds for
		// recalled keys.
		second, done := a.on(ctx, a.reads)
		defer done()
		if key, replicaErr := apikey.Check(second, a.reads.pool, sent); replicaErr == nil {
			return key, nil
		}
	}
	if known {
		return recalled, nil
	}
	return key, err
}

// bearer returns the key in the headers, or "". Several Authorization headers count as none, because a proxy might read
// another one.
func bearer(header http.Header) string {
	given := header.Values("Authorization")
	if len(given) != 1 {
		return ""
	}
	scheme, key, _ := strings.Cut(given[0], " ")
	if !strings.EqualFold(scheme, "Bearer") { // in any case (RFC 9110, section 11.1)
		return ""
	}
	return strings.Trim(key, " ")
}

// signer returns the name of the request's key. The route must demand one.
func signer(ctx context.Context) string { return stateOf(ctx).key.Name }

// writeErr writes an error returned by problem, for middleware, where huma does not.
func (a *API) writeErr(ctx huma.Context, err error) {
	if with, ok := errors.AsType[huma.HeadersError](err); ok {
		for name, values := range with.GetHeaders() {
			ctx.SetHeader(name, values[0])
		}
	}
	p := new(huma.ErrorModel)
	if !errors.As(err, &p) {
		panic(err) // problem returns nothing else
	}
	details := make([]error, len(p.Errors))
	for i, detail := range p.Errors {
		details[i] = detail
	}
	_ = huma.WriteErr(a.routes, ctx, p.Status, p.Detail, details...) // fails only if the client disconnected
}
