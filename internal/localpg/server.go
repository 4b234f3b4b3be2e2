package localpg

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sys/unix"
)

// watchEvery is how often an open Server checks that the postmaster is running.
const watchEvery = 500 * time.Millisecond

// connectPatience is how long a server that reports to be ready may refuse connections.
const connectPatience = 10 * time.Second

// goingDown is the prefix of each SQLSTATE of a server that is stopping, crashing or starting.
const goingDown = "57P"

// Config configures the private PostgreSQL. Only Dir is required.
type Config struct {
	// Dir is created if it is missing, with mode 0700, or 0711 if we are root: the server then runs as another
	// user, who has to pass through. It holds the locks, the log and pg, the data directory (0700).
	Dir string
	// Throwaway trades durability for speed; the last user to Close removes Dir.
	Throwaway bool
	// Database is created if it is missing; default "alsobought".
	Database string
	// BinDir is the directory of postgres and initdb; empty searches PATH and standard locations.
	BinDir string
	// Settings are additional server settings, name=value each; they override ours.
	Settings []string
	// Logf, if set, is called with one line when the server is started or recovered.
	Logf func(format string, args ...any)
}

func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("private PostgreSQL: no data directory given")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return c, fmt.Errorf("data directory: %w", err)
	}
	c.Dir = dir
	if c.Database == "" {
		c.Database = "alsobought"
	}
	if c.Logf == nil {
		c.Logf = func(string, ...any) {}
	}
	return c, nil
}

// Server is one user's hold on the private PostgreSQL, which runs at least until Close.
type Server struct {
	cfg   Config
	place place
	users *lock // held shared until Close

	endWatch context.CancelFunc
	watching sync.WaitGroup

	close    sync.Once
	closeErr error
}

// Start starts the server of cfg.Dir, or joins the running one, and waits until it accepts connections,
// including crash recovery. ctx bounds the wait, not the life of the Server. Without server programs the error
// is ErrNoServer.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	users, err := enter(ctx, cfg.Dir)
	if err != nil {
		return nil, err
	}
	// Resolve symlinks once for everything derived from the path. It exists as long as we hold users.lock.
	if cfg.Dir, err = filepath.EvalSymlinks(cfg.Dir); err != nil {
		users.release()
		return nil, fmt.Errorf("data directory: %w", err)
	}
	s := &Server{cfg: cfg, users: users}
	if err := s.open(ctx); err != nil {
		// The first error is the one that matters.
		_ = s.leave()
		return nil, err
	}
	watchCtx, endWatch := context.WithCancel(context.Background())
	s.endWatch = endWatch
	s.watching.Go(func() { s.watch(watchCtx) })
	return s, nil
}

// URL returns the database's URL for pgx, libpq and psql. It has no password. It includes the port, which is
// only part of the socket's name, so that PGPORT cannot change it.
func (s *Server) URL() string { return s.urlOf(s.cfg.Database) }

// Dir returns the PostgreSQL data directory: pg below Config.Dir, or the target of that link.
func (s *Server) Dir() string { return s.place.data }

// Close releases the server. The last user stops it in fast mode and returns when it has exited; with Throwaway
// it also removes Config.Dir. Further calls return the result of the first.
func (s *Server) Close() error {
	s.close.Do(func() {
		s.endWatch()
		s.watching.Wait()
		s.closeErr = s.leave()
	})
	return s.closeErr
}

func (s *Server) urlOf(database string) string {
	// libpq does not decode + as a space.
	escape := func(v string) string { return strings.ReplaceAll(url.QueryEscape(v), "+", "%20") }
	return "postgres:///" + url.PathEscape(database) + "?host=" + escape(s.place.socket) +
		"&port=" + port + "&user=" + superuser
}

// enter creates dir and returns its users.lock, held shared.
func enter(ctx context.Context, dir string) (*lock, error) {
	for {
		if err := makeDir(dir); err != nil {
			return nil, err
		}
		users, err := openLock(dir, usersLock)
		if err == nil {
			err = users.wait(ctx, unix.LOCK_SH)
		}
		if err == nil && users.linked() {
			return users, nil
		}
		// The throwaway directory was removed meanwhile: create it again.
		users.release()
		if err != nil && !errors.Is(err, errLockGone) {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("enter %s: %w", dir, err)
		}
	}
}

