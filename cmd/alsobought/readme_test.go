package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReadme runs every command of the sessions in the README and other pages, in order, and expects the output shown
// there. The API runs on another port.
func TestReadme(t *testing.T) {
	t.Parallel()
	for page, least := range map[string]int{"README.md": 8, "docs/catalogue.md": 4} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			replay(t, page, least)
		})
	}
}

// replay runs the commands of a page, of which there must be at least least.
func replay(t *testing.T, page string, least int) {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join("../..", page))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(openTempDir(t), "data")
	base := ""
	commands := 0
	for _, session := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
		for _, step := range strings.Split("\n"+session[1], "\n$ ")[1:] {
			line, shown, _ := strings.Cut(step, "\n")
			commands++
			var printed string
			if strings.HasPrefix(line, "curl ") {
				if base == "" {
					base = served(t, "", "--data-dir", dir)
				}
				printed = pasted(t, strings.Replace(line, "http://127.0.0.1:8000", base, 1))
			} else {
				printed = inShell(t, strings.ReplaceAll(line, "bin/alsobought", "alsobought"), dir)
			}
			if diff := cmp.Diff(withoutTimes(shown), withoutTimes(printed)); diff != "" {
				t.Errorf("$ %s\n(-%s +printed):\n%s", line, page, diff)
			}
		}
	}
	if commands < least {
		t.Errorf("only %d commands were found", commands)
	}
}

func inShell(t testing.TB, line, dataDir string) string {
	t.Helper()
	shell := exec.CommandContext(t.Context(), "sh", "-c", line)
	shell.Dir = "../.."
	shell.Env = append(shell.Environ(), "DATABASE_URL=", "ALSOBOUGHT_DATA_DIR="+dataDir)
	output, err := shell.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v", line, err)
	}
	// Every command prints the directory of the private PostgreSQL, which differs between machines.
	return regexp.MustCompile("(?m)^alsobought: private PostgreSQL .*\n").ReplaceAllString(string(output), "")
}

// withoutTimes removes what differs from run to run.
func withoutTimes(text string) string {
	text = regexp.MustCompile(`\d+\.\d\d s\b`).ReplaceAllString(text, "0.00 s")
	text = regexp.MustCompile(`"built_at":"[^"]*"`).ReplaceAllString(text, `"built_at":""`)
	return strings.TrimRight(text, "\n")
}
