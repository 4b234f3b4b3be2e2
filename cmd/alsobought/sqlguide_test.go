package main

import (
	"flag"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/dbtest"
)

var update = flag.Bool("update", false, "write what the questions of docs/sql.md answer into it")

// TestSQLGuide loads the data of docs/sql.md, runs every query of the page as the reporting role, and expects the
// results shown there.
func TestSQLGuide(t *testing.T) {
	t.Parallel()
	const file = "../../docs/sql.md"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data := regexp.MustCompile("(?s)```sh\n(.*?)```").FindSubmatch(page)
	if data == nil {
		t.Fatal("the page does not say what its data are")
	}
	url := dbtest.NewURL(t)
	inDatabase(t, url, "", "sh", "-e", "-c", strings.ReplaceAll(string(data[1]), "bin/alsobought", "alsobought"))
	questions := 0
	answered := regexp.MustCompile("(?s)```sql\n.*?```\n(\n```text\n.*?```\n)?").ReplaceAllStringFunc(string(page),
		func(block string) string {
			sql := block[len("```sql\n"):strings.Index(block, "```\n")]
			output := printedBy(t, url, sql)
			block = "```sql\n" + sql + "```\n"
			if output != "" {
				questions++
				block += "\n```text\n" + output + "```\n"
			}
			return block
		})
	if questions < 12 {
		t.Errorf("only %d questions were found", questions)
	}
	if *update {
		if err := os.WriteFile(file, []byte(answered), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(page), answered); diff != "" {
		t.Errorf("(-docs/sql.md +printed; go test ./cmd/alsobought -run TestSQLGuide -update writes it):\n%s", diff)
	}
}

// printedBy returns the output of psql without trailing white space. It rolls back, because roles belong to all
// databases of the server.
func printedBy(t *testing.T, url, sql string) string {
	t.Helper()
	begin := "BEGIN;\n"
	if !strings.HasPrefix(sql, "CREATE ") {
		begin += "SET LOCAL ROLE alsobought_reporting;\n"
	}
	output := inDatabase(t, url, begin+sql+"\nROLLBACK;\n", "alsobought", "psql", "--no-psqlrc", "--quiet", "--set",
		"ON_ERROR_STOP=1", "--file", "-")
	output = regexp.MustCompile(`(?m)[ \t]+$`).ReplaceAllString(output, "")
	if output = strings.TrimRight(output, "\n"); output != "" {
		output += "\n"
	}
	return output
}

// inDatabase runs a program in the project's directory and returns its stdout.
func inDatabase(t *testing.T, url, stdin string, program ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), program[0], program[1:]...)
	c.Dir, c.Stdin = "../..", strings.NewReader(stdin)
	c.Env = append(c.Environ(), "DATABASE_URL="+url, "PGTZ=UTC", "LC_ALL=C.UTF-8")
	var stderr strings.Builder
	c.Stderr = &stderr
	output, err := c.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s%s", program, err, stdin, stderr.String())
	}
	return string(output)
}
