package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"

	"github.com/alsobought/alsobought/internal/pg"
)

type psqlCommand struct {
	Args []string `arg:"" optional:"" passthrough:"" help:"Arguments for psql, such as -c \"SELECT ...\" or -f FILE."`
}

// Run keeps the private PostgreSQL running while psql runs.
func (c *psqlCommand) Run(ctx context.Context, term *terminal, d *database) error {
	program, err := exec.LookPath("psql")
	if err != nil {
		return errors.New("psql is not installed (Debian, Ubuntu: apt-get install postgresql-client)")
	}
	pool, closeAll, err := d.open(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	database, password := pg.ForLibpq(pool)
	args := append([]string{"--dbname", database}, c.Args...)
	if len(c.Args) > 0 && c.Args[0] == "--" {
		args = append(args[:2], c.Args[1:]...)
	}
	// Ctrl-C is left to psql, which cancels the current query but not the session.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	defer signal.Stop(interrupts)
	psql := exec.CommandContext(context.WithoutCancel(ctx), program, args...)
	psql.Stdin, psql.Stdout, psql.Stderr = term.stdin, term.terminalOutput(), term.stderr
	psql.Env = append(os.Environ(), password...)
	if d.DatabasePasswordFile != "" {
		psql.Env = append(psql.Env, "PGPASSWORD="+pool.Config().ConnConfig.Password)
	}
	err = psql.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) && exit.Exited() {
		return exitError(exit.ExitCode())
	}
	if err != nil {
		return fmt.Errorf("run psql: %w", err)
	}
	return nil
}

// forPsql inserts -- before the arguments for psql: the parser would otherwise split -At into -A and -t.
func forPsql(args []string) []string {
	if len(args) < 2 || args[0] != "psql" {
		return args
	}
	for i := 1; i < len(args); i++ {
		name, _, whole := strings.Cut(args[i], "=")
		switch name {
		case "--database-url", "--database-password-file", "--data-dir", "--pg-bin":
			if !whole {
				i++
			}
		case "--help", "-h", "--version", "--":
			return args
		default:
			return slices.Concat(args[:i], []string{"--"}, args[i:])
		}
	}
	return args
}
