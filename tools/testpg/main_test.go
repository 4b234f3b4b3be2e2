package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestRunCommandPassesTheEndOn(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		script string
		signal syscall.Signal // sent once the script says "ready"
		status int
		left   string // what the script writes into the file $0
	}{
		{name: "done", script: "true"},
		{name: "failed", script: "exit 7", status: 7},
		{name: "killed", script: "kill -9 $$", status: 128 + 9},
		{name: "interrupted", script: "echo ready; exec sleep 60", signal: syscall.SIGINT, status: 128 + 2},
		{
			name:   "terminated with its children",
			script: `(trap 'echo told >"$0"; exit' TERM; echo ready; while :; do sleep 0.1; done) & wait`,
			signal: syscall.SIGTERM, status: 128 + 15, left: "told\n",
		},
		{
			name:   "terminated, and would not say so",
			script: "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done",
			signal: syscall.SIGTERM, status: 128 + 15,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "left")
			signals := make(chan os.Signal, 1)
			command := exec.CommandContext(t.Context(), "sh", "-c", tc.script, file)
			command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			if tc.signal != 0 {
				output, writer := io.Pipe()
				command.Stdout = writer
				go func() {
					_, _ = output.Read(make([]byte, 16))
					signals <- tc.signal
				}()
			}

			status, err := runCommand(command, signals)
			if err != nil {
				t.Fatal(err)
			}
			if status != tc.status {
				t.Errorf("status %d, want %d", status, tc.status)
			}
			// Wait has waited for the children too: they hold the pipe of the output.
			if left, err := os.ReadFile(file); string(left) != tc.left {
				t.Errorf("left %q (%v), want %q", left, err, tc.left)
			}
		})
	}
}

func TestRunCommandThatIsNotThere(t *testing.T) {
	t.Parallel()
	command := exec.CommandContext(t.Context(), filepath.Join(t.TempDir(), "nothing"))
	if status, err := runCommand(command, nil); status != exitNotRunnable || err == nil {
		t.Errorf("status %d and error %v, want %d and an error", status, err, exitNotRunnable)
	}
}

func TestRunWithoutCommandIsWrongUsage(t *testing.T) {
	t.Parallel()
	var stderr strings.Builder
	if status := run([]string{"--image", "none"}, nil, nil, io.Discard, &stderr); status != exitUsage {
		t.Errorf("status %d, want %d", status, exitUsage)
	}
	if !strings.HasPrefix(stderr.String(), "usage: testpg") {
		t.Errorf("said %q, want the usage", stderr.String())
	}
}
