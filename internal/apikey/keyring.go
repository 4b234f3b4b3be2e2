package apikey

import (
	"context"
	"errors"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/alsobought/alsobought/db"
)

const (
	cacheSize = 10_000
	cacheTTL  = time.Hour // since the last successful check
)

// Keyring checks keys like Check and remembers the hashes of valid ones. While the database is reachable, what
// it remembers decides nothing.
type Keyring struct {
	database db.DBTX
	valid    *otter.Cache[string, validKey] // by hash
}

// validKey is a key that passed a check.
type validKey struct {
	key Key
	at  time.Time
}

// NewKeyring returns a Keyring over database.
func NewKeyring(database db.DBTX) *Keyring {
	return &Keyring{database, otter.Must(&otter.Options[string, validKey]{MaximumSize: cacheSize})}
}

// Check is like the function Check, and remembers the result.
func (r *Keyring) Check(ctx context.Context, key string) (Key, error) {
	row, err := Check(ctx, r.database, key)
	switch {
	case err == nil:
		r.valid.Set(string(hash(key)), validKey{row, time.Now()})
	case errors.Is(err, ErrRefused):
		r.valid.Invalidate(string(hash(key)))
	}
	return row, err
}

// Recall returns the row of a key that passed a check within the last hour and has not expired since. It may
// have been revoked meanwhile.
func (r *Keyring) Recall(key string) (Key, bool) {
	if key == "" {
		return Key{}, false
	}
	seen, found := r.valid.GetIfPresent(string(hash(key)))
	now := time.Now()
	if !found || now.Sub(seen.at) > cacheTTL || seen.key.State(now) != "usable" {
		return Key{}, false
	}
	return seen.key, true
}
