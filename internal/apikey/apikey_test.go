package apikey_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/pg"
)

func mustCreate(t *testing.T, pool *pg.Pool, name string, expiresAt *time.Time) (string, apikey.Key) {
	t.Helper()
	secret, key, err := apikey.Create(t.Context(), pool, name, apikey.Usual, expiresAt, "tester")
	if err != nil {
		t.Fatal(err)
	}
	return secret, key
}

func mustExec(t *testing.T, pool *pg.Pool, statement string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// A key has at least 128 random bits after its stored hint, and the database has only its hash.
func TestCreate(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	expires := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	secret, key := mustCreate(t, pool, "  the shop ", &expires)
	if !regexp.MustCompile(`^ab_[A-Z2-7]{30}$`).MatchString(secret) || key.Hint != secret[:7] {
		t.Errorf("key %s, hint %s", secret, key.Hint)
	}
	want := apikey.Key{
		KeyID: 1, Name: "the shop", Scopes: []string{"read", "write"}, Hint: key.Hint, CreatedAt: key.CreatedAt,
		CreatedBy: "tester", ExpiresAt: &expires,
	}
	if diff := cmp.Diff(want, key); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
	if time.Since(key.CreatedAt).Abs() > time.Minute || key.CreatedAt.Location() != time.UTC {
		t.Errorf("created at %s", key.CreatedAt)
	}
	var stored string
	var sum []byte
	if err := pool.QueryRow(t.Context(), "SELECT k::text, k.sha256 FROM api_keys AS k").Scan(&stored, &sum); err != nil {
		t.Fatal(err)
	}
	if hash := sha256.Sum256([]byte(secret)); !bytes.Equal(sum, hash[:]) {
		t.Error("the hash is another")
	}
	if strings.Contains(stored, secret[7:]) {
		t.Errorf("the database has the key: %s", stored)
	}
	if other, _ := mustCreate(t, pool, "another", nil); other[3:] == secret[3:] {
		t.Error("two keys are equal")
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	mustCreate(t, pool, "taken", nil)
	at := func(at time.Time) *time.Time { return &at }
	for name, c := range map[string]struct {
		name    string
		expires *time.Time
		want    string
	}{
		"empty":         {"", nil, "name is empty"},
		"blank":         {" \t ", nil, "name is empty"},
		"long":          {strings.Repeat("é", 101), nil, "name has 202 bytes: the maximum is 200"},
		"NUL":           {"a\x00b", nil, "name has control characters"},
		"two lines":     {"a\nb", nil, "name has control characters"},
		"escape":        {"a\x1b[31mb", nil, "name has control characters"},
		"no UTF-8":      {"a\xffb", nil, "name has control characters"},
		"taken":         {"taken ", nil, `name "taken" is taken by another key`},
		"expired":       {"a", at(time.Now().Add(-time.Second)), "expiry is in the past"},
		"zero time":     {"a", &time.Time{}, "expiry is in the past"},
		"beyond a year": {"a", at(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)), "expiry is after the year"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret, _, err := apikey.Create(t.Context(), pool, c.name, apikey.Usual, c.expires, "tester")
			invalid := new(apikey.InvalidError)
			if !errors.As(err, &invalid) || !strings.HasPrefix(err.Error(), c.want) || secret != "" {
				t.Errorf("error is %v, want %s", err, c.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	good, key := mustCreate(t, pool, "good", nil)
	expires := time.Now().Add(time.Hour)
	lasting, _ := mustCreate(t, pool, "lasting", &expires)
	expired, _ := mustCreate(t, pool, "expired", &expires)
	mustExec(t, pool, "UPDATE api_keys SET created_at = now() - interval '2 hours', "+
		"expires_at = now() WHERE name = 'expired'")
	revoked, old := mustCreate(t, pool, "revoked", nil)
	if _, err := apikey.Revoke(t.Context(), pool, old.KeyID, "tester"); err != nil {
		t.Fatal(err)
	}
	var known string
	if err := pool.QueryRow(t.Context(),
		"SELECT encode(k.sha256, 'hex') FROM api_keys AS k WHERE k.name = 'good'").Scan(&known); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{good, lasting} {
		if got, err := apikey.Check(t.Context(), pool, secret); err != nil || got.Name == "" {
			t.Errorf("%+v, error %v", got, err)
		}
	}
	for name, c := range map[string]struct {
		secret string
		want   error
	}{
		"none":           {"", apikey.ErrMissing},
		"unknown":        {"ab_" + strings.Repeat("A", 30), apikey.ErrUnknown},
		"hint":           {key.Hint, apikey.ErrUnknown},
		"hash":           {known, apikey.ErrUnknown},
		"other case":     {strings.ToLower(good), apikey.ErrUnknown},
		"one too many":   {good + "A", apikey.ErrUnknown},
		"one too few":    {good[:len(good)-1], apikey.ErrUnknown},
		"blank behind":   {good + " ", apikey.ErrUnknown},
		"no text":        {"\x00\xff", apikey.ErrUnknown},
		"a megabyte":     {strings.Repeat("x", 1<<20), apikey.ErrUnknown},
		"SQL":            {"' OR true --", apikey.ErrUnknown},
		"expired":        {expired, apikey.ErrExpired},
		"revoked":        {revoked, apikey.ErrRevoked},
		"expired, blank": {" " + expired, apikey.ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := apikey.Check(t.Context(), pool, c.secret)
			if !errors.Is(err, c.want) || !errors.Is(err, apikey.ErrRefused) ||
				errors.Is(err, apikey.ErrNoKeys) || got.KeyID != 0 {
				t.Errorf("%+v, error is %v, want %v", got, err, c.want)
			}
			if len(c.secret) > 8 && strings.Contains(err.Error(), c.secret) {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

// If there is no usable key at all, the error says how to create one.
func TestCheckWithoutKeys(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	for _, secret := range []string{"", "unknown"} {
		if _, err := apikey.Check(t.Context(), pool, secret); !errors.Is(err, apikey.ErrRefused) ||
			!errors.Is(err, apikey.ErrNoKeys) {
			t.Errorf("%q: error is %v", secret, err)
		}
	}
	secret, key := mustCreate(t, pool, "only", nil)
	if _, err := apikey.Check(t.Context(), pool, ""); errors.Is(err, apikey.ErrNoKeys) {
		t.Errorf("there is a key, error is %v", err)
	}
	if _, err := apikey.Revoke(t.Context(), pool, key.KeyID, "tester"); err != nil {
		t.Fatal(err)
	}
	if _, err := apikey.Check(t.Context(), pool, secret); !errors.Is(err, apikey.ErrRevoked) ||
		!errors.Is(err, apikey.ErrNoKeys) {
		t.Errorf("error is %v", err)
	}
}

// The use of a key is recorded once a minute, however often and concurrently it is used.
func TestLastUsed(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	secret, key := mustCreate(t, pool, "busy", nil)
	if key.LastUsedAt != nil {
		t.Errorf("new, but used at %s", key.LastUsedAt)
	}
	// xmin is the transaction that last wrote the row.
	row := func() (version string, used *time.Time) {
		t.Helper()
		if err := pool.QueryRow(t.Context(), "SELECT k.xmin::text, k.last_used_at FROM api_keys AS k").Scan(&version,
			&used); err != nil {
			t.Fatal(err)
		}
		return version, used
	}
	use := func() {
		t.Helper()
		if _, err := apikey.Check(t.Context(), pool, secret); err != nil {
			t.Fatal(err)
		}
	}
	use()
	first, used := row()
	if used == nil || time.Since(*used).Abs() > time.Minute {
		t.Fatalf("used at %v", used)
	}
	for range 10 {
		use()
	}
	if again, _ := row(); again != first {
		t.Error("used again within a minute, and written again")
	}
	mustExec(t, pool, "UPDATE api_keys SET last_used_at = now() - interval '59 seconds'")
	before, _ := row()
	use()
	if after, _ := row(); after != before {
		t.Error("written after less than a minute")
	}
	mustExec(t, pool, "UPDATE api_keys SET last_used_at = now() - interval '61 seconds'")
	var together sync.WaitGroup
	for range 8 {
		together.Go(func() {
			if _, err := apikey.Check(t.Context(), pool, secret); err != nil {
				t.Error(err)
			}
		})
	}
	together.Wait()
	if _, used := row(); time.Since(*used).Abs() > 30*time.Second {
		t.Errorf("used at %s", used)
	}
}

func TestListAndRevoke(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	if keys, err := apikey.List(t.Context(), pool, 10); err != nil || keys == nil || len(keys) > 0 {
		t.Errorf("%v, error %v", keys, err)
	}
	secret, shop := mustCreate(t, pool, "shop", nil)
	_, till := mustCreate(t, pool, "till", nil)
	revoked, err := apikey.Revoke(t.Context(), pool, shop.KeyID, "undoer")
	if err != nil || revoked.RevokedAt == nil || *revoked.RevokedBy != "undoer" || revoked.State(time.Now()) != "revoked" {
		t.Fatalf("%+v, error %v", revoked, err)
	}
	if _, err := apikey.Revoke(t.Context(), pool, shop.KeyID, "other"); err == nil ||
		err.Error() != "key 1 was already revoked, by undoer" {
		t.Errorf("revoked twice: %v", err)
	}
	if _, err := apikey.Revoke(t.Context(), pool, 99, "other"); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("revoked nothing: %v", err)
	}
	_, again := mustCreate(t, pool, "shop", nil) // the name is free again
	keys, err := apikey.List(t.Context(), pool, 10)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]apikey.Key{again, till, revoked}, keys); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if keys, err := apikey.List(t.Context(), pool, 1); err != nil || len(keys) != 1 || keys[0].KeyID != again.KeyID {
		t.Errorf("%v, error %v", keys, err)
	}
	printed, err := json.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(printed), "sha256") || strings.Contains(string(printed), secret[7:]) {
		t.Errorf("printed %s", printed)
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	now := time.Now()
	before, after := now.Add(-time.Second), now.Add(time.Second)
	for _, c := range []struct {
		key  apikey.Key
		want string
	}{
		{apikey.Key{}, "usable"},
		{apikey.Key{ExpiresAt: &after}, "usable"},
		{apikey.Key{ExpiresAt: &now}, "expired"},
		{apikey.Key{ExpiresAt: &before}, "expired"},
		{apikey.Key{ExpiresAt: &before, RevokedAt: &before}, "revoked"},
	} {
		if got := c.key.State(now); got != c.want {
			t.Errorf("%+v is %s, want %s", c.key, got, c.want)
		}
	}
}

// A database without the schema is a different error from a wrong key.
func TestNoSchema(t *testing.T) {
	t.Parallel()
	pool, err := pg.Open(t.Context(), dbtest.NewEmptyURL(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	for _, secret := range []string{"", "unknown"} {
		if _, err := apikey.Check(t.Context(), pool, secret); !pg.IsMissingSchema(err) || errors.Is(err, apikey.ErrRefused) {
			t.Errorf("error is %v", err)
		}
	}
}
