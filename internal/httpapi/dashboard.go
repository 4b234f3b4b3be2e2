package httpapi

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
)

const (
	dashboardPath = "/dashboard"
	// signInPath takes keys from people. Of Config.Dashboard this package knows only that a POST there is answered 401 when
	// the key is wrong.
	signInPath = dashboardPath + "/sign-in"
)

// people mounts the dashboard, behind all that every route is behind.
func (a *API) people() {
	if a.Dashboard == nil {
		return
	}
	handler := a.countSignIns(a.roomForPeople(a.Dashboard))
	a.router.Handle(dashboardPath, handler)
	a.router.Handle(dashboardPath+"/*", handler)
	a.welcome = func(w http.ResponseWriter, r *http.Request) {
		u := *r.URL
		u.Path, u.RawPath = dashboardPath+"/", ""
		r = r.Clone(r.Context())
		r.URL = &u
		handler.ServeHTTP(w, r)
	}
}

// roomForPeople has requests wait for their place among those under way, and tells by URL.Scheme whether the browser's
// connection is encrypted, be it only as far as a trusted proxy.
func (a *API) roomForPeople(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.usual.enter(r.Context()); err != nil {
			if errors.Is(err, errFull) {
				a.metrics.refuse(refusedConcurrency)
			}
			w.Header().Set("Retry-After", retrySeconds)
			writeProblem(w, newProblem(http.StatusServiceUnavailable, err.Error()+"; try again later"))
			return
		}
		defer a.usual.leave()
		if r.TLS != nil || a.proxied(r) == "https" {
			u := *r.URL
			u.Scheme = "https"
			r = r.Clone(r.Context())
			r.URL = &u
		}
		next.ServeHTTP(w, r)
	})
}

// countSignIns slows down whoever guesses keys, as login does.
func (a *API) countSignIns(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != signInPath {
			next.ServeHTTP(w, r)
			return
		}
		client := exchangeOf(r.Context()).client
		if wait := a.logins.early(client); wait > 0 {
			a.metrics.refuse(refusedLogins)
			w.Header().Set("Retry-After", strconv.Itoa(max(1, seconds(wait))))
			writeProblem(w, newProblem(http.StatusTooManyRequests, tooMany("wrong keys from this address")))
			return
		}
		next.ServeHTTP(w, r)
		if said, ok := w.(*recorder); ok && said.status == http.StatusUnauthorized {
			a.logins.take(client, nil)
		}
	})
}

// proxied is the scheme that a trusted proxy was asked by, or "".
func (a *API) proxied(r *http.Request) string {
	if !a.fromTrusted(r) {
		return ""
	}
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	return strings.ToLower(strings.TrimSpace(first))
}
