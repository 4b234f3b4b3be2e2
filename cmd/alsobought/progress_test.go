package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/dbtest"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		now     datafile.Progress
		elapsed time.Duration
		total   int64
		width   int
		want    string
	}{
		{"begun", datafile.Progress{}, 0, 40_000_000, 80, "0.0 MB of 40 MB  0 rows  0 rejected"},
		{
			"halfway",
			datafile.Progress{Bytes: 20_000_000, Rows: 500_000, Rejected: 3},
			10 * time.Second, 40_000_000, 80,
			"20 MB of 40 MB  500,000 rows  50,000/s  3 rejected  10 s left",
		},
		{
			"long",
			datafile.Progress{Bytes: 1_000_000_000, Rows: 12_345_678},
			time.Minute, 100_000_000_000, 80,
			"1,000 MB of 100,000 MB  12,345,678 rows  205,761/s  0 rejected  1 h 39 min left",
		},
		{
			"no room for bytes",
			datafile.Progress{Bytes: 20_000_000, Rows: 500_000, Rejected: 3},
			10 * time.Second, 40_000_000, 60,
			"500,000 rows  50,000/s  3 rejected  10 s left",
		},
		{
			"no room for the rate",
			datafile.Progress{Bytes: 20_000_000, Rows: 500_000, Rejected: 3},
			10 * time.Second, 40_000_000, 40,
			"500,000 rows  3 rejected  10 s left",
		},
		{"room for rows only", datafile.Progress{Rows: 500_000}, time.Second, 0, 15, "500,000 rows"},
		{"no room", datafile.Progress{Rows: 500_000}, time.Second, 0, 5, ""},
		{
			"no end in sight",
			datafile.Progress{Bytes: 12_400_000, Rows: 300_000},
			2 * time.Second, 0, 75,
			"12 MB  300,000 rows  150,000/s  0 rejected",
		},
		{
			"grown since",
			datafile.Progress{Bytes: 50_000_000, Rows: 300_000},
			2 * time.Second, 40_000_000, 75,
			"50 MB of 40 MB  300,000 rows  150,000/s  0 rejected",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, describe(c.now, c.elapsed, c.total, c.width)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestProgress loads in a terminal: the progress is shown during the load, and only the summary stays.
func TestProgress(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "orders.csv")
	if err := os.WriteFile(file, manyOrders().Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		width uint16
		args  []string
		shown []string
		stays string // start of a line
	}{
		{
			"file", 100,
			[]string{"load", file},
			[]string{"0%", "0.0 MB of ", " rejected", "merging 120,000 rows", "building"},
			"  statistics in",
		},
		{"narrow", 34, []string{"load", "--no-build", file}, []string{"0%", "merging 120,000 rows"}, "  copied in"},
		{"dry run", 100, []string{"load", "--dry-run", file}, []string{"0%", "0.0 MB of ", " rejected"}, "  rows   120,000"},
		{"pipe", 100, []string{"load", "--no-build", "-"}, []string{"0.0 MB  0 rows", "merging 120,000 rows"}, "  copied in"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := onTerminal(t, c.width, command(t, dbtest.NewURL(t), c.args...))
			if c.name == "pipe" {
				if _, err := manyOrders().WriteTo(s.stdin); err != nil {
					t.Fatal(err)
				}
				s.sees(t, "000 rows  ")
			}
			_ = s.stdin.Close()
			s.ended(t, exitDone)
			for _, text := range c.shown {
				if !strings.Contains(s.text(), text) {
					t.Errorf("%q was never shown", text)
				}
			}
			lines := s.screen(int(c.width))
			if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, c.stays) }) {
				t.Errorf("no line begins with %q: %q", c.stays, lines)
			}
			for _, line := range lines {
				for _, passing := range []string{"%", "merging", "building", " rows  "} {
					if strings.Contains(line, passing) && !strings.HasPrefix(line, "  rows") {
						t.Errorf("%q is left on the screen", line)
					}
				}
			}
		})
	}
}

