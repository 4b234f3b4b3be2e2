package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	xterm "golang.org/x/term"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
)

type migrateCommand struct {
	Up     migrateUpCommand     `cmd:"" default:"withargs" help:"Apply pending migrations; safe to run concurrently."`
	Down   migrateDownCommand   `cmd:"" help:"Roll back the latest migration and delete the data in its tables."`
	Status migrateStatusCommand `cmd:"" help:"Show which migrations are applied."`
}

type migrateUpCommand struct {
	WithRoles  bool   `help:"Create roles for owner, loader, server and reporting (docs/roles.md)."`
	RolePrefix string `placeholder:"NAME" help:"Prefix of the role names: NAME_owner, NAME_loader and so on (default alsobought)."`
}

func (c *migrateUpCommand) Run(ctx context.Context, term *terminal, d *database) error {
	if c.RolePrefix != "" && !c.WithRoles {
		return usageError{errors.New("--role-prefix is for --with-roles: name both")}
	}
	pool, closeAll, err := d.connect(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	prefix := cmp.Or(c.RolePrefix, "alsobought")
	var applied []pg.Migration
	if c.WithRoles {
		applied, err = pg.MigrateUpWithRoles(ctx, pool, prefix, notices(term))
	} else {
		applied, err = pg.MigrateUp(ctx, pool, notices(term))
	}
	printMigrations(term, "applied", applied)
	if err != nil {
		return err
	}
	if len(applied) == 0 {
		fmt.Fprintln(term.stdout, "the schema is up to date")
	}
	if c.WithRoles {
		fmt.Fprintf(term.stdout, "the roles %s have their rights\n", strings.Join(pg.RoleNames(prefix), ", "))
		return nil
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
	All bool `help:"Roll back every migration. Deletes all of alsobought's data."`
	Yes bool `help:"Skip the confirmation."`
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
	reverted, err := pg.MigrateDown(ctx, pool, c.All, notices(term))
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

// notices are told on stderr.
func notices(term *terminal) func(string) {
	return func(text string) { fmt.Fprintln(term.stderr, "alsobought: "+text) }
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
