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
		return usageError{errors.New("--role-prefix requires --with-roles")}
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
		fmt.Fprintf(term.stdout, "granted privileges to the roles %s\n", strings.Join(pg.RoleNames(prefix), ", "))
		return nil
	}
	some, err := db.New(pool).ReportingRoleExists(ctx)
	if err != nil {
		return fmt.Errorf("find the reporting role: %w", err)
	}
	if !some {
		fmt.Fprintln(term.stderr, "alsobought: the role alsobought_reporting does not exist "+
			"and this user may not create it: see docs/sql.md")
	}
	return nil
}

type migrateDownCommand struct {
	All bool `help:"Roll back every migration. Deletes all of alsobought's data."`
	Yes bool `help:"Skip the confirmation."`
}

func (c *migrateDownCommand) Run(ctx context.Context, term *terminal, d *database) error {
	if !c.Yes && !confirmed(term, "This drops tables and all data in them. Continue? [y/N] ") {
		return errors.New("cancelled; nothing was rolled back")
	}
	pool, closeAll, err := d.connect(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	reverted, err := pg.MigrateDown(ctx, pool, c.All, notices(term))
	printMigrations(term, "rolled back", reverted)
	if err == nil && len(reverted) == 0 {
		fmt.Fprintln(term.stdout, "nothing to roll back")
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

// notices returns a function that prints notices to stderr.
func notices(term *terminal) func(string) {
	return func(text string) { fmt.Fprintln(term.stderr, "alsobought: "+text) }
}

func printMigrations(term *terminal, what string, list []pg.Migration) {
	for _, m := range list {
		fmt.Fprintf(term.stdout, "%s: %s\n", what, m.Name)
	}
}

// confirmed asks for confirmation. Without a terminal it assumes yes, so that scripts work.
func confirmed(term *terminal, question string) bool {
	input, ok := term.stdin.(*os.File)
	if !ok || !xterm.IsTerminal(int(input.Fd())) {
		return true
	}
	fmt.Fprint(term.stderr, question)
	answer, _ := bufio.NewReader(input).ReadString('\n') // end of input means no
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}
