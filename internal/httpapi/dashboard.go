package httpapi

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
)

const (
	dashboardPath = "/dashboard"
	// signInPath takes keys from people. All this package knows of Config.Dashboard is that a POST there with a wrong
	// key gets a 401.
	signInPath = dashboardPath + "/sign-in"
)

// dashboard mounts the dashboard behind the same middleware as all routes.
func (a *API) dashboard() {
	if a.Dashboard == nil {
		return
	}
	handler := a.countSignIns(a.limitDashboard(a.Dashboard))
	a.router.Handle(dashboardPath, handler)
	a.router.Handle(dashboardPath+"/*", handler)
	a.browserRoot = func(w http.ResponseWriter, r *http.Request) {
		u := *r.URL
		u.Path, u.RawPath = dashboardPath+"/", ""
		r = r.Clone(r.Context())
		r.URL = &u
		handler.ServeHTTP(w, r)
	}
}

// limitDashboard limits concurrent dashboard requests, and sets URL.Scheme to https if the browser's connection is
// encrypted, at least as far as a trusted proxy.
func (a *API) limitDashboard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.queries.enter(r.Context()); err != nil {
			if errors.Is(err, errBusy) {
				a.metrics.refuse(refusedConcurrency)
			}
			w.Header().Set("Retry-After", retrySeconds)
			writeProblem(w, newProblem(http.StatusServiceUnavailable, err.Error()+"; try again later"))
			return
		}
		defer a.queries.leave()
		if r.TLS != nil || a.proxied(r) == "https" {
			u := *r.URL
			u.Scheme = "https"
			r = r.Clone(r.Context())
			r.URL = &u
		}
		next.ServeHTTP(w, r)
	})
}

// countSignIns rate-limits wrong keys, as login does.
func (a *API) countSignIns(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != signInPath {
			next.ServeHTTP(w, r)
			return
		}
		client := stateOf(r.Context()).client
		if wait := a.logins.peek(client); wait > 0 {
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

// proxied returns the scheme of the request to a trusted proxy, or "".
func (a *API) proxied(r *http.Request) string {
	if !a.fromTrusted(r) {
		return ""
	}
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",")
	return strings.ToLower(strings.TrimSpace(first))
}
