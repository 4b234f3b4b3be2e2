package migrations_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// keyword matches the most common keywords in lower case, none of which is a name in our SQL.
var keyword = regexp.MustCompile(`\b(select|insert|update|delete|from|where|join|group by|order by|limit|values|and|or|` +
	`not|null|is|in|as|create|alter|drop|table|function|begin|case|when|then|else|end|with|union|distinct|exists|` +
	`returning|declare|loop|return|using|grant|revoke|constraint|references|check)\b`)

// TestSQLStyle checks the format of SQL: lines of at most 110 characters, no tabs, no blanks at the end, and keywords
// in capitals.
func TestSQLStyle(t *testing.T) {
	t.Parallel()
	var files []string
	for _, pattern := range []string{"*.sql", "*/*.sql", "../queries/*.sql", "../internal/*/*.sql", "../bench/*.sql", "../bench/*/*.sql"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d files, error %v", pattern, len(found), err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		if strings.HasPrefix(file, "testdata") {
			continue // as an earlier version wrote it
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		if last := len(lines) - 1; lines[last] != "" {
			t.Errorf("%s does not end with a newline", file)
		}
		for i, line := range lines {
			if n := utf8.RuneCountInString(line); n > 110 {
				t.Errorf("%s:%d: %d characters, more than 110", file, i+1, n)
			}
			if strings.Contains(line, "\t") || strings.TrimRight(line, " \r") != line {
				t.Errorf("%s:%d: a tab, or a blank at the end", file, i+1)
			}
			code := quoted.ReplaceAllString(comment.ReplaceAllString(line, ""), "")
			if found := keyword.FindString(code); found != "" {
				t.Errorf("%s:%d: write the keyword %s in capitals", file, i+1, found)
			}
		}
	}
}
