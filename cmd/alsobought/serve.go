package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/httpapi"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
)

// listening is where the API listens and how it logs.
type listening struct {
	Addr      string `env:"ALSOBOUGHT_ADDR" default:"127.0.0.1:8000" placeholder:"HOST:PORT" help:"Where to listen (default ${default})."`
	LogFormat string `env:"ALSOBOUGHT_LOG_FORMAT" default:"text" enum:"text,json" help:"text or json (default ${default})."`
	LogLevel  string `env:"ALSOBOUGHT_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error (default ${default})."`
	answering
}

type serveCommand struct {
	listening
}

// answering is how finished answers are kept.
type answering struct {
	Cache        int64  `env:"ALSOBOUGHT_CACHE" default:"64" placeholder:"MIB" help:"Memory for finished answers, 0 for none (default ${default})."`
	CacheControl string `env:"ALSOBOUGHT_CACHE_CONTROL" default:"no-cache" placeholder:"VALUE" help:"Cache-Control of answers (default ${default})."`
}

// Validate is called when the flags are read.
func (a *answering) Validate() error {
	const most = 1 << 20
	if a.Cache < 0 || a.Cache > most {
		return fmt.Errorf("cache is %d MiB: choose 0 to %d", a.Cache, most)
	}
	return nil
}

func (c *serveCommand) Run(ctx context.Context, term *terminal, d *database) error {
	listener, err := c.listen(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // the server has closed it
	pool, closeAll, err := d.openToReport(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	if pool, err = pg.Warmed(ctx, pool, recommend.Warm); err != nil {
		return err
	}
	defer pool.Close()
	fmt.Fprintf(term.stdout, "alsobought %s answers on http://%s (docs at /docs, Ctrl-C to stop)\n", version, listener.Addr())
	return c.serve(ctx, term, listener, pool)
}

// listen takes the address first of all: that it is in use should not be found out after minutes of other work.
func (l *listening) listen(ctx context.Context) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.Addr)
	if err != nil {
		if cause := new(net.OpError); errors.As(err, &cause) {
			err = cause.Err
		}
		return nil, fmt.Errorf("cannot listen on %s: %w; choose another with --addr", l.Addr, err)
	}
	return listener, nil
}

// gcPercent lets the heap grow to five times what is in use: a heap of a few MB would be collected a hundred times a second.
const gcPercent = 400

func (l *listening) serve(ctx context.Context, term *terminal, listener net.Listener, pool *pgxpool.Pool) error {
	level := slog.LevelInfo
	if err := level.UnmarshalText([]byte(l.LogLevel)); err != nil {
		return usageError{err}
	}
	options := &slog.HandlerOptions{Level: level}
	logger := slog.New(slog.NewTextHandler(term.stderr, options))
	if l.LogFormat == "json" {
		logger = slog.New(slog.NewJSONHandler(term.stderr, options))
	}
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(gcPercent)
	}
	handler := httpapi.New(httpapi.Config{
		Pool: pool, Version: version, Logger: logger, CacheBytes: l.Cache << 20, CacheControl: l.CacheControl,
	})
	return handler.Serve(ctx, listener)
}
