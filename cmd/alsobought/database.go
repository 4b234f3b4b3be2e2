package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/localpg"
	"github.com/alsobought/alsobought/internal/pg"
)

// database holds the flags that select the database.
type database struct {
	DatabaseURL string `env:"DATABASE_URL" placeholder:"URL" help:"Connection URL, postgres://user@host/database (default: a private PostgreSQL in --data-dir)."`
	DataDir     string `env:"ALSOBOUGHT_DATA_DIR" default:".alsobought" placeholder:"DIR" help:"Data directory of the private PostgreSQL (default ${default})."`
	PgBin       string `env:"ALSOBOUGHT_PG_BIN" placeholder:"DIR" help:"Directory of PostgreSQL's server programs (default: search PATH and standard locations)."`

	DatabasePasswordFile string `env:"ALSOBOUGHT_DATABASE_PASSWORD_FILE" placeholder:"FILE" help:"File with the password."`

	throwaway bool // a demo database: fast instead of durable, and removed afterwards
}

// throwawayDatabase returns a database in a temporary directory, fast but not durable. Closing it leaves an empty
// directory, which remove deletes.
func throwawayDatabase(pgBin string) (d *database, remove func(), err error) {
	dir, err := os.MkdirTemp("", "alsobought-")
	if err != nil {
		return nil, nil, fmt.Errorf("make a temporary directory: %w", err)
	}
	remove = func() { _ = os.RemoveAll(dir) }    // a failure could not be handled
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // the user who runs PostgreSQL for root has to get in
		remove()
		return nil, nil, fmt.Errorf("open the temporary directory: %w", err)
	}
	return &database{DataDir: dir, PgBin: pgBin, throwaway: true}, remove, nil
}

// open connects to the database, the private one by default, and checks that its schema matches this program. It
// migrates the private database; any other is left to its owner. closeAll releases everything.
func (d *database) open(ctx context.Context, term *terminal) (pool *pgxpool.Pool, closeAll func(), err error) {
	pool, closeAll, err = d.connect(ctx, term)
	if err != nil {
		return nil, nil, err
	}
	if d.DatabaseURL == "" {
		_, err = pg.MigrateUp(ctx, pool)
	} else {
		err = pg.CheckSchema(ctx, pool)
	}
	if err != nil {
		closeAll()
		return nil, nil, err
	}
	return pool, closeAll, nil
}

// openToWrite opens the database, switches to the role that owns loads and builds, and marks interrupted loads and
// builds as failed. It refuses a database that is read-only, or behind a pooler that does not keep session locks,
// before any work is done.
func (d *database) openToWrite(ctx context.Context, term *terminal) (*pgxpool.Pool, func(), error) {
	pool, closeAll, access, err := d.openAndLook(ctx, term)
	switch {
	case err != nil:
		return nil, nil, err
	case access.ReadOnly:
		closeAll()
		return nil, nil, pg.ErrReadOnly
	}
	acting := pool
	if err = pg.RequireSessions(ctx, pool); err == nil {
		acting, err = pg.ActAsOwner(ctx, pool, "item_stats")
	}
	if err == nil {
		err = recoverInterrupted(ctx, acting, term)
	}
	if err != nil {
		closeAll()
		return nil, nil, err
	}
	return acting, func() { acting.Close(); closeAll() }, nil
}

// openToReport opens the database for commands that only read. If the database can be written and the connection keeps
// session locks, it marks interrupted loads and builds as failed. If the database is read-only, it says so, and how old
// the data may be.
func (d *database) openToReport(ctx context.Context, term *terminal) (*pgxpool.Pool, func(), error) {
	pool, closeAll, access, err := d.openAndLook(ctx, term)
	switch {
	case err != nil:
		return nil, nil, err
	case access.ReadOnly:
		fmt.Fprintf(term.stderr, "alsobought: the database is %s\n", access)
	default:
		pooled, err := pg.IsPooled(ctx, pool)
		if err == nil && !pooled {
			err = recoverInterrupted(ctx, pool, term)
		}
		if err != nil {
			closeAll()
			return nil, nil, err
		}
	}
	return pool, closeAll, nil
}

func (d *database) openAndLook(ctx context.Context, term *terminal) (
	pool *pgxpool.Pool, closeAll func(), access pg.Access, err error,
) {
	if pool, closeAll, err = d.open(ctx, term); err != nil {
		return nil, nil, access, err
	}
	if access, err = pg.FindAccess(ctx, pool); err != nil {
		closeAll()
	}
	return pool, closeAll, access, err
}

// recoverInterrupted marks interrupted loads and builds as failed. It does nothing for a role without the right to,
// such as a server's: the next load or build will do it.
func recoverInterrupted(ctx context.Context, pool *pgxpool.Pool, term *terminal) error {
	if may, err := db.New(pool).RoleMayRecover(ctx); err != nil || !may {
		return err
	}
	loads, err := load.Recover(ctx, pool)
	if err != nil {
		return err
	}
	builds, err := builds.Recover(ctx, pool)
	if err != nil {
		return err
	}
	if loads+builds > 0 {
		fmt.Fprintf(term.stderr, "alsobought: found interrupted work: loads %d, builds %d; "+
			"it was rolled back and is now marked failed\n", loads, builds)
	}
	return nil
}

// connect connects, after starting the private PostgreSQL if that is the database to use.
func (d *database) connect(ctx context.Context, term *terminal) (pool *pgxpool.Pool, closeAll func(), err error) {
	if d.DatabaseURL != "" {
		pool, err = pg.Open(ctx, d.DatabaseURL, 0, withPassword(d.DatabasePasswordFile)...)
		if errors.Is(err, pg.ErrURL) {
			err = fmt.Errorf("DATABASE_URL: %w", err)
		}
		if err != nil {
			return nil, nil, err
		}
		return pool, pool.Close, nil
	}
	server, err := localpg.Start(ctx, localpg.Config{
		Dir:       d.DataDir,
		BinDir:    d.PgBin,
		Throwaway: d.throwaway,
		Logf:      func(format string, args ...any) { fmt.Fprintf(term.stderr, "alsobought: "+format+"\n", args...) },
	})
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w: choose another place with --data-dir, or name a database in DATABASE_URL", err)
	}
	if err != nil {
		return nil, nil, err
	}
	pool, err = pg.Open(ctx, server.URL(), 0)
	if err != nil {
		_ = server.Close() // the connection error matters more
		return nil, nil, err
	}
	return pool, func() {
		pool.Close()
		if err := server.Close(); err != nil {
			fmt.Fprintf(term.stderr, "alsobought: stop the private PostgreSQL: %v\n", err)
		}
	}, nil
}

// withPassword returns the connection options for a password file, or none if path is empty.
func withPassword(path string) []pg.Option {
	if path == "" {
		return nil
	}
	return []pg.Option{pg.PasswordFile(path)}
}

// flagError is an error about the database that a flag names, instead of DATABASE_URL.
type flagError struct {
	flag string
	error
}

func (e flagError) Error() string { return e.flag + ": " + e.error.Error() }

func (e flagError) Unwrap() error { return e.error }

// whoami returns the user name for the audit.
func whoami() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}
