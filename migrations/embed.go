// Package migrations holds the database schema: goose SQL files for tables, types and constraints, the functions and views over them, and the
// statements of builds.
// It never touches a database itself; package pg applies it.
package migrations

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
)

// FS holds the migrations by file name, in the order of their numbers.
//
//go:embed *.sql
var FS embed.FS

//go:embed functions/*.sql
var functions embed.FS

//go:embed counting/*.sql
var counting embed.FS

// Counting returns the statements of a step of a build. Package builds says which there are and when each runs.
func Counting(step string) string {
	text, err := counting.ReadFile("counting/" + step + ".sql")
	if err != nil {
		panic(fmt.Sprintf("migrations: %v", err)) // embedded: it is there, or the step is spelt wrong
	}
	return string(text)
}

// Functions are replaced as a whole when their hash changes, so that each is read in one place as it is now. What a view
// or a function with a SQL body calls comes first. Views, what they call, directly or not, and the functions of the
// reporting schema, which others may depend on or have been granted, are replaced in place: a change of their parameters
// or columns needs a migration that drops them. The last file grants, and so comes behind all that can be granted.
var functionFiles = []string{
	"measures", "popular", "neighbours", "ranking", "evidence", "kept", "rules", "answers", "explain", "contributions", "trial", "baskets",
	"installed", "returns", "reporting", "reporting_orders", "reporting_baskets", "roles",
}

// FunctionFile is one file of functions and views.
type FunctionFile struct{ Name, SQL string }

// Functions returns the files of all functions and views, in the order in which they can be run.
func Functions() []FunctionFile {
	files := make([]FunctionFile, len(functionFiles))
	for i, subject := range functionFiles {
		name := "functions/" + subject + ".sql"
		text, err := functions.ReadFile(name)
		if err != nil {
			panic(fmt.Sprintf("migrations: %v", err)) // embedded: it is there, or the list is wrong
		}
		files[i] = FunctionFile{name, string(text)}
	}
	return files
}

// FunctionsHash tells one set of functions from another.
func FunctionsHash() string {
	sum := sha256.New()
	for _, f := range Functions() {
		fmt.Fprintf(sum, "%s %d\n%s", f.Name, len(f.SQL), f.SQL)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
