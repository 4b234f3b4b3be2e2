package dashboard

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/alsobought/alsobought/internal/apikey"
)

// cookieName is that of the session. It says nothing of __Host-, which plain HTTP on a machine's own address cannot
// have.
const cookieName = "alsobought_session"

func (d *Dashboard) signing() {
	d.mux.HandleFunc("GET "+base+"/sign-in", func(w http.ResponseWriter, r *http.Request) {
		v := d.stranger(w, r)
		if err := v.showSignIn(http.StatusOK, ""); err != nil {
			v.trouble(err)
		}
	})
	d.mux.HandleFunc("POST "+base+"/sign-in", func(w http.ResponseWriter, r *http.Request) {
		v := d.stranger(w, r)
		if err := v.signIn(); err != nil {
			v.trouble(err)
		}
	})
	d.mux.HandleFunc("POST "+base+"/sign-out", func(w http.ResponseWriter, r *http.Request) {
		v := d.stranger(w, r)
		if cookie, err := r.Cookie(cookieName); err == nil {
			if err := apikey.End(v.ctx, d.Pool, cookie.Value); err != nil {
				v.trouble(err)
				return
			}
		}
		v.setCookie("", -1)
		v.seeOther(base + "/sign-in?out=1")
	})
}

func (d *Dashboard) stranger(w http.ResponseWriter, r *http.Request) *visit {
	return &visit{d: d, w: w, r: r, ctx: r.Context(), here: "/sign-in"}
}

// recognise finds out who visits. A session that has ended is nobody's.
func (v *visit) recognise() error {
	cookie, err := v.r.Cookie(cookieName)
	if err == nil {
		key, err := apikey.Of(v.ctx, v.d.Pool, cookie.Value)
		if err == nil {
			v.key = key
			return nil
		}
		if !errors.Is(err, apikey.ErrRefused) {
			return err
		}
	}
	if v.d.Guest.Name != "" && isLoopback(v.r.Host) {
		v.key, v.guest = v.d.Guest, true
	}
	return nil
}

// isLoopback reports whether a browser that asked for host asked this machine. A name that somebody else's DNS has lead
// here is none of its own.
func isLoopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	addr, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return name == "localhost" || err == nil && addr.IsLoopback()
}

// askToSignIn leads to the form, and from there back.
func (v *visit) askToSignIn() {
	target := base + "/sign-in"
	if v.r.Method == http.MethodGet && v.here != "/" {
		target += "?next=" + url.QueryEscape(v.r.URL.RequestURI())
	}
	v.seeOther(target)
}

func (v *visit) showSignIn(status int, problem string) error {
	v.w.Header().Set("X-Robots-Tag", "noindex")
	return v.showStatus(status, "signin", "Sign in", map[string]any{
		"Problem": problem, "Next": local(v.r.FormValue("next")), "Out": v.r.FormValue("out") == "1",
	})
}

// signIn begins a session by a key. A wrong one is 401, which is counted by whoever serves this.
func (v *visit) signIn() error {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
	if err := v.r.ParseForm(); err != nil {
		return badForm(err)
	}
	key, err := apikey.Check(v.ctx, v.d.Pool, strings.TrimSpace(v.r.PostFormValue("key")))
	switch {
	case errors.Is(err, apikey.ErrNoKeys):
		return v.showSignIn(http.StatusUnauthorized,
			"There is no key yet. Create one in a shell: alsobought keys create NAME --scope admin")
	case errors.Is(err, apikey.ErrMissing):
		return v.showSignIn(http.StatusUnprocessableEntity, "Enter a key.")
	case errors.Is(err, apikey.ErrRefused):
		return v.showSignIn(http.StatusUnauthorized, "This key is not valid. It may have expired or been revoked.")
	case err != nil:
		return err
	}
	token, err := apikey.Begin(v.ctx, v.d.Pool, key)
	if err != nil {
		return err
	}
	v.setCookie(token, int(apikey.SessionLife.Seconds()))
	next := local(v.r.PostFormValue("next"))
	if next == "" {
		next = base + "/"
	}
	v.seeOther(next)
	return nil
}

// setCookie sets the session's. It is Lax, so that a link in a mail leads to where it says: what changes something is
// never a GET, and a POST from another site is refused.
func (v *visit) setCookie(token string, seconds int) {
	http.SetCookie(v.w, &http.Cookie{ //nolint:gosec // Secure where the connection is
		Name: cookieName, Value: token, Path: "/", MaxAge: seconds, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: v.r.TLS != nil || v.r.URL.Scheme == "https",
	})
}

// local is the target if it is a page of the dashboard, and "" if it could lead elsewhere.
func local(target string) string {
	u, err := url.Parse(target)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, base+"/") || strings.Contains(target, `\`) {
		return ""
	}
	return u.RequestURI()
}

// note is what the next page says of what was done.
type note struct {
	Text string `json:"text"`
	Undo int64  `json:"undo"` // the rule that was added
}

// noteCookie carries a note over a redirect. In the URL anybody could have a page say anything.
const noteCookie = "alsobought_note"

func (v *visit) leave(n note) {
	text, err := json.Marshal(n)
	if err != nil {
		panic(err) // of two plain fields
	}
	http.SetCookie(v.w, &http.Cookie{ //nolint:gosec // Secure where the connection is
		Name: noteCookie, Value: base64.RawURLEncoding.EncodeToString(text), Path: "/", MaxAge: 60, HttpOnly: true,
		SameSite: http.SameSiteStrictMode, Secure: v.r.TLS != nil || v.r.URL.Scheme == "https",
	})
}

// take returns the note that was left, once.
func (v *visit) take() (n note) {
	cookie, err := v.r.Cookie(noteCookie)
	if err != nil {
		return n
	}
	http.SetCookie(v.w, &http.Cookie{ //nolint:gosec // Secure where the connection is
		Name: noteCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: v.r.TLS != nil || v.r.URL.Scheme == "https",
	})
	text, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || json.Unmarshal(text, &n) != nil {
		return note{}
	}
	return n
}

func (v *visit) seeOther(target string) {
	v.w.Header().Set("Cache-Control", "no-store")
	http.Redirect(v.w, v.r, target, http.StatusSeeOther) //nolint:gosec // to a path of ours: see local
}
