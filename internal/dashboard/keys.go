package dashboard

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/pg"
)

// keysShown is how many keys a page lists.
const keysShown = 200

const mayNotMakeKeys = "This server's database role cannot change keys. Use a shell: " +
	"alsobought keys create NAME, or keys revoke ID."

// keyForm is a key as it is asked for, and what is wrong with it.
type keyForm struct {
	Name    string
	Scopes  []apikey.Scope
	Expires string
	Problem string
}

// Has reports whether the key is to have a scope.
func (f keyForm) Has(scope string) bool { return slices.Contains(f.Scopes, scope) }

// makeKey makes a key and shows it. That is the answer itself, not one that it leads to: a key is in no URL, no cookie
// and nowhere else on the server.
func (d *Dashboard) makeKey(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	f := keyForm{Name: v.r.PostFormValue("name"), Scopes: v.r.PostForm["scope"], Expires: v.r.PostFormValue("expires")}
	var expires *time.Time
	if f.Expires != "" {
		day, err := time.Parse(time.DateOnly, f.Expires)
		if err != nil {
			f.Problem = "The date is invalid: write it as 2027-01-31."
			return v.showHealth(http.StatusUnprocessableEntity, f)
		}
		expires = &day
	}
	key, row, err := apikey.Create(v.ctx, d.Pool, f.Name, f.Scopes, expires, v.key.Name)
	wrong := new(apikey.InvalidError)
	switch {
	case errors.As(err, &wrong):
		f.Problem = sentence(wrong.Error())
		return v.showHealth(http.StatusUnprocessableEntity, f)
	case pg.IsDenied(err):
		return invalid{mayNotMakeKeys}
	case err != nil:
		return err
	}
	v.at("/health/key")
	return v.show("newkey", "New key", map[string]any{"Key": key, "Row": row})
}

func (d *Dashboard) findKey(v *visit) (apikey.Key, error) {
	id, err := v.id("id")
	if err != nil {
		return apikey.Key{}, err
	}
	row, err := apikey.Get(v.ctx, d.Pool, id)
	if errors.Is(err, apikey.ErrNotFound) {
		return row, errNoPage
	}
	return row, err
}

func (d *Dashboard) revokePage(v *visit) error {
	key, err := d.findKey(v)
	if err != nil {
		return err
	}
	if key.RevokedAt != nil {
		return invalid{fmt.Sprintf("The key of %s is revoked already.", key.Name)}
	}
	v.at("/health/key")
	return v.show("revokekey", "Revoke a key?", keyRow{key, key.State(time.Now()), key.KeyID == v.key.KeyID})
}

func (d *Dashboard) revokeKey(v *visit) error {
	if err := v.form(); err != nil {
		return err
	}
	key, err := d.findKey(v)
	if err != nil {
		return err
	}
	if key.RevokedAt != nil {
		return invalid{fmt.Sprintf("The key of %s is revoked already.", key.Name)}
	}
	_, err = apikey.Revoke(v.ctx, d.Pool, key.KeyID, v.key.Name)
	if pg.IsDenied(err) {
		return invalid{mayNotMakeKeys}
	}
	if err != nil {
		return err
	}
	return v.done("/health", fmt.Sprintf("The key of %s is revoked. The next request with it is refused.", key.Name), 0)
}
