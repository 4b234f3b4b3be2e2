package httpapi

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/rs/cors"
)

// clientOf returns the address of the client: the peer's, or, behind trusted proxies, the last address in
// X-Forwarded-For that is not a trusted proxy. Earlier entries may be forged.
func (a *API) clientOf(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{} // a unix socket
	}
	client := peer.Addr().Unmap()
	if len(a.TrustedProxies) == 0 || !a.trusts(client) {
		return client
	}
	for _, line := range slices.Backward(r.Header.Values("X-Forwarded-For")) {
		for _, hop := range slices.Backward(strings.Split(line, ",")) {
			addr, err := netip.ParseAddr(strings.TrimSpace(hop))
			if err != nil {
				return client // anything before it may be forged
			}
			if client = addr.Unmap(); !a.trusts(client) {
				return client
			}
		}
	}
	return client
}

// fromTrusted reports whether a request comes from a trusted proxy.
func (a *API) fromTrusted(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && a.trusts(peer.Addr().Unmap())
}

func (a *API) trusts(addr netip.Addr) bool {
	return slices.ContainsFunc(a.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(addr.WithZone("")) })
}

// corsAge is how long, in seconds, browsers may cache a preflight response.
const corsAge = 600

// allowOrigins lets pages of other origins read answers and send keys. There are no cookies.
func (a *API) allowOrigins() func(http.Handler) http.Handler {
	return cors.New(cors.Options{
		AllowedOrigins: a.AllowOrigins,
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete},
		AllowedHeaders: []string{"Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", requestIDHeader},
		ExposedHeaders: []string{"Age", "ETag", "RateLimit", "RateLimit-Policy", "Retry-After", "Warning", requestIDHeader},
		MaxAge:         corsAge,
	}).Handler
}
