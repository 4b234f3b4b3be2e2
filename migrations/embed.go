// Package migrations holds the database schema: goose migrations for tables, types and constraints, the SQL
// functions and views on top of them, and the statements of builds. It never touches a database itself; package
// pg applies it.
package migrations

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
)

// FS holds the numbered migrations.
//
//go:embed *.sql
var FS embed.FS

//go:embed functions/*.sql
var functions embed.FS

//go:embed counting/*.sql
var counting embed.FS

// Counting returns the statements of a build step. Package builds defines the steps and when each runs.
func Counting(step string) string {
	text, err := counting.ReadFile("counting/" + step + ".sql")
	if err != nil {
		panic(fmt.Sprintf("migrations: %v", err)) // embedded, so the name of the step is wrong
	}
	return string(text)
}

// The files of functions, in the order in which they run: whatever a view or a function with an SQL body calls
// comes first. All of them are replaced whenever the hash of any changes, so that each file shows the current
// definition. Views, the functions they depend on, and the functions of schema reporting are replaced in place,
// because others may depend on them or have been granted them; changing their parameters or columns needs a
// migration that drops them. The last file grants privileges, so it comes after everything that can be granted.
var functionFiles = []string{
	"measures", "popular", "neighbours", "ranking", "evidence", "kept", "rules", "answers", "explain",
	"contributions", "trial", "baskets",
	"installed", "returns", "reporting", "reporting_orders", "reporting_baskets", "roles",
}

// FunctionFile is a file of functions and views.
type FunctionFile struct{ Name, SQL string }

// Functions returns all files of functions and views, in the order in which they must run.
func Functions() []FunctionFile {
	files := make([]FunctionFile, len(functionFiles))
	for i, subject := range functionFiles {
		name := "functions/" + subject + ".sql"
		text, err := functions.ReadFile(name)
		if err != nil {
			panic(fmt.Sprintf("migrations: %v", err)) // embedded, so the list is wrong
		}
		files[i] = FunctionFile{name, string(text)}
	}
	return files
}

// FunctionsHash returns a hash of all functions and views.
func FunctionsHash() string {
	sum := sha256.New()
	for _, f := range Functions() {
		fmt.Fprintf(sum, "%s %d\n%s", f.Name, len(f.SQL), f.SQL)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
