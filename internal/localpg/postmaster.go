package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stopPatience is how long a fast shutdown, which writes a checkpoint, may take before we kill the server.
// Killing loses no data; it only costs a recovery.
const stopPatience = 20 * time.Second

// postmaster is the content of postmaster.pid, and whether it is accurate.
type postmaster struct {
	pid   int
	alive bool // pid is a postgres of this data directory
	ready bool // it accepts connections
}

func readPostmaster(data string) postmaster {
	content, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return postmaster{}
	}
	lines := strings.Split(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil {
		return postmaster{}
	}
	pid = max(pid, -pid) // negative for postgres --single
	return postmaster{
		pid:   pid,
		alive: pid > 1 && isPostgres(pid, data),
		ready: len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready",
	}
}

// run starts or restarts the server if needed and returns when it accepts connections. The caller holds
// start.lock and users.lock.
func (s *Server) run(ctx context.Context) error {
	var started *launch
	defer func() { started.close() }()
	for {
		server, err := openLock(s.cfg.Dir, serverLock)
		if err != nil {
			return err
		}
		free, err := server.try(unix.LOCK_EX)
		if err == nil && free && started != nil {
			err = s.failure("start the private PostgreSQL", started.log)
		}
		if err == nil && free {
			started, err = s.launch(ctx, server)
		}
		server.close()
		if err != nil {
			return err
		}

		switch master := readPostmaster(s.place.data); {
		case master.alive && master.ready && !free:
			if started != nil {
				s.cfg.Logf("%s", started.report(s.place))
			}
			return nil
		case !master.alive && !free && started == nil:
			// The postmaster was killed, and a busy backend may not notice for a long time. (Or a starter was
			// killed before its postmaster wrote a process ID; then nothing is lost.)
			killAll(s.place.data)
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("wait for the private PostgreSQL in %s: %w", s.place.data, err)
		}
	}
}

// launch is a start of the postmaster in progress.
type launch struct {
	major     int
	recovered bool
	log       *serverLog
}

func (l *launch) close() {
	if l != nil {
		l.log.close()
	}
}

func (l *launch) report(p place) string {
	did := "started"
	if l.recovered {
		did = "recovered"
	}
	line := fmt.Sprintf("private PostgreSQL %d %s, data in %s", l.major, did, p.data)
	if p.account.name != "" {
		line += ", as user " + p.account.name
	}
	if p.moved() {
		line += ", who cannot enter " + p.dir
	}
	return line
}

// launch starts a postmaster, which inherits the server lock, without waiting for it. The caller holds the
// server lock exclusively, which proves that no process of an earlier server is left.
func (s *Server) launch(ctx context.Context, server *lock) (started *launch, err error) {
	if master := readPostmaster(s.place.data); master.alive {
		return nil, fmt.Errorf("a PostgreSQL that alsobought did not start is running in %s (process %d): stop it first",
			s.place.data, master.pid)
	}
	major, err := s.place.majorOfData()
	if err != nil {
		return nil, err
	}
	bin, err := findBinaries(ctx, s.cfg.BinDir, major)
	if err != nil {
		return nil, err
	}
	log, err := openServerLog(s.cfg.Dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			log.close()
		}
	}()
	if major == 0 {
		if err := s.createCluster(ctx, bin, server, log); err != nil {
			return nil, err
		}
	}
	if err := s.place.makeSocketDir(); err != nil {
		return nil, err
	}
	recovered, err := s.place.removeStale()
	if err != nil {
		return nil, err
	}

	// The shell moves it to the background, so that init reaps it, perhaps long after we have exited.
	args := []string{"-c", `"$0" "$@" &`, bin.path("postgres"), "-D", s.place.data}
	for _, setting := range s.settings() {
		args = append(args, "-c", setting)
	}
	cmd := s.place.account.command(ctx, "/bin/sh", args...)
	cmd.Stdout, cmd.Stderr = log.file, log.file
	cmd.ExtraFiles = []*os.File{server.file}
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("start the private PostgreSQL: %w", err)
	}
	return &launch{major: bin.major, recovered: recovered, log: log}, nil
}

// removeStale removes the files of a postmaster that no longer exists; PostgreSQL would refuse to start if
// another process got its process ID. It reports whether there were any.
func (p place) removeStale() (bool, error) {
	found := false
	for _, path := range []string{
		filepath.Join(p.data, "postmaster.pid"),
		filepath.Join(p.socket, socketName+".lock"),
		filepath.Join(p.socket, socketName),
	} {
		err := os.Remove(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("remove stale file: %w", err)
		}
		found = found || err == nil
	}
	return found, nil
}

// stop stops the server, if it is running, and returns when none of its processes is left. The caller holds
// users.lock exclusively.
func (s *Server) stop() error {
	patience := time.Now().Add(stopPatience)
	for {
		server, err := openLock(s.cfg.Dir, serverLock)
		if err != nil {
			return err
		}
		ended, err := server.try(unix.LOCK_EX)
		server.close()
		if ended || err != nil {
			return err
		}
		switch master := readPostmaster(s.place.data); {
		case !master.alive, time.Now().After(patience):
			killAll(s.place.data)
		default:
			// Repeating a fast shutdown is harmless. An error means that the server has just ended.
			_ = syscall.Kill(master.pid, syscall.SIGINT)
		}
		time.Sleep(pollEvery)
	}
}

func (s *Server) failure(doing string, log *serverLog) error {
	if s.cfg.Throwaway {
		return fmt.Errorf("%s: %s", doing, log.reason())
	}
	return fmt.Errorf("%s: %s (log: %s)", doing, log.reason(), log.file.Name())
}
