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

// keyScheme is what the document calls the way in which keys are sent.
const keyScheme = "key"

const aboutKeys = "A key of `alsobought keys create NAME`, sent as `Authorization: Bearer KEY`. Its name signs what is changed with it."

// keyed makes the operation one that needs a key, and says so in the document. The key is looked at before anything else of the request;
// the handler asks signer for its name.
func (a *api) keyed(routes huma.API, op huma.Operation) huma.Operation {
	op.Security = []map[string][]string{{keyScheme: {}}}
	op.Errors = append(op.Errors, http.StatusUnauthorized)
	op.Middlewares = append(huma.Middlewares{a.checkKey(routes)}, op.Middlewares...)
	return op
}

func (a *api) checkKey(routes huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, _ := humachi.Unwrap(ctx)
		key, err := apikey.Check(ctx.Context(), a.Pool, bearer(r.Header))
		if err != nil {
			writeErr(routes, ctx, problem(ctx.Context(), err, "header"))
			return
		}
		exchangeOf(ctx.Context()).key = key
		next(ctx)
	}
}

// bearer is the key that the headers carry, or "". Two that differ could be read differently by somebody on the way: two are none.
func bearer(header http.Header) string {
	given := header.Values("Authorization")
	if len(given) != 1 {
		return ""
	}
	scheme, key, _ := strings.Cut(given[0], " ")
	if !strings.EqualFold(scheme, "Bearer") { // RFC 9110, 11.1: in any case
		return ""
	}
	return strings.Trim(key, " ")
}

// signer is the name of the key of a request whose operation is keyed.
func signer(ctx context.Context) string { return exchangeOf(ctx).key.Name }

// writeErr writes what problem returned where huma does not do it, in a middleware.
func writeErr(routes huma.API, ctx huma.Context, err error) {
	if with, ok := errors.AsType[huma.HeadersError](err); ok {
		for name, values := range with.GetHeaders() {
			ctx.SetHeader(name, values[0])
		}
	}
	p := new(huma.ErrorModel)
	if !errors.As(err, &p) {
		panic(err) // problem returns nothing else
	}
	_ = huma.WriteErr(routes, ctx, p.Status, p.Detail) // fails only when the client is gone
}
