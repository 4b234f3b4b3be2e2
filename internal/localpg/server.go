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

// watchEvery is how often a living Server looks whether the postmaster lives.
const watchEvery = 500 * time.Millisecond

// connectPatience is how long a server that says it is ready may refuse to talk.
const connectPatience = 10 * time.Second

// goingDown begins each SQLSTATE of a server that stops, crashes or starts.
const goingDown = "57P"

// Config says where the private PostgreSQL lives. Only Dir is needed.
type Config struct {
	// Dir is a directory of ours, created when missing: 0700, or 0711 when root runs us, since the
	// server then runs as somebody else who has to pass through. It holds the locks, the log and
	// pg, the data directory (0700).
	Dir string
	// Throwaway trades durability for speed; the last user to Close removes Dir whole.
	Throwaway bool
	// Database is created when missing; default "alsobought".
	Database string
	// BinDir holds postgres and initdb; empty searches the usual places.
	BinDir string
	// Settings of the server, name=value each; they win over ours.
	Settings []string
	// Logf gets one line when the server is started or recovered; nil is silent.
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

// Server is one user's hold on the private PostgreSQL: it runs at least until Close.
type Server struct {
	cfg   Config
	place place
	users *lock // shared for our lifetime

	endWatch context.CancelFunc
	watching sync.WaitGroup

	close    sync.Once
	closeErr error
}

// Start starts the server of cfg.Dir, or joins the one that runs, and waits until it accepts
// connections, crash recovery included; ctx bounds the wait, not the life of the Server.
// Without server programs the error is ErrNoServer.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	users, err := enter(ctx, cfg.Dir)
	if err != nil {
		return nil, err
	}
	// One spelling for everything derived from it. It exists now, and as long as we are a user.
	if cfg.Dir, err = filepath.EvalSymlinks(cfg.Dir); err != nil {
		users.release()
		return nil, fmt.Errorf("data directory: %w", err)
	}
	s := &Server{cfg: cfg, users: users}
	if err := s.open(ctx); err != nil {
		// What leaving adds could only follow from the first error.
		_ = s.leave()
		return nil, err
	}
	watchCtx, endWatch := context.WithCancel(context.Background())
	s.endWatch = endWatch
	s.watching.Go(func() { s.watch(watchCtx) })
	return s, nil
}

// URL names the database for pgx, libpq and psql alike. It has no password, and names even the
// port (of the socket file; there is none on the network), so that PGPORT cannot change it.
func (s *Server) URL() string { return s.urlOf(s.cfg.Database) }

// Dir is the PostgreSQL data directory: pg below Config.Dir, or where that link points.
func (s *Server) Dir() string { return s.place.data }

// Close leaves. The last user stops the server in fast mode and returns when it has ended; with
// Throwaway it removes Config.Dir too. Further calls return what the first did.
func (s *Server) Close() error {
	s.close.Do(func() {
		s.endWatch()
		s.watching.Wait()
		s.closeErr = s.leave()
	})
	return s.closeErr
}

func (s *Server) urlOf(database string) string {
	// libpq does not read + as a space.
	escape := func(v string) string { return strings.ReplaceAll(url.QueryEscape(v), "+", "%20") }
	return "postgres:///" + url.PathEscape(database) + "?host=" + escape(s.place.socket) +
		"&port=" + port + "&user=" + superuser
}

// enter makes dir and returns its users.lock, held shared.
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
		// Not linked, or not even found: a throwaway directory was removed under us; make it anew.
		users.release()
		if err != nil && !errors.Is(err, errLockGone) {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("enter %s: %w", dir, err)
		}
	}
}

// open brings the server and the database up. The caller is a user: users.lock is held.
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

// connect returns when the server runs and has the database. A postmaster can be killed, or begin
// to die, between the one and the other: then once more.
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

// starting calls do under start.lock.
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

// leave gives up our hold, and ends the server when nobody else has one.
func (s *Server) leave() error {
	if !s.users.linked() {
		s.users.release()
		return nil // Somebody removed Dir by hand; what is there now is not ours.
	}
	return s.starting(context.Background(), func() error {
		// Before start.lock is: the next to leave must not take what we hold then for a user.
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
			// Neither: the guardian was faster and holds it alone. Wait until it has stopped the server.
			time.Sleep(pollEvery)
		}
	})
}

// end stops the server and clears up. The caller holds users.lock alone.
func (s *Server) end() error {
	if !s.users.linked() || s.place.data == "" {
		return nil // The guardian ended it all, directory included.
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

// dismiss lets the guardian find that there is nothing to do, and returns when it has, but for its exit, so
// that nothing of ours is left when Close returns, nor touches a directory that is removed then.
// With a newcomer it stays.
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
			newcomer, err := s.users.try(unix.LOCK_SH)
			if newcomer || err != nil {
				return err
			}
		}
		if err := s.users.unlock(); err != nil {
			return err
		}
		time.Sleep(pollEvery)
	}
}

// watch restarts a postmaster that died, so that a long-lived user comes back by itself.
func (s *Server) watch(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	var said string
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
			s.cfg.Logf("data directory %s was removed: its PostgreSQL is not started again", s.cfg.Dir)
			return
		}
		err := s.starting(ctx, func() error { return s.run(ctx) })
		if err != nil && ctx.Err() == nil && err.Error() != said {
			said = err.Error()
			s.cfg.Logf("%s", said)
		}
	}
}
