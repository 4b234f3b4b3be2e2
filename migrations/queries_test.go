package migrations_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	queryName = regexp.MustCompile(`(?m)^-- name: (\w+) :(\w+)$`)
	comment   = regexp.MustCompile(`--[^\n]*`)
	inner     = regexp.MustCompile(`\([^()]*\)`)
	quoted    = regexp.MustCompile(`'[^']*'`)
)

// shortLists are the :many queries that need no LIMIT, with the reason.
var shortLists = map[string]string{
	"ItemListNamed":   "as many as names were asked for",
	"KeptSimilarList": "as many as the limits of a batch",
	"KeptBasketList":  "as many as the limits of a batch",

	"OrderReceiptList":      "as many as ids were given",
	"OrderLineClaimList":    "the lines of as many ids as were given",
	"OrderListByExternalID": "as many as ids were given",
	"OrderListByCustomer":   "all orders of one customer, on purpose",
	"DoctorActiveBuild":     "one row or none",

	"BackupTableList":    "all tables, on purpose",
	"BackupSequenceList": "all sequences, on purpose",
}

// Every list is fully ordered and bounded.
func TestQueriesAreOrderedAndBounded(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "queries", "*.sql"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no queries found, error %v", err)
	}
	lists := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := queryName.FindAllSubmatchIndex(text, -1)
		if want := strings.Count(string(text), "-- name:"); len(found) != want {
			t.Errorf("%s: %d queries found, %d named", file, len(found), want)
		}
		for i, at := range found {
			end := len(text)
			if i+1 < len(found) {
				end = found[i+1][0]
			}
			name, kind := string(text[at[2]:at[3]]), string(text[at[4]:at[5]])
			if kind != "many" {
				continue
			}
			lists[name] = true
			outer := outermost(string(text[at[1]:end]))
			if !strings.Contains(outer, " ORDER BY ") && name != "DoctorActiveBuild" {
				t.Errorf("%s: %s has no ORDER BY", file, name)
			}
			if bounded := strings.Contains(outer, " LIMIT "); bounded == (shortLists[name] != "") {
				t.Errorf("%s: %s has a LIMIT: %t, short because of %q", file, name, bounded, shortLists[name])
			}
		}
	}
	for name := range shortLists {
		if !lists[name] {
			t.Errorf("%s is no list any more", name)
		}
	}
}

// outermost returns a statement without comments, strings and parenthesized parts.
func outermost(statement string) string {
	statement = quoted.ReplaceAllString(comment.ReplaceAllString(statement, ""), "")
	for inner.MatchString(statement) {
		statement = inner.ReplaceAllString(statement, "")
	}
	return strings.Join(strings.Fields(statement), " ")
}
