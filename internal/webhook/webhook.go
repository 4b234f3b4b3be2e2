// Package webhook reads what shops' software sends when an order changes: who signed it, and the state that it tells of the order. It
// knows no HTTP and no database.
package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/alsobought/alsobought/internal/orders"
)

// ErrIgnored says that a webhook is of a topic that tells nothing of orders.
var ErrIgnored = errors.New("this topic is not needed")

// InvalidError says why a body cannot be read.
type InvalidError struct{ Problem string }

func (e InvalidError) Error() string { return e.Problem }

// Secrets reads the secrets of a file, one a line: while a secret is replaced, the old one and the new one.
func Secrets(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the secret of webhooks: %w", err)
	}
	secrets := strings.Fields(string(text))
	if len(secrets) == 0 {
		return nil, fmt.Errorf("read the secret of webhooks: %s is empty", path)
	}
	return secrets, nil
}

// Signed reports whether signature is the base64 of HMAC-SHA256 of the body under one of the secrets, as both Shopify and WooCommerce sign.
func Signed(body []byte, signature string, secrets []string) bool {
	given, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return false
	}
	good := false
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		good = hmac.Equal(mac.Sum(nil), given) || good
	}
	return good
}

// decode reads a body.
func decode[T any](body []byte) (v T, err error) {
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&v); err != nil {
		return v, InvalidError{"the body is no order: " + err.Error()}
	}
	return v, nil
}

// whole checks what every event needs.
func whole(e orders.Event) (orders.Event, error) {
	if e.ShopOrderID == "" || e.At.IsZero() {
		return e, InvalidError{"the body is no order: it has no id, or does not say of when it is"}
	}
	return e, nil
}
