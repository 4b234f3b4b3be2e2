package migrations_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/alsobought/alsobought/migrations"
)

// TestRecorded compares the migrations with their hashes in migrations.sum (sha256sum --check reads it too). Databases
// have applied what is recorded, and none applies it twice.
func TestRecorded(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("migrations.sum")
	if err != nil {
		t.Fatal(err)
	}
	recorded := map[string]string{}
	for line := range strings.Lines(string(text)) {
		hash, name, found := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !found {
			t.Fatalf("migrations.sum: %q is not a hash, two blanks and a name", line)
		}
		recorded[name] = hash
	}
	for _, name := range names(t) {
		content, err := migrations.FS.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		hash := fmt.Sprintf("%x", sha256.Sum256(content))
		switch want, found := recorded[name]; {
		case !found:
			t.Errorf("%s is not recorded: when it is final, add this line to migrations/migrations.sum\n%s  %s",
				name, hash, name)
		case hash != want:
			t.Errorf("%s was changed, but databases have applied it: restore it, and add a new migration instead", name)
		}
		delete(recorded, name)
	}
	for name := range recorded {
		t.Errorf("%s is gone, but databases have applied it: restore it, and add a new migration instead", name)
	}
}
