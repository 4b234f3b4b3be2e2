// Package apikey makes, lists, revokes and checks the keys of the API. A key is shown once, when it is made; the database has its SHA-256
// only. It knows nothing of HTTP, and no error of it ever shows a key.
package apikey

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
)

// Scope is something that a key may do.
type Scope = string

// The scopes.
const (
	Read  Scope = "read"  // ask questions
	Write Scope = "write" // change orders and rules
	Admin Scope = "admin" // all of it, and whatever else needs a key
)

// Scopes are all there are, and Usual those of a key that is made without a word about it.
var (
	Scopes = []Scope{Read, Write, Admin}
	Usual  = []Scope{Read, Write}
)

// MaxName is how many bytes a key's name may have.
const MaxName = 200

const (
	prefix   = "ab_"
	hintText = 4 // characters of the key that are kept to recognise it; the random text behind them is secret
)

// resolution of LastUsedAt: a key in use costs one write a minute, not one a request.
const resolution = time.Minute

// ErrNotFound says that there is no such key.
var ErrNotFound = errors.New("not found")

// Check's refusals. All are ErrRefused, which is as much as whoever sent the key should be told; which one it was is for the log.
var (
	ErrRefused = errors.New("no valid key")
	ErrMissing = fmt.Errorf("%w: none was sent", ErrRefused)
	ErrUnknown = fmt.Errorf("%w: nobody made it", ErrRefused)
	ErrExpired = fmt.Errorf("%w: it has expired", ErrRefused)
	ErrRevoked = fmt.Errorf("%w: it was revoked", ErrRefused)

	// ErrNoKeys comes together with one of those when there is no key that could be sent.
	ErrNoKeys = errors.New("there is no key that could be used: make one with alsobought keys create NAME")
)

// InvalidError says which field of a new key is wrong and what it may be.
type InvalidError struct {
	Field   string
	Problem string
}

func (e *InvalidError) Error() string { return e.Field + " " + e.Problem }

// Key is what is known of a key: everything but the key itself.
type Key struct {
	KeyID      int64      `json:"key_id"`
	Name       string     `json:"name"`
	Scopes     []Scope    `json:"scopes"`
	Hint       string     `json:"hint"`
	CreatedAt  time.Time  `json:"created_at"`
	CreatedBy  string     `json:"created_by"`
	ExpiresAt  *time.Time `json:"expires_at"`
	RevokedAt  *time.Time `json:"revoked_at"`
	RevokedBy  *string    `json:"revoked_by"`
	LastUsedAt *time.Time `json:"last_used_at"` // to a minute
}

// State is "usable", "expired" or "revoked" at a moment.
func (k *Key) State(now time.Time) string {
	switch {
	case k.RevokedAt != nil:
		return "revoked"
	case k.ExpiresAt != nil && !k.ExpiresAt.After(now):
		return "expired"
	}
	return "usable"
}

// May reports whether the key may do what needs the scope.
func (k *Key) May(scope Scope) bool {
	return slices.Contains(k.Scopes, scope) || slices.Contains(k.Scopes, Admin)
}

// Create makes a key with the scopes, at least one, that works until expiresAt, or until it is revoked if that is nil. It returns the key, which cannot
// be had again, and its row. The name signs what is changed with the key, so no two keys that are not revoked share one.
//
// Errors: *InvalidError; database errors.
func Create(
	ctx context.Context, database db.DBTX, name string, scopes []Scope, expiresAt *time.Time, createdBy string,
) (key string, row Key, err error) {
	name = strings.TrimSpace(name)
	if err := validate(name, scopes, expiresAt); err != nil {
		return "", Key{}, err
	}
	hint := prefix + rand.Text()[:hintText]
	key = hint + rand.Text()
	inserted, err := db.New(database).APIKeyInsert(ctx, db.APIKeyInsertParams{
		Name: name, Scopes: inOrder(scopes), Hint: hint, SHA256: hash(key), ExpiresAt: expiresAt, CreatedBy: createdBy,
	})
	if pg.Violates(err, "api_keys_name_idx") {
		return "", Key{}, &InvalidError{"name", fmt.Sprintf("%q is that of another key: revoke that one first, or choose another name", name)}
	}
	if pg.Violates(err, "api_keys_expires_check") { // the database's clock is the one that counts
		return "", Key{}, &InvalidError{"expiry", "is over already: choose a later one"}
	}
	if err != nil {
		return "", Key{}, fmt.Errorf("make a key: %w", err)
	}
	return key, inUTC(Key(inserted)), nil
}

func validate(name string, scopes []Scope, expiresAt *time.Time) error {
	switch {
	case name == "":
		return &InvalidError{"name", "is empty: say who or what the key is for"}
	case len(name) > MaxName:
		return &InvalidError{"name", fmt.Sprintf("has %d bytes: at most %d are possible", len(name), MaxName)}
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return &InvalidError{"name", "has characters that cannot be printed: leave them out"}
	case len(scopes) == 0 || slices.ContainsFunc(scopes, func(s Scope) bool { return !slices.Contains(Scopes, s) }):
		return &InvalidError{"scope", fmt.Sprintf("is one of %q: choose from %s", scopes, strings.Join(Scopes, ", "))}
	case expiresAt != nil && !expiresAt.After(time.Now()):
		return &InvalidError{"expiry", "is over already: choose a later one"}
	case expiresAt != nil && expiresAt.UTC().Year() > 9999:
		return &InvalidError{"expiry", "is beyond the year 9999: leave it out for a key that does not expire"}
	}
	return nil
}

