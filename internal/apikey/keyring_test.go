package apikey_test

import (
	"errors"
	"testing"
	"time"

	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/dbtest"
)

// A keyring recalls only the keys that passed their last check.
func TestKeyring(t *testing.T) {
	t.Parallel()
	pool := dbtest.New(t)
	ring := apikey.NewKeyring(pool)
	expires := time.Now().Add(time.Hour)
	secret, key := mustCreate(t, pool, "till", &expires)
	if _, known := ring.Recall(secret); known {
		t.Error("it knows a key it never saw")
	}
	if _, err := ring.Check(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if got, known := ring.Recall(secret); !known || got.KeyID != key.KeyID ||
		!got.May(apikey.Write) || got.May(apikey.Admin) {
		t.Errorf("%+v, %t", got, known)
	}
	if _, err := apikey.Revoke(t.Context(), pool, key.KeyID, "tester"); err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Check(t.Context(), secret); !errors.Is(err, apikey.ErrRevoked) {
		t.Errorf("revoked: %v", err)
	}
	if _, known := ring.Recall(secret); known {
		t.Error("it still knows a key that was refused")
	}
	for _, wrong := range []string{"", "ab_wrong"} {
		_, _ = ring.Check(t.Context(), wrong)
		if _, known := ring.Recall(wrong); known {
			t.Errorf("it knows %q", wrong)
		}
	}
}
