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
	// port is a part of the socket's name, nothing more.
	port       = "5432"
	socketName = ".s.PGSQL." + port
	// newSuffix names the sibling in which a cluster is made, to be renamed when whole.
	newSuffix = ".new"
	// enoughShm is what /dev/shm must hold for the hash tables of parallel queries. Containers have 64 MB.
	enoughShm = 1 << 30
)

// majorOfData is the major version that made the cluster, 0 when there is none.
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

// createCluster runs initdb beside the data directory, so that one killed in the middle leaves
// nothing that looks like a cluster. The programs inherit server.
func (s *Server) createCluster(ctx context.Context, bin binaries, server *lock, log *serverLog) error {
	fresh := s.place.data + newSuffix
	var err error
	// Order is by byte, as fast as it gets, and the same everywhere; lower() knows all letters
	// where the system has C.UTF-8.
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
	// A name lost with the power would leave committed data under the name of an unfinished cluster.
	parent, err := os.Open(filepath.Dir(s.place.data))
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	defer func() { _ = parent.Close() }() // read only
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

// settings are given on the command line: that leaves the files of the cluster to its owner.
func (s *Server) settings() []string {
	cores := runtime.GOMAXPROCS(0)
	settings := []string{
		"listen_addresses=", // No TCP, ever.
		"port=" + port,
		"unix_socket_directories=" + s.place.socket,
		"unix_socket_permissions=0700",
		"max_connections=100",

		"shared_buffers=256MB",
		"effective_cache_size=1GB",
		"work_mem=32MB",
		"maintenance_work_mem=256MB",
		"huge_pages=off", // A container may show some and kill who touches them.
		"dynamic_shared_memory_type=" + sharedMemoryType(),

		"wal_level=minimal", // Nobody replicates; a load into a new table then skips the log.
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
		"lc_messages=C", // The log is read by us, see serverLog.reason.
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

// sharedMemoryType is mmap, that is files, where /dev/shm is too small for a parallel hash join.
func sharedMemoryType() string {
	var shm unix.Statfs_t
	if err := unix.Statfs("/dev/shm", &shm); err != nil || shm.Blocks*uint64(shm.Bsize) < enoughShm {
		return "mmap"
	}
	return "posix"
}

// createDatabase creates Config.Database when it is missing. The caller holds start.lock, so
// nobody else does at the same time.
func (s *Server) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.urlOf("postgres"))
	if err != nil {
		return fmt.Errorf("connect to the private PostgreSQL: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // all it had to say was said
	var found bool
	const find = `SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1)`
	if err := conn.QueryRow(ctx, find, s.cfg.Database).Scan(&found); err != nil {
		return fmt.Errorf("look for database %s: %w", s.cfg.Database, err)
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
