//go:build pitr

package main

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/localpg"
)

// cluster is a durable PostgreSQL that archives its WAL with pgBackRest, configured by the files of deploy/pgbackrest
// with different paths.
type cluster struct {
	dir, programs string
	account       *syscall.Credential // user to run it as; nil for the current one
}

func newArchived(t *testing.T) *cluster {
	t.Helper()
	postgres, _, err := localpg.Program(t.Context(), os.Getenv("ALSOBOUGHT_PG_BIN"), "postgres", 14)
	if err != nil {
		t.Fatal(err)
	}
	// The path of a socket has to be short.
	dir, err := os.MkdirTemp("", "pitr")
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{dir: dir, programs: filepath.Dir(postgres)}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if os.Geteuid() == 0 {
		c.account = credentialOf(t, "postgres")
		if err := os.Chown(dir, int(c.account.Uid), int(c.account.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"repo", "log", "lock", "spool"} {
		c.must(t, "mkdir", filepath.Join(dir, name))
	}
	c.must(t, filepath.Join(c.programs, "initdb"), "--username=alsobought", "--auth=trust", "--encoding=UTF8",
		"--locale=C", "-D", c.data())
	c.configure(t)
	c.start(t)
	t.Cleanup(func() { _, _ = c.run("pg_ctl", "stop", "-m", "immediate") })
	return c
}

func credentialOf(t *testing.T, name string) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func (c *cluster) data() string { return filepath.Join(c.dir, "data") }

func (c *cluster) url(database string) string {
	return "postgres:///" + database + "?user=alsobought&port=5432&host=" + url.QueryEscape(c.dir)
}

// configure installs the files of deploy/pgbackrest with their paths replaced.
func (c *cluster) configure(t *testing.T) {
	t.Helper()
	config := filepath.Join(c.dir, "pgbackrest.conf")
	shipped := func(name string, replace ...string) []byte {
		t.Helper()
		text, err := os.ReadFile(filepath.Join("../../deploy/pgbackrest", name))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(replace); i += 2 {
			pattern := regexp.MustCompile("(?m)" + replace[i])
			if !pattern.Match(text) {
				t.Fatalf("%s has no %s", name, replace[i])
			}
			text = pattern.ReplaceAll(text, []byte(replace[i+1]))
		}
		return text
	}
	write := func(path string, text []byte) {
		t.Helper()
		c.must(t, "touch", path)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(config, shipped("pgbackrest.conf",
		"^repo1-path=.*", "repo1-path="+c.dir+"/repo\nlog-path="+c.dir+"/log\nlock-path="+c.dir+
			"/lock\nspool-path="+c.dir+"/spool",
		"^pg1-path=.*", "pg1-path="+c.data(), "^pg1-socket-path=.*", "pg1-socket-path="+c.dir+
			"\npg1-user=alsobought\npg1-database=postgres"))
	settings := shipped("postgresql.conf", "pgbackrest --", "pgbackrest --config="+config+" --")
	own, err := os.ReadFile(filepath.Join(c.data(), "postgresql.conf"))
	if err != nil {
		t.Fatal(err)
	}
	own = fmt.Appendf(own, "\n%s\nlisten_addresses = ''\nunix_socket_directories = '%s'\ntimezone = UTC\n", settings,
		c.dir)
	write(filepath.Join(c.data(), "postgresql.conf"), own)
}

func (c *cluster) run(program string, args ...string) (string, error) {
	if program == "pg_ctl" {
		program = filepath.Join(c.programs, program)
		args = append(args, "--wait", "-D", c.data(), "-l", filepath.Join(c.dir, "server.log"))
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.account}
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	err := cmd.Run()
	return printed.String(), err
}

func (c *cluster) must(t *testing.T, program string, args ...string) {
	t.Helper()
	if printed, err := c.run(program, args...); err != nil {
		log, _ := os.ReadFile(filepath.Join(c.dir, "server.log"))
		t.Fatalf("%s %s: %v\n%s\n%s", program, strings.Join(args, " "), err, printed, log)
	}
}

func (c *cluster) start(t *testing.T) { t.Helper(); c.must(t, "pg_ctl", "start") }
func (c *cluster) stop(t *testing.T)  { t.Helper(); c.must(t, "pg_ctl", "stop") }

func (c *cluster) pgbackrest(t *testing.T, args ...string) {
	t.Helper()
	c.must(t, "pgbackrest", append([]string{"--config=" + filepath.Join(c.dir, "pgbackrest.conf"), "--stanza=alsobought"},
		args...)...)
}

// ask returns one value from the server, over a new connection.
func (c *cluster) ask(t *testing.T, sql string) (answer string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), sql).Scan(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// TestPointInTime follows docs/backups.md: orders before and after a base backup, a point in time, more orders; then
// recovery to that point. The orders and an answer are exactly those of that point, later orders are gone, and the
// database can be used.
func TestPointInTime(t *testing.T) {
	c := newArchived(t)
	conn, err := pgx.Connect(t.Context(), c.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "CREATE DATABASE alsobought"); err != nil {
		t.Fatal(err)
	}
	conn.Close(t.Context())
	shop := c.url("alsobought")
	want(t, shop, nil, "migrate", "up")
	c.pgbackrest(t, "stanza-create")
	c.pgbackrest(t, "check")

	load := func(order string) {
		t.Helper()
		want(t, shop, strings.NewReader("order_id,item_name\n"+order+",beans\n"+order+",cups\n"+order+",mill\n"), "load", "-")
	}
	load("before-the-backup")
	c.pgbackrest(t, "--type=full", "backup")
	load("up-to-the-second")
	before := want(t, shop, nil, "similar", "beans", "--json")
	// Recover to the next whole second, as users do: everything so far is before it, and the test waits until it has
	// passed.
	moment := c.ask(t, "SELECT to_char(date_trunc('second', clock_timestamp()) + interval '1 second', "+
		"'YYYY-MM-DD HH24:MI:SSOF')")
	dbtest.Eventually(t, "the second is over", func(context.Context) bool {
		return c.ask(t, "SELECT (clock_timestamp() > '"+moment+"')::text") == "true"
	})
	load("later")

	c.stop(t)
	c.pgbackrest(t, "--delta", "--type=time", "--target="+moment, "--target-action=promote", "restore")
	c.start(t)
	dbtest.Eventually(t, "recovery ends", func(context.Context) bool {
		return c.ask(t, "SELECT pg_is_in_recovery()::text") == "false"
	})
	for order, there := range map[string]bool{"before-the-backup": true, "up-to-the-second": true, "later": false} {
		if ended := alsobought(t, shop, nil, "order", order); (ended.status == exitDone) != there {
			t.Errorf("order %s, there should be: %t, exit status %d: %s", order, there, ended.status, ended.stderr)
		}
	}
	if after := want(t, shop, nil, "similar", "beans", "--json"); after != before {
		t.Errorf("the answer was\n%s and is\n%s", before, after)
	}
	want(t, shop, nil, "doctor")
	load("later") // again
	want(t, shop, nil, "order", "later")
	c.pgbackrest(t, "check")
}
