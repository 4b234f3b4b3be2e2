package apikey

import (
	"context"
	"errors"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/alsobought/alsobought/db"
)

const (
	rememberedKeys = 10_000
	remembered     = time.Hour // since it was last good
)

// Keyring checks keys like Check, and remembers the hashes of those that were good. What it remembers decides nothing while the database can
// be asked.
type Keyring struct {
	database db.DBTX
	good     *otter.Cache[string, sighting] // by hash
}

// sighting is a key that was good.
type sighting struct {
	key Key
	at  time.Time
}

// NewKeyring returns a Keyring over database.
func NewKeyring(database db.DBTX) *Keyring {
	return &Keyring{database, otter.Must(&otter.Options[string, sighting]{MaximumSize: rememberedKeys})}
}

// Check is the package's.
func (r *Keyring) Check(ctx context.Context, key string) (Key, error) {
	row, err := Check(ctx, r.database, key)
	switch {
	case err == nil:
		r.good.Set(string(hash(key)), sighting{row, time.Now()})
	case errors.Is(err, ErrRefused):
		r.good.Invalidate(string(hash(key)))
	}
	return row, err
}

// Recall returns the row of a key that was good within the last hour and has not expired since: whoever sends it is no stranger, though it
// may have been revoked meanwhile.
func (r *Keyring) Recall(key string) (Key, bool) {
	if key == "" {
		return Key{}, false
	}
	seen, found := r.good.GetIfPresent(string(hash(key)))
	now := time.Now()
	if !found || now.Sub(seen.at) > remembered || seen.key.State(now) != "usable" {
		return Key{}, false
	}
	return seen.key, true
}
