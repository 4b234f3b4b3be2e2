package pg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/alsobought/alsobought/migrations"
)

// ErrSchema means that the database is not at the schema version this program requires.
var ErrSchema = errors.New("wrong schema")

// Migration is one step of the schema.
type Migration struct {
	Version   int64      `json:"version"`
	Name      string     `json:"name"`
	AppliedAt *time.Time `json:"applied_at"` // nil if it is not applied
}

// functionsName is the name of all functions and views together, listed after the numbered migrations.
const functionsName = "functions"

// MigrateUp applies all pending migrations, installs this program's functions and views, and returns what it did. It
// may be called concurrently: a session lock admits one caller at a time. While it waits, notices are called with what
// it waits for. New objects belong to the owner of the tables, whose member the pool's role must be, or, in an empty
// database, to the pool's role.
func MigrateUp(ctx context.Context, pool *pgxpool.Pool, notices ...func(string)) ([]Migration, error) {
	return migrateUp(ctx, pool, "", notices)
}

// MigrateUpWithRoles is MigrateUp with roles. It first creates prefix_owner (unless the tables exist), prefix_loader,
// prefix_server and prefix_reporting if they are missing, and finally grants them their privileges.
func MigrateUpWithRoles(
	ctx context.Context, pool *pgxpool.Pool, prefix string, notices ...func(string),
) ([]Migration, error) {
	if err := validatePrefix(prefix); err != nil {
		return nil, err
	}
	return migrateUp(ctx, pool, prefix, notices)
}

func migrateUp(ctx context.Context, pool *pgxpool.Pool, prefix string, notices []func(string)) ([]Migration, error) {
	p, err := locateToMigrate(ctx, pool)
	if err != nil {
		return nil, err
	}
	current := CheckSchema(ctx, pool) == nil
	if current && prefix == "" && p.ReadOnly {
		return nil, nil // the primary was migrated
	}
	if err := p.mayMigrate(); err != nil {
		return nil, err
	}
	owner := cmp.Or(p.Owner, p.Role)
	if prefix != "" {
		if !p.installed() {
			owner = prefix + "_owner"
		}
		if err := prepareRoles(ctx, pool, p, owner, prefix); err != nil {
			return nil, err
		}
	}
	if current && prefix == "" {
		if intact, err := intact(ctx, pool); err != nil || intact {
			return nil, err
		}
	}
	if err := p.mayCreate(ctx, pool, owner); err != nil && !current {
		return nil, err
	}
	acting, err := p.acting(ctx, pool, owner)
	if err != nil {
		return nil, err
	}
	defer acting.Close()
	if holder, err := migrationHolder(ctx, pool); err == nil && holder != "" { // the next statement reports any error
		for _, notice := range notices {
			notice("another migration is running, in " + holder + ": waiting for it to end")
		}
	}
	w, err := newPatience(ctx, pool, notices)
	if err != nil {
		return nil, err
	}
	applied, err := applyAll(ctx, acting, w)
	if err == nil && prefix != "" {
		err = assignRoles(ctx, acting, prefix)
	}
	return applied, p.explain(ctx, pool, owner, err)
}

func applyAll(ctx context.Context, pool *pgxpool.Pool, w patience) ([]Migration, error) {
	if err := advanceVersions(ctx, pool); err != nil {
		return nil, err
	}
	var applied []Migration
	err := withProvider(pool, func(p *goose.Provider) error {
		results, err := stepwise(ctx, w, p.Up)
		applied = done(results)
		if err != nil {
			return err
		}
		// An older program must not restore its functions.
		current, target, err := p.GetVersions(ctx)
		if err == nil && current > target {
			err = newerSchema(current, target)
		}
		return err
	})
	if err != nil {
		return applied, err
	}
	replaced, err := replaceFunctions(ctx, pool, w, len(applied) > 0)
	if replaced {
		applied = append(applied, Migration{Name: functionsName})
	}
	return applied, err
}

// advanceVersions advances the sequence of goose's table. With wal_level = minimal, PostgreSQL does not log a sequence
// used in the transaction that created it, as goose's is, and after a crash it would return the same numbers again.
func advanceVersions(ctx context.Context, pool *pgxpool.Pool) error {
	var exists bool
	if err := pool.QueryRow(ctx, "SELECT to_regclass('goose_db_version') IS NOT NULL").Scan(&exists); err != nil ||
		!exists {
		return err
	}
	_, err := pool.Exec(ctx, `
		SELECT setval('goose_db_version_id_seq', g.newest)
		FROM (SELECT max(v.id) AS newest FROM goose_db_version AS v) AS g
		WHERE g.newest > (SELECT s.last_value FROM goose_db_version_id_seq AS s)`)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	return nil
}

