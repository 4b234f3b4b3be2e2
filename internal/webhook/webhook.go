// Package webhook verifies and parses order webhooks of Shopify and WooCommerce. It knows neither HTTP nor the
// database.
package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/alsobought/alsobought/internal/orders"
)

// ErrIgnored is the error of a webhook that changes no order.
var ErrIgnored = errors.New("this webhook changes no order")

// InvalidError says why a body is invalid.
type InvalidError struct{ Problem string }

func (e InvalidError) Error() string { return e.Problem }

// Secrets reads the secrets from a file, one per line. While a secret is rotated, the old and the new one are valid.
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

// Signed reports whether signature is the base64-encoded HMAC-SHA256 of the body under one of the secrets, which is how
// both Shopify and WooCommerce sign.
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

// decode parses a body. A body of the wrong form is an InvalidError.
func decode[T any](body []byte) (v T, err error) {
	if !utf8.Valid(body) {
		return v, InvalidError{"the body is not valid UTF-8"}
	}
	if err := json.Unmarshal(body, &v); err != nil {
		return v, InvalidError{"the body is not an order: " + err.Error()}
	}
	return v, nil
}

// whole checks that an event has the required fields.
func whole(e orders.Event) (orders.Event, error) {
	switch {
	case !utf8.ValidString(e.Shop):
		return e, InvalidError{"the name of the shop is not valid UTF-8"}
	case e.ShopOrderID == "" || e.At.IsZero():
		return e, InvalidError{"the body is not an order: it has no id or no time"}
	}
	return e, nil
}
