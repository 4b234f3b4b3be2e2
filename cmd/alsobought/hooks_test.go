package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alsobought/alsobought/internal/dbtest"
)

// A server does not start without the webhook secrets that it was told to use.
func TestServeWithoutSecrets(t *testing.T) {
	t.Parallel()
	url := dbtest.NewURL(t)
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := empty + "-not"
	for path, wrong := range map[string]string{missing: "no such file or directory", empty: empty + " is empty"} {
		for _, flag := range []string{"--shopify-secret-file", "--woocommerce-secret-file"} {
			got := alsobought(t, url, nil, "serve", "--addr", "127.0.0.1:0", flag, path)
			if got.status != exitFailed || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 ||
				!strings.HasPrefix(got.stderr, "alsobought: "+flag+": ") || !strings.HasSuffix(got.stderr, wrong+"\n") {
				t.Errorf("%s %s: exit status %d\n%s", flag, path, got.status, got.stderr)
			}
		}
	}
}
