package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	xterm "golang.org/x/term"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
)

type migrateCommand struct {
	Up     migrateUpCommand     `cmd:"" default:"withargs" help:"Apply what is missing; safe when two run at once."`
	Down   migrateDownCommand   `cmd:"" help:"Take back the newest migration, with the data in its tables."`
	Status migrateStatusCommand `cmd:"" help:"Which migrations are applied."`
}

type migrateUpCommand struct{}

func (c *migrateUpCommand) Run(ctx context.Context, term *terminal, d *database) error {
	pool, closeAll, err := d.connect(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	applied, err := pg.MigrateUp(sayWaiting(ctx, term), pool)
	printMigrations(term, "applied", applied)
	if err != nil {
		return err
	}
	if len(applied) == 0 {
		fmt.Fprintln(term.stdout, "the schema is up to date")
	}
	some, err := db.New(pool).ReportingRoleExists(ctx)
	if err != nil {
		return fmt.Errorf("look for the reporting role: %w", err)
	}
	if !some {
		fmt.Fprintln(term.stderr, "alsobought: the role alsobought_reporting is not there, and this user may not make it: see docs/sql.md")
	}
	return nil
}

type migrateDownCommand struct {
	All bool `help:"Take back every migration: nothing of alsobought is left."`
	Yes bool `help:"Do not ask."`
}

func (c *migrateDownCommand) Run(ctx context.Context, term *terminal, d *database) error {
	if !c.Yes && !agreed(term, "This drops tables and all that they hold. Go on? [y/N] ") {
		return errors.New("nothing was taken back")
	}
	pool, closeAll, err := d.connect(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	reverted, err := pg.MigrateDown(sayWaiting(ctx, term), pool, c.All)
	printMigrations(term, "taken back", reverted)
	if err == nil && len(reverted) == 0 {
		fmt.Fprintln(term.stdout, "nothing to take back")
	}
	return err
}

type migrateStatusCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *migrateStatusCommand) Run(ctx context.Context, term *terminal, d *database) error {
	pool, closeAll, err := d.connect(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	status, err := pg.MigrateStatus(ctx, pool)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(term.stdout, status)
	}
	t := newTable(term.stdout)
	t.row("VERSION", "NAME", "APPLIED (UTC)")
	for _, m := range status {
		t.row(strconv.FormatInt(m.Version, 10), m.Name, instant(m.AppliedAt))
	}
	t.flush()
	return nil
}

// sayWaiting says once why it takes so long.
func sayWaiting(ctx context.Context, term *terminal) context.Context {
	say := sync.OnceFunc(func() {
		fmt.Fprintln(term.stderr, "alsobought: waiting for a transaction that uses what the migration changes (see pg_stat_activity); "+
			"readers go on meanwhile")
	})
	return pg.OnWait(ctx, say)
}

func printMigrations(term *terminal, what string, list []pg.Migration) {
	for _, m := range list {
		fmt.Fprintf(term.stdout, "%s: %s\n", what, m.Name)
	}
}

// agreed asks a person; where there is no terminal nobody can be asked, and who wrote the script meant it.
func agreed(term *terminal, question string) bool {
	input, ok := term.stdin.(*os.File)
	if !ok || !xterm.IsTerminal(int(input.Fd())) {
		return true
	}
	fmt.Fprint(term.stderr, question)
	answer, _ := bufio.NewReader(input).ReadString('\n') // an end without a line is a no
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}
