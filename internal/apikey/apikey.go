// Package apikey creates, lists, revokes and checks API keys. A key is shown once, when it is created; the
// database stores only its SHA-256. The package knows nothing of HTTP, and its errors never contain a key.
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

// Scope is a permission of a key.
type Scope = string

// The scopes.
const (
	Read  Scope = "read"  // ask questions
	Write Scope = "write" // change orders and rules
	Admin Scope = "admin" // everything that needs a key
)

// Scopes lists all scopes; Usual lists those of a key that is created without any.
var (
	Scopes = []Scope{Read, Write, Admin}
	Usual  = []Scope{Read, Write}
)

// MaxName is the maximum length of a key's name in bytes.
const MaxName = 200

const (
	prefix = "ab_"
	// hintText is how many characters of the key are stored to recognize it. The random text after them is secret.
	hintText = 4
)

// resolution of LastUsedAt: a busy key costs one write per minute, not one per request.
const resolution = time.Minute

// ErrNotFound is returned if a key does not exist.
var ErrNotFound = errors.New("not found")

// Check refuses a key with one of these errors. All wrap ErrRefused, which is all that the client should learn;
// the exact reason is for the log.
var (
	ErrRefused = errors.New("no valid key")
	ErrMissing = fmt.Errorf("%w: none was sent", ErrRefused)
	ErrUnknown = fmt.Errorf("%w: unknown key", ErrRefused)
	ErrExpired = fmt.Errorf("%w: it has expired", ErrRefused)
	ErrRevoked = fmt.Errorf("%w: it was revoked", ErrRefused)

	// ErrNoKeys accompanies any of these if there is no usable key at all.
	ErrNoKeys = errors.New("there is no usable key: create one with alsobought keys create NAME")
)

// InvalidError says which field of a new key is invalid and what is allowed.
type InvalidError struct {
	Field   string
	Problem string
}

func (e *InvalidError) Error() string { return e.Field + " " + e.Problem }

// Key is the stored row of a key: everything but the key itself.
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
	LastUsedAt *time.Time `json:"last_used_at"` // accurate to a minute
}

// State returns "usable", "expired" or "revoked", as of now.
func (k *Key) State(now time.Time) string {
	switch {
	case k.RevokedAt != nil:
		return "revoked"
	case k.ExpiresAt != nil && !k.ExpiresAt.After(now):
		return "expired"
	}
	return "usable"
}

// May reports whether the key has the scope, or Admin.
func (k *Key) May(scope Scope) bool {
	return slices.Contains(k.Scopes, scope) || slices.Contains(k.Scopes, Admin)
}

// Create creates a key with at least one scope, valid until expiresAt or, if that is nil, until it is revoked.
// It returns the key, which cannot be retrieved again, and its row. Changes made with the key carry its name,
// so names of keys that are not revoked are unique.
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
		return "", Key{}, &InvalidError{
			"name", fmt.Sprintf("%q is taken by another key: revoke that key first, or choose another name", name),
		}
	}
	if pg.Violates(err, "api_keys_expires_check") { // the database's clock decides
		return "", Key{}, &InvalidError{"expiry", "is in the past: choose a later time"}
	}
	if err != nil {
		return "", Key{}, fmt.Errorf("create key: %w", err)
	}
	return key, inUTC(Key(inserted)), nil
}

func validate(name string, scopes []Scope, expiresAt *time.Time) error {
	switch {
	case name == "":
		return &InvalidError{"name", "is empty: say who or what the key is for"}
	case len(name) > MaxName:
		return &InvalidError{"name", fmt.Sprintf("has %d bytes: the maximum is %d", len(name), MaxName)}
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return &InvalidError{"name", "has control characters or is not valid UTF-8: remove them"}
	case len(scopes) == 0 || slices.ContainsFunc(scopes, func(s Scope) bool { return !slices.Contains(Scopes, s) }):
		return &InvalidError{"scope", fmt.Sprintf("is %q: choose one or more of %s", scopes, strings.Join(Scopes, ", "))}
	case expiresAt != nil && !expiresAt.After(time.Now()):
		return &InvalidError{"expiry", "is in the past: choose a later time"}
	case expiresAt != nil && expiresAt.UTC().Year() > 9999:
		return &InvalidError{"expiry", "is after the year 9999: leave it out for a key that does not expire"}
	}
	return nil
}

// List returns the newest keys, at most limit, including revoked ones.
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

// Revoke revokes a key permanently and returns its row. The next request with it is refused.
//
// Errors: ErrNotFound; an error if it was already revoked; database errors.
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
	return Key{}, fmt.Errorf("key %d was already revoked, by %s", keyID, *before.RevokedBy)
}

// Check returns the row of a usable key and records its use, to a minute, unless the database is read-only.
//
// Errors: ErrMissing, ErrUnknown, ErrExpired, ErrRevoked, all wrapping ErrRefused, joined with ErrNoKeys if
// there is no usable key at all; database errors. Keys are looked up by hash, so timing reveals nothing about
// other keys, and all refusals do the same work.
func Check(ctx context.Context, database db.DBTX, key string) (Key, error) {
	q := db.New(database)
	found, err := pg.Retried(ctx, database, func() (db.APIKeyFindRow, error) {
		return q.APIKeyFind(ctx, resolution.Seconds(), hash(key))
	})
	row := Key{
		found.KeyID, found.Name, found.Scopes, found.Hint, found.CreatedAt, found.CreatedBy,
		found.ExpiresAt, found.RevokedAt, found.RevokedBy, found.LastUsedAt,
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
		return Key{}, fmt.Errorf("record the use of key %d: %w", found.KeyID, err)
	}
	return inUTC(row), nil
}

// Usable reports whether there is a usable key with any of the scopes.
func Usable(ctx context.Context, database db.DBTX, scopes ...Scope) (bool, error) {
	some, err := db.New(database).APIKeyExistsUsable(ctx, scopes)
	if err != nil {
		return false, fmt.Errorf("look for keys: %w", err)
	}
	return some, nil
}

func refuse(ctx context.Context, database db.DBTX, why error) error {
	some, err := Usable(ctx, database, Scopes...)
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

// inOrder returns each scope once, in the order of Scopes.
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
