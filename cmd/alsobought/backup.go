package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/alsobought/alsobought/internal/backup"
)

// backupDir is the flag for the directory of the backups.
type backupDir struct {
	BackupDir string `env:"ALSOBOUGHT_BACKUP_DIR" default:"backups" placeholder:"DIR" help:"Directory of the backups (default ${default})."`
}

type backupCommand struct {
	backupDir
	Keep int `env:"ALSOBOUGHT_BACKUP_KEEP" default:"7" placeholder:"N" help:"Backups of this database to keep; 0 for all (default ${default})."`
	Jobs int `placeholder:"N" help:"Tables to dump in parallel (default: one per CPU, at most 4)."`
}

// Validate is called by kong after parsing.
func (c *backupCommand) Validate() error {
	const most = 100
	switch {
	case c.Keep < 0:
		return fmt.Errorf("keep is %d: choose 1 or more, or 0 to keep all", c.Keep)
	case c.Jobs < 0 || c.Jobs > most:
		return fmt.Errorf("jobs is %d: choose 1 to %d", c.Jobs, most)
	}
	return nil
}

// Run does not require the current schema: a backup should be made before a migration.
func (c *backupCommand) Run(ctx context.Context, term *terminal, d *database) error {
	pool, closeAll, err := d.connect(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	jobs := c.Jobs
	if jobs == 0 {
		jobs = min(runtime.GOMAXPROCS(0), 4)
	}
	made, pruned, err := backup.Make(ctx, pool, backup.Options{
		Dir: c.BackupDir, Keep: c.Keep, Jobs: jobs, BinDir: d.PgBin, Version: version,
	})
	if made.Manifest.Files > 0 { // complete, even if older ones could not be removed
		printBackup(term, made)
	}
	for _, name := range pruned {
		fmt.Fprintf(term.stdout, "  removed  %s, older than the newest %d\n", name, c.Keep)
	}
	return err
}

func printBackup(term *terminal, b backup.Backup) {
	m := b.Manifest
	fmt.Fprintf(term.stdout, "backup %s\n", b.Path)
	fmt.Fprintf(term.stdout, "  size     %s in %d files, made in %.2f s\n", megabytes(m.Bytes), m.Files, m.Seconds)
	fmt.Fprintf(term.stdout, "  rows     %s in %d tables\n", grouped(m.Rows()), len(m.Tables))
	answers := "not recorded: the schema is from another version of alsobought"
	if m.Answers != nil {
		answers = fmt.Sprintf("to %s questions recorded", grouped(int64(m.Answers.Questions)))
	}
	fmt.Fprintf(term.stdout, "  answers  %s\n", answers)
}

type restoreCommand struct {
	Backup string `arg:"" help:"Backup directory."`
}

func (c *restoreCommand) Run(ctx context.Context, term *terminal, d *database) error {
	b, err := backup.Open(ctx, c.Backup)
	if err != nil {
		return err
	}
	pool, closeAll, err := d.connect(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	missing, err := backup.Restore(ctx, pool, b, d.PgBin)
	if err != nil {
		return err
	}
	compared, err := backup.Compare(ctx, pool, b.Manifest)
	if err != nil {
		return fmt.Errorf("everything was restored, but could not be compared with the backup: %w", err)
	}
	if len(compared.Differences) > 0 {
		return errors.New("the restored database differs from the backup: " + strings.Join(compared.Differences, "; "))
	}
	fmt.Fprintf(term.stdout, "restored %s\n", b.Path)
	fmt.Fprintf(term.stdout, "  rows     %s in %d tables, as in the backup\n",
		grouped(b.Manifest.Rows()), len(b.Manifest.Tables))
	fmt.Fprintf(term.stdout, "  answers  %s\n", answersCompared(b.Manifest, compared))
	if len(missing) > 0 {
		fmt.Fprintf(term.stderr, "alsobought: privileges of roles that do not exist on this server were skipped: %s; "+
			"see docs/backups.md\n",
			printable(strings.Join(missing, ", ")))
	}
	return nil
}

func answersCompared(m backup.Manifest, c backup.Comparison) string {
	if c.AnswersCompared {
		return fmt.Sprintf("to %s questions, as in the backup", grouped(int64(m.Answers.Questions)))
	}
	return fmt.Sprintf("not compared: the backup is from alsobought %s; run alsobought migrate up", printable(m.Version))
}
