package localpg

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

// patience bounds every wait of the tests; nothing takes that long unless it hangs.
const patience = 2 * time.Minute

// The environment of a helper process, which is this test binary run again.
const (
	helperDir       = "LOCALPG_HELPER_DIR"
	helperThrowaway = "LOCALPG_HELPER_THROWAWAY"
	helperLoops     = "LOCALPG_HELPER_LOOPS"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperDir); dir != "" {
		os.Exit(helperMain(dir))
	}
	goleak.VerifyTestMain(m)
}

// helperMain is one user in its own process: it starts, answers "ready URL", and closes at the end of its
// input. With loops it starts, inserts a row and closes that often, and answers "ready COUNT".
func helperMain(dir string) int {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cfg := Config{Dir: dir, Throwaway: os.Getenv(helperThrowaway) != ""}
	if loops, err := strconv.Atoi(os.Getenv(helperLoops)); err == nil {
		for range loops {
			if err := visit(ctx, cfg); err != nil {
				fmt.Println("error", err)
				return 1
			}
		}
		fmt.Println("ready", loops)
		return 0
	}
	s, err := Start(ctx, cfg)
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	fmt.Println("ready", s.URL())
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := s.Close(); err != nil {
		fmt.Println("error", err)
		return 1
	}
	fmt.Println("closed")
	return 0
}

// visit is the life of one short user: start, insert a row, close.
func visit(ctx context.Context, cfg Config) (err error) {
	s, err := Start(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := s.Close(); err == nil {
			err = closeErr
		}
	}()
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	statement := `INSERT INTO visits DEFAULT VALUES`
	if cfg.Throwaway {
		statement = `SELECT 1`
	}
	_, err = conn.Exec(ctx, statement)
	return err
}

// helper is a running helper process.
type helper struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	out   *bufio.Scanner
}

// startHelper starts one, adjusted by the functions given, and does not wait for it.
func startHelper(t *testing.T, dir string, adjust ...func(*exec.Cmd)) *helper {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), helperDir+"="+dir)
	cmd.Stderr = os.Stderr
	for _, f := range adjust {
		f(cmd)
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := &helper{t: t, cmd: cmd, stdin: stdin, out: bufio.NewScanner(stdout)}
	t.Cleanup(h.kill)
	return h
}

// answer returns the next line of the helper without its first word, which must be as given.
func (h *helper) answer(want string) string {
	h.t.Helper()
	if !h.out.Scan() {
		h.t.Fatalf("helper ended without an answer, want %q", want)
	}
	got, rest, _ := strings.Cut(h.out.Text(), " ")
	if got != want {
		h.t.Fatalf("helper says %q, want %q", h.out.Text(), want)
	}
	return rest
}

func (h *helper) close() {
	h.t.Helper()
	h.stdin.Close()
	h.answer("closed")
	if err := h.cmd.Wait(); err != nil {
		h.t.Error(err)
	}
}

// kill is kill -9; safe if the helper has exited. It comes first, since the end of its input would let it
// close.
func (h *helper) kill() {
	_ = h.cmd.Process.Kill()
	h.stdin.Close()
	_ = h.cmd.Wait()
}

func throwaway(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, helperThrowaway+"=1") }

// tempDir is like t.TempDir, but other users may enter it, so that root's data stays there too.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "localpg") //nolint:usetesting // that one is closed to others
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// start starts a Server that the end of the test closes.
func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	if cfg.Logf == nil {
		cfg.Logf = t.Logf
	}
	s, err := Start(withPatience(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeServer(t, s) })
	return s
}

func closeServer(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func withPatience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// execute runs one statement over a connection of its own.
func execute(t *testing.T, url, statement string) {
	t.Helper()
	if err := tryExecute(withPatience(t), url, statement); err != nil {
		t.Fatal(err)
	}
}

func tryExecute(ctx context.Context, url, statement string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

// query returns the one value of a query as text.
func query(t *testing.T, url, statement string) string {
	t.Helper()
	ctx := withPatience(t)
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var got string
	if err := conn.QueryRow(ctx, statement).Scan(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx := withPatience(t)
	for !holds() {
		if pause(ctx) != nil {
			t.Fatalf("never: %s", what)
		}
	}
}

// processes returns the command lines of all running processes of the directory, except helpers, which have it
// only in their environment.
func processes(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, entry := range entries {
		if _, err := strconv.Atoi(entry.Name()); err != nil {
			continue
		}
		// Whatever cannot be read has just exited.
		line, _ := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		cwd, _ := os.Readlink(filepath.Join("/proc", entry.Name(), "cwd"))
		if strings.Contains(string(line), dir) || strings.HasPrefix(cwd, dir) {
			found = append(found, entry.Name()+" "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

func assertNothingRuns(t *testing.T, s place) {
	t.Helper()
	// The guardian releases its locks a moment before it exits.
	eventually(t, "nothing runs", func() bool { return len(processes(t, s.dir))+len(processes(t, s.data)) == 0 })
	if socket := filepath.Join(s.socket, socketName); exists(socket) {
		t.Errorf("socket %s is left", socket)
	}
	if s.socket != s.data && exists(s.socket) {
		t.Errorf("socket directory %s is left", s.socket)
	}
}

// nobody runs a helper as an ordinary user when the test runs as root, from a copy of the test binary that
// such a user can reach, and gives it dir.
func nobody(t *testing.T, dir string) func(*exec.Cmd) {
	t.Helper()
	if os.Geteuid() != 0 {
		return func(*exec.Cmd) {}
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	account, err := newAccount(u)
	if err != nil {
		t.Fatal(err)
	}
	if err := account.give(dir); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(tempDir(t), "helper")
	original, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	// No other test may fork meanwhile: its child would hold the file open for writing (ETXTBSY).
	syscall.ForkLock.RLock()
	err = os.WriteFile(program, original, 0o755)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	return func(cmd *exec.Cmd) {
		cmd.Path = program
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account.credential}
	}
}