// open starts the server and creates the database. The caller holds users.lock.
func (s *Server) open(ctx context.Context) error {
	return s.starting(ctx, func() error {
		var err error
		if s.place, err = locate(s.cfg.Dir); err != nil {
			return err
		}
		if err := s.place.claim(s.cfg.Throwaway); err != nil {
			return err
		}
		if err := s.guard(ctx); err != nil {
			return err
		}
		return s.connect(ctx)
	})
}

// connect returns when the server runs and has the database. It retries if the postmaster is killed or shuts
// down in between.
func (s *Server) connect(ctx context.Context) error {
	patience := time.Now().Add(connectPatience)
	for {
		if err := s.run(ctx); err != nil {
			return err
		}
		err := s.createDatabase(ctx)
		var answer *pgconn.PgError
		refused := errors.As(err, &answer) && !strings.HasPrefix(answer.Code, goingDown)
		if err == nil || refused || time.Now().After(patience) {
			return err
		}
		if pause(ctx) != nil {
			return err
		}
	}
}

// starting calls do while holding start.lock.
func (s *Server) starting(ctx context.Context, do func() error) error {
	start, err := openLock(s.cfg.Dir, startLock)
	if err != nil {
		return err
	}
	defer start.release()
	if err := start.wait(ctx, unix.LOCK_EX); err != nil {
		return err
	}
	return do()
}

// leave releases our hold, and stops the server if nobody else has one.
func (s *Server) leave() error {
	if !s.users.linked() {
		s.users.release()
		return nil // Dir was removed by hand; whatever is there now is not ours
	}
	return s.starting(context.Background(), func() error {
		// Release users.lock before start.lock, so that the next to leave does not mistake our lock for a
		// user's.
		defer s.users.release()
		if err := s.users.unlock(); err != nil {
			return err
		}
		for {
			last, err := s.users.try(unix.LOCK_EX)
			if err != nil {
				return err
			}
			if last {
				return s.end()
			}
			others, err := s.users.try(unix.LOCK_SH)
			if err != nil || others {
				return err
			}
			// Neither: the guardian holds it exclusively. Wait until it has stopped the server.
			time.Sleep(pollEvery)
		}
	})
}

// end stops the server and cleans up. The caller holds users.lock exclusively.
func (s *Server) end() error {
	if !s.users.linked() || s.place.data == "" {
		return nil // the guardian has already removed everything
	}
	guardian, err := openLock(s.cfg.Dir, guardianLock)
	if err != nil {
		return err
	}
	defer guardian.release()
	if err := s.stop(); err != nil {
		return err
	}
	if err := s.place.clear(); err != nil {
		return err
	}
	return s.dismiss(guardian)
}

// dismiss lets the guardian find that there is nothing to do and returns when it is about to exit, so that when
// Close returns, nothing of ours is left that could touch a removed directory. If there is a new user, the
// guardian stays.
func (s *Server) dismiss(guardian *lock) error {
	for {
		ended, err := guardian.try(unix.LOCK_EX)
		if ended || err != nil {
			return err
		}
		alone, err := s.users.try(unix.LOCK_EX)
		if err != nil {
			return err
		}
		if !alone {
			newUser, err := s.users.try(unix.LOCK_SH)
			if newUser || err != nil {
				return err
			}
		}
		if err := s.users.unlock(); err != nil {
			return err
		}
		time.Sleep(pollEvery)
	}
}

// watch restarts a postmaster that died, so that long-running users recover automatically.
func (s *Server) watch(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	var lastError string
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if readPostmaster(s.place.data).alive {
			continue
		}
		if !s.users.linked() || !s.place.hasCluster() {
			s.cfg.Logf("data directory %s was removed: its PostgreSQL will not be restarted", s.cfg.Dir)
			return
		}
		err := s.starting(ctx, func() error { return s.run(ctx) })
		if err != nil && ctx.Err() == nil && err.Error() != lastError {
			lastError = err.Error()
			s.cfg.Logf("%s", lastError)
		}
	}
}