// TestNoProgress checks that nothing is shown without a terminal: neither in a pipe, nor in a terminal while JSON goes
// into a pipe.
func TestNoProgress(t *testing.T) {
	t.Parallel()
	t.Run("pipe", func(t *testing.T) {
		t.Parallel()
		if e := alsobought(t, dbtest.NewURL(t), manyOrders(), "load", "-"); e.status != exitDone || e.stderr != "" ||
			strings.Contains(e.stdout, "\r") {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("JSON to a pipe", func(t *testing.T) {
		t.Parallel()
		loading := command(t, dbtest.NewURL(t), "load", "--json", "-")
		var stdout bytes.Buffer
		loading.Stdout = &stdout
		s := onTerminal(t, 80, loading)
		if _, err := manyOrders().WriteTo(s.stdin); err != nil {
			t.Fatal(err)
		}
		_ = s.stdin.Close()
		s.ended(t, exitDone)
		if s.text() != "" || !strings.Contains(stdout.String(), `"rows_loaded":120000`) {
			t.Errorf("the terminal shows %q, the pipe got %q", s.text(), stdout.String())
		}
	})
	t.Run("dumb terminal", func(t *testing.T) {
		t.Parallel()
		loading := command(t, dbtest.NewURL(t), "load", "--no-build", "-")
		loading.Env = append(loading.Env, "TERM=dumb")
		s := onTerminal(t, 80, loading)
		if _, err := manyOrders().WriteTo(s.stdin); err != nil {
			t.Fatal(err)
		}
		_ = s.stdin.Close()
		s.ended(t, exitDone)
		if strings.Contains(s.text(), "\x1b") || !strings.Contains(s.text(), "rows read  120,000") {
			t.Errorf("the terminal shows %q", s.text())
		}
	})
}

// TestInterrupted presses Ctrl-C while rows are copied from a pipe that stays silent, while they are merged, and while
// a pipe has no writer. Nothing is loaded, a one-line message says so, and the audit records it.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		file      string
		statement string // that runs then, a LIKE pattern; "" before the database is used
		shown     string
	}{
		{"copying", "-", "%staged_lines%", "000 rows  "},
		{"merging", "-", "%StagedLineMerge%", "merging 120,000 rows"},
		{"waiting", filepath.Join(t.TempDir(), "pipe"), "", "0 rows  "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := dbtest.NewURL(t)
			want(t, url, strings.NewReader("order_id,item_name\n1,a\n1,b\n"), "load", "-")
			before := contents(t, url)
			conn, err := pgx.Connect(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })

			if c.file != "-" {
				if err := syscall.Mkfifo(c.file, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s := onTerminal(t, 80, command(t, url, "load", c.file))
			if c.file == "-" {
				if _, err := manyOrders().WriteTo(s.stdin); err != nil {
					t.Fatal(err)
				}
			}
			if c.name == "merging" {
				_ = s.stdin.Close()
			}
			if c.statement != "" {
				until(t, conn, "EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND "+
					"pid <> pg_backend_pid() AND query ILIKE $1)", c.statement)
			}
			s.sees(t, c.shown)
			s.types(t, "\x03")
			s.ended(t, exitFailed)
			last := []string{"alsobought: interrupted; unfinished work was rolled back"}
			if diff := cmp.Diff(last, s.screen(80)); diff != "" {
				t.Errorf("what is left on the screen (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, contents(t, url)); diff != "" {
				t.Errorf("the database changed (-before +after):\n%s", diff)
			}
			if c.statement != "" {
				var status, why string
				if err := conn.QueryRow(t.Context(), "SELECT status, error FROM loads WHERE load_id = 2").Scan(&status,
					&why); err != nil {
					t.Fatal(err)
				}
				if status != "failed" || why != "cancelled" {
					t.Errorf("the audit says %s, %s", status, why)
				}
			}
			want(t, url, nil, "doctor")
		})
	}
}

// session is a program in a terminal of its own, except that its stdin is a pipe.
type session struct {
	terminal *os.File
	stdin    *os.File
	program  *exec.Cmd

	mu     sync.Mutex
	output bytes.Buffer
	more   chan struct{} // signals new output; closed at the end
}

func onTerminal(t testing.TB, width uint16, program *exec.Cmd) *session {
	t.Helper()
	terminal, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	defer tty.Close()
	if err := pty.Setsize(terminal, &pty.Winsize{Rows: 24, Cols: width}); err != nil {
		t.Fatal(err)
	}
	stdin, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	t.Cleanup(func() { _ = writer.Close() })
	program.Stdin, program.Stderr = stdin, tty
	if program.Stdout == nil {
		program.Stdout = tty
	}
	if program.Env[len(program.Env)-1] != "TERM=dumb" {
		program.Env = append(program.Env, "TERM=xterm")
	}
	// Make this the controlling terminal, so that the program receives its Ctrl-C.
	program.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 2}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	s := &session{terminal: terminal, stdin: writer, program: program, more: make(chan struct{}, 1)}
	go s.record()
	return s
}

func (s *session) record() {
	defer close(s.more)
	chunk := make([]byte, 4096)
	for {
		n, err := s.terminal.Read(chunk)
		s.mu.Lock()
		s.output.Write(chunk[:n])
		s.mu.Unlock()
		if err != nil {
			return // EIO means that the program has ended
		}
		select {
		case s.more <- struct{}{}:
		default:
		}
	}
}

func (s *session) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.output.String()
}

