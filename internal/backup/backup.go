// Package backup makes backups, checks them, and restores them into empty databases.
//
// A backup is a directory: dump, which pg_dump wrote; manifest.json, what the database was like at that moment,
// with nothing personal in it; and SHA256SUMS over both. Dump and manifest are of one snapshot, so that years
// later a restored database can be compared with what was, not with what has become of it. The package never
// changes a database that is not empty.
package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/localpg"
	"github.com/alsobought/alsobought/internal/pg"
)

// DefaultKeep is how many backups of a database are kept.
const DefaultKeep = 7

const (
	nameLayout = "alsobought-20060102T150405Z"
	unfinished = ".unfinished"
	lockName   = ".lock"
	dumpName   = "dump"
)

// Options say where a backup goes and how it is made.
type Options struct {
	Dir     string // where backups are; made if missing
	Keep    int    // how many of this database to keep, the new one included; 0 is all
	Jobs    int    // tables dumped at once
	BinDir  string // where pg_dump is; "" searches the usual places
	Version string // of this program
}

// Backup is a finished one.
type Backup struct {
	Path     string
	Manifest Manifest
}

// Name is the last part of the path.
func (b Backup) Name() string { return filepath.Base(b.Path) }

// Make makes a backup, in a directory of another name until it is whole and on disk, and then removes what Keep
// does not keep. If only that fails, the backup is returned with the error.
func Make(ctx context.Context, pool *pg.Pool, opts Options) (made Backup, pruned []string, err error) {
	schema, since, err := pg.SchemaVersion(ctx, pool)
	if err != nil {
		return made, nil, fmt.Errorf("look at the database: %w", err)
	}
	if schema == 0 {
		return made, nil, errors.New("the database has no alsobought tables: there is nothing to back up")
	}
	made.Manifest = Manifest{Format: format, Version: opts.Version, Schema: schema, DatabaseSince: since.UTC()}
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return made, nil, fmt.Errorf("directory of backups: %w", err)
	}
	lock, err := lockDir(opts.Dir)
	if err != nil {
		return made, nil, err
	}
	defer func() { _ = lock.Close() }() // which gives it back
	if err := removeUnfinished(opts.Dir); err != nil {
		return made, nil, err
	}
	began := time.Now()
	if made.Path, err = freePath(ctx, opts.Dir); err != nil {
		return made, nil, err
	}
	work := made.Path + unfinished
	if err := os.Mkdir(work, 0o700); err != nil {
		return made, nil, fmt.Errorf("directory of the backup: %w", err)
	}
	if err := dump(ctx, pool, opts, work, lock, &made.Manifest); err != nil {
		return made, nil, errors.Join(err, os.RemoveAll(work))
	}
	made.Manifest.Seconds = time.Since(began).Seconds()
	if err := seal(work, &made); err != nil {
		return Backup{}, nil, errors.Join(err, os.RemoveAll(work))
	}
	pruned, err = prune(opts.Dir, made, opts.Keep)
	return made, pruned, err
}

// lockDir makes the caller the only one who makes or removes backups there. pg_dump inherits the lock, so that
// one whose parent was killed still has its place to itself.
func lockDir(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("directory of backups: %w", err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("another backup is running in %s: wait until it ends", dir)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// freePath is a backup's path that nothing has. Names have seconds, so that of two in one second the other has to wait.
func freePath(ctx context.Context, dir string) (string, error) {
	for {
		path := filepath.Join(dir, time.Now().UTC().Format(nameLayout))
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// dump writes the dump into work and what the manifest says of the database, in one snapshot.
func dump(ctx context.Context, pool *pg.Pool, opts Options, work string, lock *os.File, m *Manifest) error {
	current := pg.CheckSchema(ctx, pool)
	if current != nil && !errors.Is(current, pg.ErrSchema) {
		return fmt.Errorf("look at the database: %w", current)
	}
	var number int
	err := pool.QueryRow(ctx, `
		SELECT current_setting('server_version_num')::int, c.relnamespace::regnamespace::text
		FROM pg_class AS c WHERE c.oid = 'goose_db_version'::regclass`).Scan(&number, &m.TablesIn)
	if err != nil {
		return fmt.Errorf("look at the server: %w", err)
	}
	m.Server = number / 10000
	program, major, err := localpg.Program(ctx, opts.BinDir, "pg_dump", m.Server)
	if err != nil {
		return err
	}
	m.PgDump = major
	return pg.Reserve(ctx, pool, func(conn *pgx.Conn) error {
		// A load into empty tables freezes its rows, which older snapshots then see, too: none begins before an
		// empty database is dumped.
		if err := pg.LockShared(ctx, conn, pg.MergeLock, 0); err != nil {
			return err
		}
		vacant, err := db.New(conn).TablesAreVacant(ctx)
		if err != nil {
			return fmt.Errorf("look for orders: %w", err)
		}
		return pg.InTx(ctx, conn, snapshotOnly, func(tx pgx.Tx) error {
			var snapshot string
			if err := tx.QueryRow(ctx, "SELECT pg_export_snapshot(), now()").Scan(&snapshot, &m.MadeAt); err != nil {
				return fmt.Errorf("take a snapshot: %w", err)
			}
			m.MadeAt = m.MadeAt.UTC()
			if !vacant {
				if _, err := tx.Exec(ctx, "SELECT pg_advisory_unlock_shared($1::integer, 0)", pg.MergeLock); err != nil {
					return fmt.Errorf("unlock: %w", err)
				}
			}
			// First the dump: whoever holds a lock on a table while pg_dump waits for one may wait for ever.
			cmd := dumpCommand(ctx, program, pool, opts.Jobs, snapshot, m.TablesIn, filepath.Join(work, dumpName))
			cmd.ExtraFiles = []*os.File{lock}
			if err := run(ctx, cmd); err != nil {
				return err
			}
			return m.describe(ctx, tx, current == nil)
		})
	})
}

func dumpCommand(ctx context.Context, program string, pool *pg.Pool, jobs int, snapshot, schema, to string) *exec.Cmd {
	return command(ctx, pool, program,
		"--format=directory", "--jobs="+strconv.Itoa(max(jobs, 1)), "--file="+to, "--snapshot="+snapshot,
		// Twice as fast as the default, and a sixth larger.
		"--compress=1",
		// A build makes, renames and drops them while we read.
		"--exclude-table="+schema+".new_*")
}

var snapshotOnly = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