// MigrateDown reverts the newest migration, or all of them, and deletes the data in their tables. notices are called as
// in MigrateUp.
func MigrateDown(ctx context.Context, pool *pgxpool.Pool, all bool, notices ...func(string)) ([]Migration, error) {
	p, err := locateToMigrate(ctx, pool)
	if err == nil {
		err = p.mayMigrate()
	}
	if err != nil || !p.installed() {
		return nil, err
	}
	acting, err := p.acting(ctx, pool, p.Owner)
	if err != nil {
		return nil, err
	}
	defer acting.Close()
	w, err := newPatience(ctx, pool, notices)
	if err != nil {
		return nil, err
	}
	var reverted []Migration
	err = withProvider(acting, func(p *goose.Provider) error {
		if all {
			results, err := stepwise(ctx, w,
				func(ctx context.Context) ([]*goose.MigrationResult, error) { return p.DownTo(ctx, 0) })
			reverted = done(results)
			return err
		}
		result, err := patiently(ctx, w, p.Down)
		if errors.Is(err, goose.ErrNoNextVersion) {
			return nil
		}
		if result != nil {
			reverted = done([]*goose.MigrationResult{result})
		}
		return err
	})
	return reverted, p.explain(ctx, pool, p.Owner, err)
}

// MigrateStatus lists all migrations of this program and when they were applied. The functions come last.
func MigrateStatus(ctx context.Context, pool *pgxpool.Pool) ([]Migration, error) {
	p, err := locateToMigrate(ctx, pool)
	if err != nil {
		return nil, err
	}
	var list []Migration
	if !p.installed() {
		if p.Elsewhere != "" {
			return nil, p.notFound()
		}
		for _, name := range sources() {
			list = append(list, Migration{Version: versionOf(name), Name: name})
		}
		return append(list, Migration{Name: functionsName}), nil
	}
	acting, err := p.acting(ctx, pool, p.Role)
	if err != nil {
		return nil, err
	}
	defer acting.Close()
	err = withProvider(acting, func(p *goose.Provider) error {
		status, err := p.Status(ctx)
		for _, s := range status {
			m := Migration{Version: s.Source.Version, Name: s.Source.Path}
			if s.State == goose.StateApplied {
				at := s.AppliedAt
				m.AppliedAt = &at
			}
			list = append(list, m)
		}
		return err
	})
	if err != nil {
		return list, err
	}
	functions := Migration{Name: functionsName}
	current, at, err := installedFunctions(ctx, acting)
	if current {
		functions.AppliedAt = &at
	}
	return append(list, functions), err
}

// CheckSchema returns ErrSchema, with what to do, unless the database has exactly the migrations of this program.
func CheckSchema(ctx context.Context, pool *pgxpool.Pool) error {
	p, err := locate(ctx, pool)
	if err != nil {
		return err
	}
	if !p.installed() {
		return p.notFound()
	}
	var current int64
	const newest = "SELECT coalesce(max(v.version_id), 0) FROM goose_db_version AS v"
	if err := pool.QueryRow(ctx, newest).Scan(&current); err != nil {
		return fmt.Errorf("find the version of the schema: %w", err)
	}
	all := sources()
	target := versionOf(all[len(all)-1])
	switch {
	case current < target:
		return fmt.Errorf("%w: the database is at version %d, this program needs %d: run alsobought migrate up",
			ErrSchema, current, target)
	case current > target:
		return newerSchema(current, target)
	}
	same, _, err := installedFunctions(ctx, pool)
	if err == nil && !same {
		err = fmt.Errorf("%w: the functions in the database are from another version of alsobought: "+
			"run alsobought migrate up", ErrSchema)
	}
	return err
}

// sources returns the names of the migration files, by version.
func sources() []string {
	names, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		panic(fmt.Sprintf("pg: %v", err)) // the pattern above is wrong
	}
	return names
}

func versionOf(source string) int64 {
	version, err := goose.NumericComponent(source)
	if err != nil {
		panic(fmt.Sprintf("pg: %v", err)) // wrong name of an embedded file
	}
	return version
}

func newerSchema(current, target int64) error {
	return fmt.Errorf("%w: the database is at version %d, this program supports %d: use a newer alsobought",
		ErrSchema, current, target)
}

func withProvider(pool *pgxpool.Pool, do func(*goose.Provider) error) error {
	// Retry every second until ctx is done: another migration may take long.
	const second, patience = 1, 24 * 60 * 60
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(second, patience))
	if err != nil {
		return fmt.Errorf("migration lock: %w", err)
	}
	database := stdlib.OpenDBFromPool(pool)
	provider, err := goose.NewProvider(goose.DialectPostgres, database, migrations.FS,
		goose.WithSessionLocker(impatientLocker{locker}))
	if err != nil {
		return errors.Join(fmt.Errorf("migrations: %w", err), database.Close())
	}
	return errors.Join(do(provider), provider.Close())
}

func done(results []*goose.MigrationResult) []Migration {
	list := make([]Migration, 0, len(results))
	for _, r := range results {
		if r.Error == nil {
			list = append(list, Migration{Version: r.Source.Version, Name: r.Source.Path})
		}
	}
	return list
}

// SchemaVersion returns the version of the newest applied migration, 0 without any, and when the first one was applied,
// which identifies the database.
func SchemaVersion(ctx context.Context, pool *pgxpool.Pool) (version int64, since time.Time, err error) {
	var exists bool
	if err := pool.QueryRow(ctx, "SELECT to_regclass('goose_db_version') IS NOT NULL").Scan(&exists); err != nil ||
		!exists {
		return 0, since, err
	}
	err = pool.QueryRow(ctx, "SELECT max(version_id), min(tstamp) FROM goose_db_version WHERE is_applied").Scan(&version,
		&since)
	return version, since, err
}
