package localpg

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"
)

const (
	superuser = "alsobought"
	// port is only used in the name of the socket file.
	port       = "5432"
	socketName = ".s.PGSQL." + port
	// newSuffix is the suffix of the directory in which a cluster is created before it gets its final name.
	newSuffix = ".new"
	// enoughShm is the space that the hash tables of parallel queries need in /dev/shm. Containers have 64 MB
	// by default.
	enoughShm = 1 << 30
)

// majorOfData returns the major version that created the cluster, or 0 if there is none.
func (p place) majorOfData() (int, error) {
	if !p.hasCluster() {
		return 0, nil
	}
	content, err := os.ReadFile(filepath.Join(p.data, "PG_VERSION"))
	if err != nil {
		return 0, fmt.Errorf("data directory: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return 0, fmt.Errorf("data directory %s: PG_VERSION is %q", p.data, content)
	}
	return major, nil
}

// createCluster runs initdb next to the data directory, so that an interrupted initdb leaves nothing that looks
// like a cluster. The programs inherit the server lock.
func (s *Server) createCluster(ctx context.Context, bin binaries, server *lock, log *serverLog) error {
	fresh := s.place.data + newSuffix
	var err error
	// The C collation sorts by byte, which is fastest and the same everywhere. lower() handles non-ASCII
	// letters if the system has C.UTF-8.
	for _, ctype := range []string{"C.UTF-8", "C"} {
		if err = s.initdb(ctx, bin, fresh, ctype, server, log); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return err
	}
	if err := os.Rename(fresh, s.place.data); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if s.cfg.Throwaway {
		return nil
	}
	// If the rename were lost in a power failure, committed data would be under the name of an unfinished
	// cluster.
	parent, err := os.Open(filepath.Dir(s.place.data))
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	defer func() { _ = parent.Close() }() // opened for sync only
	if err := parent.Sync(); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}

func (s *Server) initdb(ctx context.Context, bin binaries, fresh, ctype string, server *lock, log *serverLog) error {
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("remove unfinished data directory: %w", err)
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if err := s.place.account.give(fresh); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	args := []string{
		"-D", fresh, "--username=" + superuser, "--auth=trust",
		"--encoding=UTF8", "--locale=C", "--lc-ctype=" + ctype, "--no-instructions",
	}
	if s.cfg.Throwaway {
		args = append(args, "--no-sync")
	}
	cmd := s.place.account.command(ctx, bin.path("initdb"), args...)
	cmd.Stdout, cmd.Stderr = log.file, log.file
	cmd.ExtraFiles = []*os.File{server.file}
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("create the database cluster: %w", ctx.Err())
		}
		return s.failure("create the database cluster", log)
	}
	return nil
}

// settings returns the server's command-line settings. Passing them this way leaves the files of the cluster to
// its owner.
func (s *Server) settings() []string {
	cores := runtime.GOMAXPROCS(0)
	settings := []string{
		"listen_addresses=", // never TCP
		"port=" + port,
		"unix_socket_directories=" + s.place.socket,
		"unix_socket_permissions=0700",
		"max_connections=100",

		"shared_buffers=256MB",
		"effective_cache_size=1GB",
		"work_mem=32MB",
		"maintenance_work_mem=256MB",
		"huge_pages=off", // a container may advertise huge pages and kill processes that use them
		"dynamic_shared_memory_type=" + sharedMemoryType(),

		"wal_level=minimal", // no replication; loads into new tables skip the WAL
		"max_wal_senders=0",
		"wal_compression=on",
		"min_wal_size=256MB",
		"max_wal_size=4GB",
		"checkpoint_timeout=15min",

		"random_page_cost=1.1",
		"jit=off",
		fmt.Sprintf("max_worker_processes=%d", max(8, cores)),
		fmt.Sprintf("max_parallel_workers=%d", max(2, cores)),
		fmt.Sprintf("max_parallel_workers_per_gather=%d", max(2, cores/2)),

		"timezone=UTC",
		"log_timezone=UTC",
		"lc_messages=C", // parsed by serverLog.reason
		"log_min_messages=warning",
		"log_checkpoints=off",
		"logging_collector=off",
		"log_destination=stderr",
	}
	if s.cfg.Throwaway {
		settings = append(settings, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	} else {
		settings = append(settings, "fsync=on", "synchronous_commit=on", "full_page_writes=on")
	}
	return append(settings, s.cfg.Settings...)
}

// sharedMemoryType returns mmap (files) if /dev/shm is too small for parallel hash joins.
func sharedMemoryType() string {
	var shm unix.Statfs_t
	if err := unix.Statfs("/dev/shm", &shm); err != nil || shm.Blocks*uint64(shm.Bsize) < enoughShm {
		return "mmap"
	}
	return "posix"
}

// createDatabase creates Config.Database if it is missing. The caller holds start.lock, so nobody else is doing
// so.
func (s *Server) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.urlOf("postgres"))
	if err != nil {
		return fmt.Errorf("connect to the private PostgreSQL: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // best-effort close
	var found bool
	const find = `SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1)`
	if err := conn.QueryRow(ctx, find, s.cfg.Database).Scan(&found); err != nil {
		return fmt.Errorf("find database %s: %w", s.cfg.Database, err)
	}
	if found {
		return nil
	}
	create := "CREATE DATABASE " + pgx.Identifier{s.cfg.Database}.Sanitize()
	if _, err := conn.Exec(ctx, create); err != nil {
		return fmt.Errorf("create database %s: %w", s.cfg.Database, err)
	}
	return nil
}
