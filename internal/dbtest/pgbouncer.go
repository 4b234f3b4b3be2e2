package dbtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// NewPgBouncer starts a PgBouncer in the given pool mode in front of a database, for this test alone, and returns the
// URL that goes through it. settings are lines of its configuration; later ones override earlier ones.
func NewPgBouncer(t testing.TB, databaseURL, poolMode string, settings ...string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			t.Fatalf("dbtest: %v: install it (Debian, Ubuntu: apt-get install pgbouncer, or make test)", err)
		}
	}
	server, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "alsobought-") //nolint:usetesting // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // a failure could not be handled
	port := freePort(t)
	config := filepath.Join(dir, "pgbouncer.ini")
	users := filepath.Join(dir, "users")
	lines := append([]string{
		"[databases]",
		fmt.Sprintf("* = host=%s port=%d", server.Host, server.Port),
		"[pgbouncer]",
		"listen_addr = 127.0.0.1", "listen_port = " + port, "unix_socket_dir =",
		"auth_type = trust", "auth_file = " + users, "logfile = " + filepath.Join(dir, "log"),
		"pool_mode = " + poolMode, "server_login_retry = 1", "query_wait_timeout = 20",
	}, settings...)
	write(t, config, strings.Join(lines, "\n")+"\n")
	write(t, users, fmt.Sprintf("%q %q\n", server.User, server.Password))
	c := exec.CommandContext(context.WithoutCancel(t.Context()), program, "--quiet", config)
	if os.Geteuid() == 0 { // PgBouncer refuses to run as root
		c.SysProcAttr = &syscall.SysProcAttr{Credential: account(t, server.Host, dir, config, users)}
	}
	if err := c.Start(); err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill() // it may already have exited
		_ = c.Wait()
	})
	pooled := fmt.Sprintf("postgres://%s:%s@127.0.0.1:%s/%s?sslmode=disable", server.User,
		server.Password, port, server.Database)
	awaitPgBouncer(t, pooled, filepath.Join(dir, "log"))
	return pooled
}

func awaitPgBouncer(t testing.TB, pooled, log string) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		var conn *pgx.Conn
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if conn, err = pgx.Connect(ctx, pooled); err == nil {
			_ = conn.Close(ctx) // it accepts connections
		}
		cancel()
		if err == nil {
			return
		}
	}
	text, _ := os.ReadFile(log) // the error is clear enough without it
	t.Fatalf("dbtest: PgBouncer does not answer: %v\n%s", err, text)
}

func write(t testing.TB, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// account returns the user to run PgBouncer as, and makes that user the owner of the files. It is the owner of the
// server's socket directory, which others may not use; without one it is nobody.
func account(t testing.TB, host string, files ...string) *syscall.Credential {
	t.Helper()
	var owner syscall.Credential
	if info, err := os.Stat(host); err == nil && info.IsDir() {
		stat := info.Sys().(*syscall.Stat_t) //nolint:forcetypeassert // it is one on every Unix
		owner = syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}
	} else {
		const nobody = 65534
		owner = syscall.Credential{Uid: nobody, Gid: nobody}
	}
	for _, file := range files {
		if err := os.Chown(file, int(owner.Uid), int(owner.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return &owner
}

func freePort(t testing.TB) string {
	t.Helper()
	free, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = free.Close() }() // so that PgBouncer can listen on its port
	_, port, err := net.SplitHostPort(free.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
