package backup

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/localpg"
	"github.com/alsobought/alsobought/internal/pg"
)

var (
	// grant matches the privilege entries of pg_restore --list.
	grant       = regexp.MustCompile(`(?m)^\d+; \d+ \d+ (DEFAULT )?ACL .*$`)
	missingRole = regexp.MustCompile(`ERROR:  role "(.+)" does not exist`)
)

// makeRole creates the reporting role as the migrations do. Roles belong to the server and are not in a dump.
const makeRole = `DO $$ BEGIN
	CREATE ROLE alsobought_reporting NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
END $$`

// Restore restores a backup into the pool's database, which must be empty, in one transaction. The current user
// owns the restored objects. Restore returns the roles that have privileges in the backup but do not exist on
// this server; their privileges are skipped.
func Restore(ctx context.Context, pool *pg.Pool, b Backup, binDir string) (missing []string, err error) {
	if err := pg.RequireSessions(ctx, pool); err != nil {
		return nil, err
	}
	var number int
	if err := pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&number); err != nil {
		return nil, fmt.Errorf("read the server version: %w", err)
	}
	server := number / 10000
	if server < b.Manifest.Server {
		return nil, fmt.Errorf("the backup is from PostgreSQL %d, but this server is version %d: restore into %d or newer",
			b.Manifest.Server, server, b.Manifest.Server)
	}
	obstacle, err := db.New(pool).RestoreObstacle(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the database: %w", err)
	}
	if obstacle != "" {
		return nil, fmt.Errorf("the database is not empty (it has %s): restore into a new one", obstacle)
	}
	program, _, err := localpg.Program(ctx, binDir, "pg_restore", max(b.Manifest.PgDump, server))
	if err != nil {
		return nil, err
	}
	if _, err := pool.Exec(ctx, makeRole); err != nil {
		return nil, fmt.Errorf("create the reporting role: %w", err)
	}
	dump := filepath.Join(b.Path, dumpName)
	err = run(ctx, command(ctx, pool, program,
		"--single-transaction", "--exit-on-error", "--no-owner", "--no-tablespaces", "--no-privileges", dump))
	if err != nil {
		return nil, fmt.Errorf("nothing was restored: %w", err)
	}
	if err := findTables(ctx, pool, b.Manifest.TablesIn); err != nil {
		return nil, fmt.Errorf("everything was restored except the search_path: %w", err)
	}
	if missing, err = restoreGrants(ctx, pool, program, dump); err != nil {
		return nil, fmt.Errorf("everything was restored except privileges: %w", err)
	}
	// Dumps contain no statistics.
	if _, err := pool.Exec(ctx, "VACUUM (ANALYZE)"); err != nil {
		return missing, fmt.Errorf("everything was restored, but not analyzed: %w", err)
	}
	return missing, nil
}

// findTables sets the database's search_path to schema if the tables are not found otherwise: the dump of a
// database does not include its settings.
func findTables(ctx context.Context, pool *pg.Pool, schema string) error {
	var found bool
	if err := pool.QueryRow(ctx, "SELECT to_regclass('goose_db_version') IS NOT NULL").Scan(&found); err != nil || found {
		return err
	}
	var database string
	if err := pool.QueryRow(ctx, "SELECT quote_ident(current_database())").Scan(&database); err != nil {
		return err
	}
	_, err := pool.Exec(ctx, "ALTER DATABASE "+database+" SET search_path = "+schema) // quoted, as it was read
	pool.Reset()
	return err
}

// restoreGrants restores the privileges statement by statement, which only psql can do, so that a missing role
// does not prevent the privileges of others.
func restoreGrants(ctx context.Context, pool *pg.Pool, program, dump string) (missing []string, err error) {
	contents, err := output(ctx, exec.CommandContext(ctx, program, "--list", dump))
	if err != nil {
		return nil, err
	}
	list, err := os.CreateTemp("", "alsobought-rights-")
	if err != nil {
		return nil, fmt.Errorf("make a temporary file: %w", err)
	}
	defer func() { _ = os.Remove(list.Name()) }() // best-effort cleanup
	_, err = list.Write(bytes.Join(grant.FindAll(contents, -1), []byte("\n")))
	if err := errors.Join(err, list.Close()); err != nil {
		return nil, fmt.Errorf("write a temporary file: %w", err)
	}
	script, err := output(ctx,
		exec.CommandContext(ctx, program, "--no-owner", "--use-list="+list.Name(), "--file=-", dump))
	if err != nil {
		return nil, err
	}
	psql := command(ctx, pool, filepath.Join(filepath.Dir(program), "psql"),
		"--no-psqlrc", "--quiet", "--output=/dev/null")
	psql.Stdin = bytes.NewReader(script)
	var stderr strings.Builder
	psql.Stderr = &stderr
	if err := psql.Run(); err != nil {
		return nil, cmp.Or(ctx.Err(), error(&programError{"psql", stderr.String(), err}))
	}
	found := missingRole.FindAllStringSubmatch(stderr.String(), -1)
	if len(found) != strings.Count(stderr.String(), "ERROR:") {
		return nil, &programError{"psql", stderr.String(), errors.New("failed")}
	}
	for _, match := range found {
		if !slices.Contains(missing, match[1]) {
			missing = append(missing, match[1])
		}
	}
	return missing, nil
}