// sees waits until the program has shown a text.
func (s *session) sees(t testing.TB, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for !strings.Contains(s.text(), text) {
		select {
		case _, open := <-s.more:
			if !open {
				t.Fatalf("it ended without showing %q: %q", text, s.text())
			}
		case <-ctx.Done():
			t.Fatalf("it never showed %q: %q", text, s.text())
		}
	}
}

func (s *session) types(t testing.TB, keys string) {
	t.Helper()
	if _, err := s.terminal.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// ended waits until the program and its output have ended.
func (s *session) ended(t testing.TB, status int) {
	t.Helper()
	tooLong := time.AfterFunc(2*time.Minute, func() { _ = s.program.Process.Kill() })
	defer tooLong.Stop()
	_ = s.program.Wait() // the exit status is checked below
	for range s.more {
	}
	if got := s.program.ProcessState.ExitCode(); got != status {
		t.Fatalf("exit status %d, want %d: %q", got, status, s.text())
	}
}

// screen returns what a terminal of the given width finally shows: lines without trailing spaces, without empty ones at
// the end.
func (s *session) screen(width int) []string {
	lines, row, column := [][]rune{nil}, 0, 0
	text := []rune(s.text())
	for i := 0; i < len(text); i++ {
		switch r := text[i]; r {
		case '\r':
			column = 0
		case '\n':
			if row++; row == len(lines) {
				lines = append(lines, nil)
			}
		case '\x1b':
			end := i + strings.IndexFunc(string(text[i:]), func(r rune) bool { return r == 'K' })
			switch string(text[i : end+1]) {
			case "\x1b[2K":
				lines[row] = nil
			case "\x1b[0K":
				lines[row] = lines[row][:min(column, len(lines[row]))]
			default:
				panic("not known to this terminal: " + string(text[i:end+1]))
			}
			i = end
		default:
			if column == width { // terminals wrap only before the next character
				column = 0
				if row++; row == len(lines) {
					lines = append(lines, nil)
				}
			}
			for len(lines[row]) <= column {
				lines[row] = append(lines[row], ' ')
			}
			lines[row][column] = r
			column++
		}
	}
	shown := make([]string, 0, len(lines))
	for _, line := range lines {
		shown = append(shown, strings.TrimRight(string(line), " "))
	}
	for len(shown) > 0 && shown[len(shown)-1] == "" {
		shown = shown[:len(shown)-1]
	}
	return shown
}
