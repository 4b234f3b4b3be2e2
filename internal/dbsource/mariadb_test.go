package dbsource_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alsobought/alsobought/internal/dbsource"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/load"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// read returns everything that a query returns, and the mark it reached.
func read(t *testing.T, after *load.Mark, opts dbsource.Options) (text string, reached *load.Mark, err error) {
	t.Helper()
	q, err := dbsource.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	q.After(after)
	src, err := q.Source(t.Context()).Open()
	if err != nil {
		return "", nil, err
	}
	content, err := io.ReadAll(src)
	src.Close()
	return string(content), q.Reached(), err
}

func TestMariaDB(t *testing.T) {
	t.Parallel()
	socket, port, root := dbtest.NewMariaDB(t)
	_, err := root.ExecContext(t.Context(), `CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop; SET time_zone = '+02:00';
		CREATE TABLE sales (sale bigint, thing varchar(100), price decimal(9,2), made datetime(3), changed timestamp) ENGINE = InnoDB;
		INSERT INTO sales VALUES (1, 'tea, "green"', 1.50, '2026-03-01 10:00:00.25', '2026-03-01 10:00:00'),
			(9007199254740993, 'crème', NULL, CAST(NULL AS datetime), '2026-03-01 12:00:00'),
			(2, NULL, 2, NULL, '2026-03-01 12:00:00');
		CREATE USER reader@'%' IDENTIFIED BY 'secret'; GRANT ALL ON shop.* TO reader@'%'`)
	if err != nil {
		t.Fatal(err)
	}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tcp := "mysql://reader@127.0.0.1:" + port + "/shop"
	const query, header = "SELECT * FROM sales -- all", "sale,thing,price,made,changed\n"
	const first = `1,"tea, ""green""",1.50,2026-03-01 10:00:00.250,2026-03-01 08:00:00` + "\n"
	const tied = "9007199254740993,crème,,,2026-03-01 10:00:00\n2,,2.00,,2026-03-01 10:00:00\n"

	text, reached, err := read(t, nil, dbsource.Options{URL: tcp, PasswordFile: password, Query: query + "\n;"})
	if text != header+first+tied || reached != nil || err != nil {
		t.Errorf("all: %s, %v, %v", text, reached, err)
	}
	since := dbsource.Options{
		URL: "mariadb://reader:secret@localhost/shop?socket=" + socket, Query: query, Since: "Changed",
	}
	text, reached, err = read(t, nil, since)
	mark := &load.Mark{Column: "Changed", Value: "2026-03-01 10:00:00", Rows: 2}
	if diff := cmp.Diff(mark, reached); len(text) != len(header+first+tied) || diff != "" || err != nil {
		t.Errorf("since ever: %s, %v, (-want +got):\n%s", text, err, diff)
	}
	if text, _, err = read(t, mark, since); err == nil ||
		!strings.Contains(err.Error(), "nothing new since Changed 2026-03-01 10:00:00") {
		t.Errorf("nothing new: %s, %v", text, err)
	}
	mark.Rows--
	if text, _, err = read(t, mark, since); len(text) != len(header+tied) || err != nil {
		t.Errorf("since the mark: %s, %v", text, err)
	}
	for _, c := range []struct{ name, url, query, want string }{
		{"no password", tcp, query, "Access denied"},
		{"wrong password", "mysql://reader:secrets@127.0.0.1:" + port + "/shop", query, "Access denied"},
		{"wrong query", since.URL, "SELECT moo FROM sales", "Unknown column 'moo'"},
		{"writes", since.URL, "DELETE FROM sales", "READ ONLY transaction"},
		{"two statements", since.URL, "SELECT 1; SELECT 2", "error in your SQL syntax"},
		{"no columns", since.URL, "DO 1", "returns no columns"},
	} {
		_, _, err := read(t, nil, dbsource.Options{URL: c.url, Query: c.query})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
