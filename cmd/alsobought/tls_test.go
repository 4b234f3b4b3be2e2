package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/localpg"
)

// authority signs certificates. Its own certificate is in a file.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
}

func newAuthority(t *testing.T, dir, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a := authority{key: key, file: filepath.Join(dir, name+".crt")}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err == nil {
		a.cert, err = x509.ParseCertificate(der)
	}
	if err == nil {
		err = os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// issue returns a certificate for the host name, and its key.
func (a authority) issue(t *testing.T, host string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert, private.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// newCluster creates the data directory of a PostgreSQL that accepts only TLS with passwords. It has a certificate for
// localhost, a database shop, and a role shop with the password "it's secret". It also returns the directory of the
// server programs.
func newCluster(t *testing.T, a authority) (data, bin string) {
	t.Helper()
	private, err := localpg.Start(t.Context(), localpg.Config{
		Dir: filepath.Join(openTempDir(t), "server"), BinDir: os.Getenv("ALSOBOUGHT_PG_BIN"), Logf: t.Logf,
	})
	if err != nil {
		t.Fatal(err)
	}
	conn := login(t, private.URL())
	sql(t, conn, "CREATE ROLE shop LOGIN PASSWORD 'it''s secret'")
	sql(t, conn, "CREATE DATABASE shop OWNER shop")
	err = conn.QueryRow(t.Context(), "SELECT c.setting FROM pg_config AS c WHERE c.name = 'BINDIR'").Scan(&bin)
	data = private.Dir()
	if err := errors.Join(err, conn.Close(t.Context()), private.Close()); err != nil {
		t.Fatal(err)
	}
	cert, key := a.issue(t, "localhost")
	for name, content := range map[string][]byte{
		"server.crt": cert, "server.key": key, "pg_hba.conf": []byte("hostssl all shop all scram-sha-256\n"),
	} {
		path := filepath.Join(data, name)
		err := errors.Join(os.WriteFile(path, content, 0o600), os.Chmod(path, 0o600))
		owner := ownerOf(t, data)
		if err := errors.Join(err, os.Lchown(path, int(owner.Uid), int(owner.Gid))); err != nil {
			t.Fatal(err)
		}
	}
	return data, bin
}

func ownerOf(t *testing.T, dir string) *syscall.Credential {
	t.Helper()
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	return &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}
}

// serverOnNetwork starts a PostgreSQL made by newCluster on a free port of localhost and returns the port.
func serverOnNetwork(t *testing.T, a authority) (port string) {
	t.Helper()
	data, bin := newCluster(t, a)
	port = freePort(t)
	postgres := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-p", port, "-c", "listen_addresses=localhost",
		"-c", "unix_socket_directories=", "-c", "ssl=on", "-c", "fsync=off")
	if os.Geteuid() == 0 {
		postgres.SysProcAttr = &syscall.SysProcAttr{Credential: ownerOf(t, data)}
	}
	postgres.Dir, postgres.Stderr = data, t.Output()
	if err := postgres.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(postgres.Process.Signal(syscall.SIGINT), postgres.Wait()); err != nil {
			t.Error(err)
		}
	})
	dbtest.Eventually(t, "the server takes connections", func(ctx context.Context) bool {
		conn, err := pgx.Connect(ctx, "postgres://shop:it%27s%20secret@localhost:"+port+"/shop?sslmode=require")
		if err == nil {
			err = conn.Close(ctx)
		}
		return err == nil
	})
	return port
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

const passwordFile = "ALSOBOUGHT_DATABASE_PASSWORD_FILE="

// With sslmode=verify-full the certificate has to match the requested host. Passwords come from files.
func TestVerifiedServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ours, theirs := newAuthority(t, dir, "ours"), newAuthority(t, dir, "theirs")
	port := serverOnNetwork(t, ours)
	at := func(host, root string) string {
		return "postgres://shop@" + host + ":" + port + "/shop?sslmode=verify-full&sslrootcert=" + url.QueryEscape(root)
	}
	file := func(name, content string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	right := passwordFile + file("password", "it's secret\n")
	good := at("localhost", ours.file)
	for name, c := range map[string]struct {
		url, environment string
		says             []string // empty for success
	}{
		"verified":        {good, right, nil},
		"pgpass":          {good, "PGPASSFILE=" + file("pgpass", "localhost:"+port+":*:shop:it's secret\n"), nil},
		"file before URL": {strings.Replace(good, "shop@", "shop:x@", 1), right, nil},
		"key and value": {
			"host=localhost user=shop dbname=shop port=" + port + " sslmode=verify-full sslrootcert=" + ours.file, right, nil,
		},
		"another host": {
			at("127.0.0.1", ours.file), right,
			[]string{"x509: cannot validate certificate for 127.0.0.1", "check that DATABASE_URL has the host name"},
		},
		"another authority": {
			at("localhost", theirs.file), right,
			[]string{"x509: certificate signed by unknown authority", "sslrootcert is its authority"},
		},
		"no such authority": {at("localhost", "/none/ca.crt"), right, []string{"/none/ca.crt does not exist"}},
		"no TLS": {
			strings.Replace(good, "verify-full", "disable", 1), right,
			[]string{"no pg_hba.conf entry", "no encryption", "and sslmode"},
		},
		"wrong password": {
			good, passwordFile + file("wrong", "secret"),
			[]string{"password authentication failed for user", "check the role, the password"},
		},
		"no password":     {good, "PGPASSFILE=/none", []string{"password authentication failed"}},
		"no such file":    {good, passwordFile + "/none/password", []string{"/none/password does not exist"}},
		"an empty file":   {good, passwordFile + file("empty", "\n"), []string{"empty must contain one line: the password"}},
		"too long a file": {good, passwordFile + file("lines", "it's\nsecret\n"), []string{"must contain one line"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			statusSays(t, c.url, c.environment, c.says)
		})
	}
	t.Run("psql", func(t *testing.T) {
		t.Parallel()
		c := command(t, good, "psql", "-Atc", "SELECT 1")
		c.Env = append(c.Env, right)
		if output, err := c.CombinedOutput(); !strings.Contains(string(output), "no alsobought tables yet") {
			t.Errorf("it says %q, %v", output, err)
		}
	})
}

// statusSays runs migrate status, which must succeed if says is empty, and otherwise fail with a one-line error with
// these parts.
func statusSays(t *testing.T, url, environment string, says []string) {
	t.Helper()
	c := command(t, url, "migrate", "status")
	c.Env = append(c.Env, environment)
	var stdout, stderr strings.Builder
	c.Stdout, c.Stderr = &stdout, &stderr
	_ = c.Run() // the exit status is checked below
	status := c.ProcessState.ExitCode()
	if len(says) == 0 && (status != exitDone || !strings.Contains(stdout.String(), "00001_orders.sql")) {
		t.Errorf("exit status %d\n%s%s", status, &stdout, &stderr)
	}
	if len(says) > 0 && (status != exitFailed || strings.Count(stderr.String(), "\n") != 1) {
		t.Errorf("exit status %d, want one line on stderr:\n%s", status, &stderr)
	}
	for _, part := range says {
		if !strings.Contains(stderr.String(), part) {
			t.Errorf("it says %q and not %q", &stderr, part)
		}
	}
	if strings.Contains(stderr.String(), "secret") {
		t.Errorf("it tells the password: %q", &stderr)
	}
}
