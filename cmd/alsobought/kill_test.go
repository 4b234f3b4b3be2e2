package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/localpg"
)

// TestKilledLoad kills the program in the middle of each phase. The data is unchanged, and the same load then succeeds.
func TestKilledLoad(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		phase     string
		statement string // that runs in the phase, a LIKE pattern
		rows      string // rows_loaded of the repeated load
	}{
		{"copy", "%staged_lines%", `"rows_loaded":120000,"rows_duplicate":0,`},
		{"merge", "%StagedLineMerge%", `"rows_loaded":120000,"rows_duplicate":0,`},
		{"build", "%CREATE TABLE new_item_pairs%", `"rows_loaded":0,"rows_duplicate":120000,`},
	} {
		t.Run(c.phase, func(t *testing.T) {
			t.Parallel()
			url := dbtest.NewURL(t)
			conn, err := pgx.Connect(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
			want(t, url, strings.NewReader("order_id,item_name\n1,a\n1,b\n"), "load", "-")
			before := contents(t, url)

			loading := command(t, url, "load", "-")
			stdin, err := loading.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := loading.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := manyOrders().WriteTo(stdin); err != nil {
				t.Fatal(err)
			}
			if c.phase != "copy" { // which lasts as long as more may come
				_ = stdin.Close()
			}
			until(t, conn, "EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND "+
				"pid <> pg_backend_pid() AND query ILIKE $1)", c.statement)
			if err := loading.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := loading.Wait(); err == nil {
				t.Fatal("the load ended before it was killed")
			}
			// The server continues a statement until it notices that the client is gone.
			until(t, conn, "NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND "+
				"pid <> pg_backend_pid())")

			if e := alsobought(t, url, nil, "doctor"); e.status != exitDone || !strings.Contains(e.stderr, "interrupted") {
				t.Errorf("doctor: %+v, want no findings and word of an interruption", e)
			}
			if c.phase != "build" {
				if diff := cmp.Diff(before, contents(t, url)); diff != "" {
					t.Errorf("the database changed (-before +after):\n%s", diff)
				}
			}
			if similar := want(t, url, nil, "similar", "a", "--strict"); !strings.Contains(similar, "\nb ") {
				t.Errorf("the build before does not answer: %s", similar)
			}
			args := []string{"load", "--json", "-"}
			if c.phase == "build" { // the load itself was already committed
				args = []string{"load", "--json", "--again", "-"}
			}
			if again := want(t, url, manyOrders(), args...); !strings.Contains(again, c.rows) {
				t.Errorf("the load again: %s, want %s", again, c.rows)
			}
			want(t, url, nil, "doctor")
		})
	}
}

