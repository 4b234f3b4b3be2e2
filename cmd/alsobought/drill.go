package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/backup"
	"github.com/alsobought/alsobought/internal/doctor"
	"github.com/alsobought/alsobought/internal/pg"
)

type drillCommand struct {
	Backup string `arg:"" optional:"" help:"Backup directory (default: the newest backup)."`
	backupDir
}

// Run prints a line for each step that succeeds and stops at the first failure. It compares the restored database with
// the manifest of the backup; the original database need not exist any more.
func (c *drillCommand) Run(ctx context.Context, term *terminal, d *database) (err error) {
	began := time.Now()
	path := c.Backup
	if path == "" {
		if path, err = backup.Newest(c.BackupDir); err != nil {
			return err
		}
	}
	b, err := backup.Open(ctx, path)
	if err != nil {
		return fmt.Errorf("drill failed: %w", err)
	}
	m := b.Manifest
	fmt.Fprintf(term.stdout, "drill of %s, made by alsobought %s %s ago\n",
		b.Path, printable(m.Version), age(time.Since(m.MadeAt)))
	fmt.Fprintf(term.stdout, "  read      %s in %d files, all checksums match, in %.2f s\n",
		megabytes(m.Bytes), m.Files, time.Since(began).Seconds())
	if err := drillRestore(ctx, term, d.PgBin, b); err != nil {
		return fmt.Errorf("drill failed: %w", err)
	}
	fmt.Fprintf(term.stdout, "  source    %s\n", sourceSince(ctx, term, d, m))
	fmt.Fprintf(term.stdout, "the backup is good; the drill took %.2f s\n", time.Since(began).Seconds())
	return nil
}

func drillRestore(ctx context.Context, term *terminal, pgBin string, b backup.Backup) error {
	data, remove, err := throwawayDatabase(pgBin)
	if err != nil {
		return err
	}
	defer remove()
	began := time.Now()
	pool, closeAll, err := data.connect(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	missing, err := backup.Restore(ctx, pool, b, pgBin)
	if err != nil {
		return err
	}
	fmt.Fprintf(term.stdout, "  restored  into a throw-away PostgreSQL in %.2f s\n", time.Since(began).Seconds())
	if len(missing) > 0 {
		fmt.Fprintf(term.stdout, "  rights    restored, except for roles that do not exist here: %s\n",
			printable(strings.Join(missing, ", ")))
	}
	compared, err := backup.Compare(ctx, pool, b.Manifest)
	if err != nil {
		return err
	}
	if len(compared.Differences) > 0 {
		return errors.New(strings.Join(compared.Differences, "; "))
	}
	fmt.Fprintf(term.stdout, "  rows      %s in %d tables, as in the backup\n",
		grouped(b.Manifest.Rows()), len(b.Manifest.Tables))
	answers := fmt.Sprintf("not compared: the schema of the backup is not that of this alsobought (%s)", version)
	if compared.AnswersCompared {
		answers = fmt.Sprintf("to %s questions, as in the backup", grouped(int64(b.Manifest.Answers.Questions)))
	}
	fmt.Fprintf(term.stdout, "  answers   %s\n", answers)
	return drillDoctor(ctx, term, pool)
}

// drillDoctor checks the restored database as the next command would find it: migrated, and with the loads and
// builds that ran during the backup marked as failed.
func drillDoctor(ctx context.Context, term *terminal, pool *pgxpool.Pool) error {
	if _, err := pg.MigrateUp(ctx, pool); err != nil {
		return err
	}
	if err := recoverInterrupted(ctx, pool, term); err != nil {
		return err
	}
	findings, checks, err := doctor.Run(ctx, pool)
	if err != nil {
		return err
	}
	if len(findings) > 0 {
		return fmt.Errorf("doctor found %d problems in the restored database, the first: %s: %s",
			len(findings), printable(findings[0].Subject), printable(findings[0].Problem))
	}
	fmt.Fprintf(term.stdout, "  doctor    %d checks, 0 findings\n", checks)
	return nil
}

// sourcePatience is how long to wait for the original database, which the drill does not need.
const sourcePatience = 10 * time.Second

// sourceSince describes how the original database has changed since its backup.
func sourceSince(ctx context.Context, term *terminal, d *database, m backup.Manifest) string {
	if d.DatabaseURL == "" {
		if _, err := os.Stat(d.DataDir); err != nil {
			return "not compared: there is no database in the data directory"
		}
	}
	ctx, cancel := context.WithTimeout(ctx, sourcePatience)
	defer cancel()
	pool, closeAll, err := d.connect(ctx, term)
	if err != nil {
		return "not compared: " + message(ctx, err)
	}
	defer closeAll()
	_, since, err := pg.SchemaVersion(ctx, pool)
	if err == nil && !since.Equal(m.DatabaseSince) {
		return "not compared: this is not the database of the backup"
	}
	counts, err := backup.CountRows(ctx, pool)
	if err != nil {
		return "not compared: " + message(ctx, err)
	}
	return movedOn(m.Tables, counts)
}

// movedOn lists the tables whose row counts changed, except those that exist per build.
func movedOn(before, after map[string]int64) string {
	if maps.Equal(before, after) {
		return "unchanged: every table has as many rows as in the backup"
	}
	var changes []string
	for _, table := range slices.Sorted(maps.Keys(after)) {
		if rows, found := before[table]; found && after[table] != rows {
			changes = append(changes, fmt.Sprintf("%s %+d", strings.TrimPrefix(table, "public."), after[table]-rows))
		}
	}
	if len(changes) == 0 {
		changes = []string{"different builds are kept"}
	}
	return "changed since: " + printable(strings.Join(changes, ", "))
}

func age(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%d days", d/day)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", d/time.Minute)
	}
	return fmt.Sprintf("%.2f s", max(d, 0).Seconds())
}
