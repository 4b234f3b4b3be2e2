package dbtest

import (
	"context"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// NewMariaDB starts a MariaDB for this test alone and returns its socket and port, and a connection of the root user.
func NewMariaDB(t testing.TB) (socket, port string, root *sql.DB) {
	t.Helper()
	const hint = "dbtest: %v: install it (Debian, Ubuntu: apt-get install mariadb-server-core mariadb-client-core, or make test)"
	server, err := exec.LookPath("mariadbd")
	if err != nil {
		if server, err = exec.LookPath("/usr/sbin/mariadbd"); err != nil {
			t.Fatalf(hint, err)
		}
	}
	dir, err := os.MkdirTemp("", "alsobought-") //nolint:usetesting // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // a failure could not be handled
	account := []string{}
	if os.Geteuid() == 0 { // the server refuses to run as root
		account = append(account, "--user=nobody")
		if out, err := exec.CommandContext(t.Context(), "chown", "nobody", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	data := "--datadir=" + filepath.Join(dir, "data")
	install := append([]string{"--no-defaults", data, "--auth-root-authentication-method=normal", "--skip-test-db"}, account...)
	if out, err := exec.CommandContext(t.Context(), "mariadb-install-db", install...).CombinedOutput(); err != nil {
		t.Fatalf(hint+"\n%s", err, out)
	}
	socket, port = filepath.Join(dir, "socket"), freePort(t)
	c := exec.CommandContext(context.WithoutCancel(t.Context()), server, append([]string{
		"--no-defaults", data, "--socket=" + socket,
		"--bind-address=127.0.0.1", "--port=" + port, "--pid-file=" + filepath.Join(dir, "pid"), "--skip-log-bin", "--innodb-buffer-pool-size=16M",
		"--log-error=" + filepath.Join(dir, "log"),
	}, account...)...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = c.Wait() }()
	t.Cleanup(func() { _ = c.Process.Kill(); <-ended })

	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.Logger, cfg.MultiStatements = "root", "unix", socket, &mysql.NopLogger{}, true
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	root = sql.OpenDB(connector)
	t.Cleanup(func() { _ = root.Close() })
	Eventually(t, "MariaDB answers", func(ctx context.Context) bool {
		select {
		case <-ended:
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Fatalf("MariaDB ended: %s", log)
		default:
		}
		return root.PingContext(ctx) == nil
	})
	return socket, port, root
}