// TestKilledServer kills the private PostgreSQL during COPY: the load fails with a one-line error, and the next command
// recovers.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(openTempDir(t), "data")
	want(t, "", strings.NewReader("order_id,item_name\n1,a\n1,b\n"), "load", "-", "--data-dir", dir)

	loading := command(t, "", "load", "-", "--data-dir", dir)
	var stderr bytes.Buffer
	loading.Stderr = &stderr
	stdin, err := loading.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := loading.Start(); err != nil {
		t.Fatal(err)
	}
	for range 3 { // more than pipes and buffers hold, so COPY is running
		if _, err := manyOrders().WriteTo(stdin); err != nil {
			t.Fatal(err)
		}
	}
	pid, err := os.ReadFile(filepath.Join(dir, "pg", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(pid), "\n")
	postmaster, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(postmaster, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(stdin, strings.Repeat("2,c\n2,d\n", 1<<20)) // fails once the program is gone
	_ = stdin.Close()
	_ = loading.Wait()
	if status := loading.ProcessState.ExitCode(); status != exitFailed {
		t.Errorf("exit status %d, want %d", status, exitFailed)
	}
	// The first line says that the server was started. The supervisor may have restarted the server before the load gives
	// up; the load then records its failure itself, and there is nothing to recover.
	output := strings.TrimSpace(stderr.String())
	recovered := strings.Contains(output, "recovered")
	if lines := strings.Split(output, "\n"); len(lines) != 2 && !(recovered && len(lines) == 3) {
		t.Errorf("printed %q, want one line of what happened", lines)
	}

	e := alsobought(t, "", nil, "doctor", "--data-dir", dir)
	if e.status != exitDone || !recovered && !strings.Contains(e.stderr, "interrupted") {
		t.Errorf("doctor: %+v, want no findings and word of an interruption", e)
	}
	if loads := want(t, "", nil, "loads", "--data-dir", dir); !strings.Contains(loads, "failed") {
		t.Errorf("loads: %s, want a failed one", loads)
	}
	if popular := want(t, "", nil, "popular", "--data-dir", dir); strings.Count(popular, "\n") != 3 {
		t.Errorf("popular: %s, want a and b", popular)
	}
}

// manyOrders returns a file of 40,000 orders of 3 lines.
func manyOrders() *bytes.Buffer {
	var file bytes.Buffer
	file.WriteString("order_id,item_name\n")
	for order := range 40_000 {
		for line, factor := range []int{1, 7, 13} {
			fmt.Fprintf(&file, "R%d,item %d\n", order, 500*line+order*factor%500)
		}
	}
	return &file
}

// until polls the database until the condition holds.
func until(t testing.TB, conn *pgx.Conn, condition string, args ...any) {
	t.Helper()
	dbtest.Eventually(t, condition, func(ctx context.Context) (holds bool) {
		if err := conn.QueryRow(ctx, "SELECT "+condition, args...).Scan(&holds); err != nil {
			t.Fatal(err)
		}
		return holds
	})
}

// TestKilledBackup kills a running backup. No partial backup is left under a backup's name. While its pg_dump is still
// running no other backup can start; the next one removes what is left.
func TestKilledBackup(t *testing.T) {
	t.Parallel()
	server, err := localpg.Start(t.Context(), localpg.Config{Dir: filepath.Join(openTempDir(t), "data"), Throwaway: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	url, backups := server.URL(), t.TempDir()
	want(t, url, nil, "migrate", "up")
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	blocker, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { blocker.Close(context.WithoutCancel(t.Context())) })
	if _, err := blocker.Exec(t.Context(), "BEGIN; LOCK TABLE rules"); err != nil {
		t.Fatal(err)
	}
	backup := command(t, url, "backup", "--backup-dir", backups)
	if err := backup.Start(); err != nil {
		t.Fatal(err)
	}
	const waits = "EXISTS (SELECT FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock')"
	until(t, conn, waits, "pg_dump")
	if err := backup.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = backup.Wait() // killed

	second := alsobought(t, url, nil, "backup", "--backup-dir", backups)
	if second.status != exitFailed || !strings.Contains(second.stderr, "another backup is running") {
		t.Errorf("beside pg_dump: exit status %d, %s", second.status, second.stderr)
	}
	if _, err := blocker.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	until(t, conn, "NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = $1)", "pg_dump")
	left, err := filepath.Glob(filepath.Join(backups, "alsobought-*"))
	if err != nil || len(left) != 1 || !strings.HasSuffix(left[0], ".unfinished") {
		t.Errorf("left by the kill: %q, error %v", left, err)
	}
	// pg_dump, which holds the lock on the directory, exits shortly after its session ends.
	dbtest.Eventually(t, "another backup is made", func(context.Context) bool {
		return alsobought(t, url, nil, "backup", "--backup-dir", backups).status == exitDone
	})
	if left, err = filepath.Glob(filepath.Join(backups, "alsobought-*")); err != nil || len(left) != 1 ||
		strings.HasSuffix(left[0], ".unfinished") {
		t.Errorf("left by the next: %q, error %v", left, err)
	}
}
