package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/localpg"
)

// server is a PostgreSQL on which databases are made to measure in.
type server struct {
	url   string
	close func() error
}

// startServer takes the server of the URL given or, without one, starts a private one in dir: durable, with the
// settings users get.
func startServer(ctx context.Context, dir, given string, note func(string)) (*server, error) {
	if given != "" {
		return &server{url: given, close: func() error { return nil }}, nil
	}
	private, err := localpg.Start(ctx, localpg.Config{
		Dir:  dir,
		Logf: func(format string, args ...any) { note(fmt.Sprintf(format, args...)) },
	})
	if err != nil {
		return nil, err
	}
	return &server{url: private.URL(), close: func() error {
		// Its data is not in dir when the directory of temporary files shuts the server's user out.
		return errors.Join(private.Close(), os.RemoveAll(private.Dir()))
	}}, nil
}

// withDatabase calls do with the URL of a new, empty database, and drops it afterwards.
func (s *server) withDatabase(ctx context.Context, do func(databaseURL string) error) (err error) {
	name := "alsobought_bench_" + rand.Text()[:10]
	databaseURL, err := url.Parse(s.url)
	if err != nil {
		return fmt.Errorf("--server cannot be read: %w", err)
	}
	databaseURL.Path = "/" + name

	if err := s.exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()+" TEMPLATE template0"); err != nil {
		return fmt.Errorf("create a database: %w", err)
	}
	defer func() {
		// Time of its own: ctx may have ended.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if dropErr := s.exec(ctx, "DROP DATABASE "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)"); dropErr != nil {
			err = errors.Join(err, fmt.Errorf("drop the database: %w", dropErr))
		}
	}()
	// What was done before is written out now, not during the measurement.
	if err := s.exec(ctx, "CHECKPOINT"); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return do(databaseURL.String())
}

func (s *server) version(ctx context.Context) (version string, err error) {
	err = s.connected(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SELECT current_setting('server_version')").Scan(&version)
	})
	return version, err
}

func (s *server) exec(ctx context.Context, statement string) error {
	return s.connected(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, statement)
		return err
	})
}

func (s *server) connected(ctx context.Context, do func(*pgx.Conn) error) error {
	return connected(ctx, s.url, do)
}

// connected calls do with a connection of its own.
func connected(ctx context.Context, databaseURL string, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // what was asked has been answered
	return do(conn)
}
