package dbsource_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/alsobought/alsobought/internal/dbsource"
	"github.com/alsobought/alsobought/internal/dbtest"
)

func TestName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ url, query, want string }{
		{
			"postgres://me:secret@db/shop?sslmode=disable", "SELECT 1\n  FROM x ; ",
			"postgres://me@db/shop?sslmode=disable: SELECT 1 FROM x",
		},
		{"mariadb://db:3307/shop?tls=true", "SELECT 1", "mariadb://db:3307/shop?tls=true: SELECT 1"},
	} {
		if q, err := dbsource.New(dbsource.Options{URL: c.url, Query: c.query}); err != nil || q.Name() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

func TestWrongOptions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ url, query, want string }{
		{"postgres://db/shop", " ; ", "--query is empty"},
		{"postgres://me:secret%@db/shop", "SELECT 1", "--from is not a URL"},
		{"postgres://db/shop?password=secret", "SELECT 1", "--from-password-file"},
		{"postgres://me:secret@db/shop?sslmode=sure", "SELECT 1", "sslmode is invalid"},
		{"sqlite://me:secret@shop.db", "SELECT 1", "unknown scheme"},
		{"mysql://me:secret@db/shop?charset=latin1", "SELECT 1", "unknown parameter charset"},
		{"mysql://me:secret@db/shop?tls=sure", "SELECT 1", "sure"},
	} {
		_, err := dbsource.New(dbsource.Options{URL: c.url, Query: c.query})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", c.url, err, c.want)
		}
	}
}

// TestPostgres checks that values are read as written, and that rows after a mark are found in numeric order, not in
// text order.
func TestPostgres(t *testing.T) {
	t.Parallel()
	url := dbtest.NewEmptyURL(t)
	opts := dbsource.Options{URL: url, Since: "n", Query: `SELECT n, CASE WHEN n < 10 THEN E'a"b,\nc' END AS "Thing",
		timestamptz '2026-03-01 10:00+02' AS at FROM generate_series(10, 8, -1) AS n`}
	text, reached, err := read(t, nil, opts)
	const ten = "10,,2026-03-01 08:00:00+00\n"
	const quoted = `"a""b,` + "\n" + `c",2026-03-01 08:00:00+00` + "\n"
	if text != "n,Thing,at\n8,"+quoted+"9,"+quoted+ten || err != nil || reached == nil ||
		reached.Value != "10" || reached.Rows != 1 {
		t.Errorf("%s, %+v, %v", text, reached, err)
	}
	reached.Value = "9"
	if text, reached, err = read(t, reached, opts); text != "n,Thing,at\n9,"+quoted+ten ||
		err != nil || reached.Value != "10" {
		t.Errorf("since 9: %s, %+v, %v", text, reached, err)
	}
}

// TestClose ends a query that would never finish, by closing the stream and by cancelling the context.
func TestClose(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	q, err := dbsource.New(dbsource.Options{
		URL: dbtest.NewEmptyURL(t), Query: "SELECT generate_series(1, 1000000000000) AS n",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, giveUp := range []func(){func() {}, cancel} {
		src, err := q.Source(ctx).Open()
		if err != nil {
			t.Fatal(err)
		}
		giveUp()
		if ctx.Err() != nil {
			for err == nil {
				_, err = src.Read(make([]byte, 1<<16))
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%v, want that it was cancelled", err)
			}
		}
		src.Close()
	}
}