// List returns the newest keys, at most limit, the revoked ones too.
func List(ctx context.Context, database db.DBTX, limit int32) ([]Key, error) {
	rows, err := db.New(database).APIKeyList(ctx, limit)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	keys := make([]Key, 0, len(rows))
	for _, r := range rows {
		keys = append(keys, inUTC(Key(r)))
	}
	return keys, nil
}

// Get returns a key.
//
// Errors: ErrNotFound; database errors.
func Get(ctx context.Context, database db.DBTX, keyID int64) (Key, error) {
	row, err := db.New(database).APIKeyGet(ctx, keyID)
	if errors.Is(err, pgx.ErrNoRows) {
		return Key{}, fmt.Errorf("key %d %w: see alsobought keys list", keyID, ErrNotFound)
	}
	if err != nil {
		return Key{}, fmt.Errorf("find key %d: %w", keyID, err)
	}
	return inUTC(Key(row)), nil
}

// Revoke ends a key for good and returns its row. The next request with it is refused.
//
// Errors: ErrNotFound; one that says so if it was revoked before; database errors.
func Revoke(ctx context.Context, database db.DBTX, keyID int64, revokedBy string) (Key, error) {
	q := db.New(database)
	revoked, err := q.APIKeyRevoke(ctx, revokedBy, keyID)
	if err == nil {
		return inUTC(Key(revoked)), nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return Key{}, fmt.Errorf("revoke key %d: %w", keyID, err)
	}
	before, err := q.APIKeyGet(ctx, keyID)
	if errors.Is(err, pgx.ErrNoRows) {
		return Key{}, fmt.Errorf("key %d %w: see alsobought keys list", keyID, ErrNotFound)
	}
	if err != nil {
		return Key{}, fmt.Errorf("find key %d: %w", keyID, err)
	}
	return Key{}, fmt.Errorf("key %d was revoked before, by %s", keyID, *before.RevokedBy)
}

// Check returns the row of a key that may be used, and notes that it was, to a minute, unless the database is read only.
//
// Errors: ErrMissing, ErrUnknown, ErrExpired, ErrRevoked, all of them ErrRefused, with ErrNoKeys if no key at all could be used; database errors. Keys are
// found by their hash: how long that takes says nothing about any other key, and all refusals do the same work.
func Check(ctx context.Context, database db.DBTX, key string) (Key, error) {
	q := db.New(database)
	found, err := pg.Retried(ctx, database, func() (db.APIKeyFindRow, error) { return q.APIKeyFind(ctx, resolution.Seconds(), hash(key)) })
	row := Key{
		found.KeyID, found.Name, found.Scopes, found.Hint, found.CreatedAt, found.CreatedBy, found.ExpiresAt, found.RevokedAt, found.RevokedBy,
		found.LastUsedAt,
	}
	switch {
	case key == "":
		return Key{}, refuse(ctx, database, ErrMissing)
	case errors.Is(err, pgx.ErrNoRows):
		return Key{}, refuse(ctx, database, ErrUnknown)
	case err != nil:
		return Key{}, fmt.Errorf("find key: %w", err)
	case found.RevokedAt != nil:
		return Key{}, refuse(ctx, database, fmt.Errorf("key %d: %w", found.KeyID, ErrRevoked))
	case found.Expired:
		return Key{}, refuse(ctx, database, fmt.Errorf("key %d: %w", found.KeyID, ErrExpired))
	case found.UseNoted:
		return inUTC(row), nil
	}
	if err := q.APIKeyUse(ctx, found.KeyID, resolution.Seconds()); err != nil {
		return Key{}, fmt.Errorf("note the use of key %d: %w", found.KeyID, err)
	}
	return inUTC(row), nil
}

// Usable reports whether there is a key that could be used.
func Usable(ctx context.Context, database db.DBTX) (bool, error) {
	some, err := db.New(database).APIKeyExistsUsable(ctx)
	if err != nil {
		return false, fmt.Errorf("look for keys: %w", err)
	}
	return some, nil
}

func refuse(ctx context.Context, database db.DBTX, why error) error {
	some, err := Usable(ctx, database)
	if err != nil {
		return err
	}
	if !some {
		return fmt.Errorf("%w; %w", why, ErrNoKeys)
	}
	return why
}

func hash(key string) []byte {
	sum := sha256.Sum256([]byte(key))
	return sum[:]
}

// inOrder has each scope once, in the order of Scopes.
func inOrder(scopes []Scope) []Scope {
	return slices.DeleteFunc(slices.Clone(Scopes), func(s Scope) bool { return !slices.Contains(scopes, s) })
}

func inUTC(k Key) Key {
	k.CreatedAt = k.CreatedAt.UTC()
	for _, t := range []*time.Time{k.ExpiresAt, k.RevokedAt, k.LastUsedAt} {
		if t != nil {
			*t = t.UTC()
		}
	}
	return k
}
