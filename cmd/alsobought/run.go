package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
	"github.com/alsobought/alsobought/internal/rules"
)

// Exit statuses.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitRejected = 3 // done, but with --strict there were rejected rows
)

// program defines the command line: one field per command, and the global flags.
type program struct {
	Demo     demoCommand     `cmd:"" help:"Serve the API with sample orders in a throw-away PostgreSQL."`
	Load     loadCommand     `cmd:"" help:"Load orders, then build."`
	Loads    loadsCommand    `cmd:"" help:"Show what was loaded, and undo it."`
	Orders   ordersCommand   `cmd:"" help:"Delete orders."`
	Items    itemsCommand    `cmd:"" help:"Manage the catalogue: attributes of items."`
	Build    buildCommand    `cmd:"" help:"Count the orders, then switch to the new build."`
	Builds   buildsCommand   `cmd:"" help:"List, compare, switch and prune builds."`
	Popular  popularCommand  `cmd:"" help:"List the most popular items."`
	Similar  similarCommand  `cmd:"" help:"Recommend items bought with an item."`
	Basket   basketCommand   `cmd:"" help:"Recommend items for a basket."`
	Order    orderCommand    `cmd:"" help:"Recommend items for an order."`
	Explain  explainCommand  `cmd:"" help:"Show the counts and measures behind a pair of items."`
	Evaluate evaluateCommand `cmd:"" help:"Grade recommendations on held-out orders."`
	Rules    rulesCommand    `cmd:"" help:"Manage merchandising rules: hide, allow, pin, keep apart."`
	Serve    serveCommand    `cmd:"" help:"Serve the API."`
	Health   healthCommand   `cmd:"" help:"Check whether the API is healthy; for container health checks."`
	MCP      mcpCommand      `cmd:"" name:"mcp" help:"Run an MCP server on stdin and stdout, for language models."`
	Openapi  openapiCommand  `cmd:"" help:"Print the API's OpenAPI document, as served at /openapi.json."`
	Keys     keysCommand     `cmd:"" help:"Manage API keys."`
	Generate generateCommand `cmd:"" help:"Write sample orders as CSV to stdout."`
	Migrate  migrateCommand  `cmd:"" help:"Apply or roll back schema migrations."`
	Doctor   doctorCommand   `cmd:"" help:"Check the integrity of the data."`
	Backup   backupCommand   `cmd:"" help:"Back up the database."`
	Restore  restoreCommand  `cmd:"" help:"Restore a backup into an empty database."`
	Drill    drillCommand    `cmd:"" help:"Restore a backup into a throw-away PostgreSQL and verify it."`
	Psql     psqlCommand     `cmd:"" help:"Open psql on the database, private or not."`

	Database database         `embed:"" group:"Database"`
	Version  kong.VersionFlag `help:"Print the version."`
}

// terminal holds the streams that a command reads and writes.
type terminal struct {
	stdin          io.Reader
	stdout, stderr io.Writer
}

// terminalOutput returns the underlying stdout, which may be a terminal.
func (t *terminal) terminalOutput() io.Writer {
	if o, ok := t.stdout.(*output); ok {
		return o.Writer
	}
	return t.stdout
}

// exitError ends the program with a status but without an error message.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// run is the whole program; it returns the exit status. Every error is one line on stderr.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := program{
		Build:    buildCommand{settingsFlags: newSettingsFlags()},
		Evaluate: evaluateCommand{settingsFlags: newSettingsFlags()},
	}
	out := &output{Writer: stdout}
	term := &terminal{stdin, out, stderr}
	parser, err := kong.New(&p,
		kong.Name("alsobought"),
		kong.Description("Customers also bought, from the orders you have, with PostgreSQL as the only moving part."),
		kong.Vars{"version": version},
		kong.Writers(stdout, stderr),
		// --help and --version exit here, during parsing.
		kong.Exit(func(code int) { panic(exitError(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(term, &p.Database),
	)
	if err != nil {
		panic(err) // a mistake in the struct tags
	}
	command, status, err := parse(parser, args)
	if command == nil && err == nil {
		return status
	}
	if err != nil {
		fmt.Fprintf(stderr, "alsobought: %v (see alsobought %s--help)\n", err, commandOf(err))
		return exitUsage
	}
	err = command.Run()
	if err == nil && out.err != nil {
		err = fmt.Errorf("write output: %w", out.err)
	}
	if status := exitError(0); errors.As(err, &status) {
		return int(status)
	}
	if err == nil {
		return exitDone
	}
	fmt.Fprintf(stderr, "alsobought: %s\n", message(ctx, err))
	if isUsage(err) {
		return exitUsage
	}
	return exitFailed
}

func parse(parser *kong.Kong, args []string) (command *kong.Context, status int, err error) {
	defer func() {
		if r := recover(); r != nil {
			ended, ok := r.(exitError)
			if !ok {
				panic(r)
			}
			command, status, err = nil, int(ended), nil
		}
	}()
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err = parser.Parse(forPsql(args))
	return command, 0, err
}

// commandOf returns the command of a usage error, followed by a space, or "".
func commandOf(err error) string {
	wrong := new(kong.ParseError)
	if !errors.As(err, &wrong) || wrong.Context.Selected() == nil {
		return ""
	}
	return strings.TrimPrefix(wrong.Context.Selected().FullPath(), "alsobought ") + " "
}

// usageError is a usage error that only the command could detect.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func isUsage(err error) bool {
	usage, question, rule, key := usageError{}, new(recommend.InvalidError), rules.InvalidError{}, new(apikey.InvalidError)
	return errors.As(err, &usage) || errors.As(err, &question) || errors.As(err, &rule) || errors.As(err, &key)
}

// message returns the text of an error: one line that says what to do next.
func message(ctx context.Context, err error) string {
	file, path := new(datafile.FileError), new(fs.PathError)
	switch {
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return "interrupted; unfinished work was rolled back"
	case errors.As(err, &file):
		return file.Error()
	case errors.As(err, &path) && errors.Is(err, os.ErrNotExist):
		return path.Path + " does not exist"
	case pg.IsMissingSchema(err):
		return "the database has no alsobought tables yet: run alsobought migrate up"
	case pg.IsReadOnly(err):
		return pg.ErrReadOnly.Error()
	}
	named, flagged := "DATABASE_URL", flagError{}
	if errors.As(err, &flagged) {
		named = flagged.flag
	}
	cause := strings.Join(strings.Fields(strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")), " ")
	switch {
	case pg.IsDiskFull(err):
		return "the database is out of disk space (" + cause +
			"); unfinished work was rolled back: free some space and try again"
	case pg.IsConflict(err):
		return "the replica cancelled this to keep up with its primary (" + cause + "): try again, or use the primary"
	case pg.IsDenied(err):
		return cause + ": see docs/roles.md for the role to use"
	case pg.IsNotLetIn(err):
		return cause + ": check the role, the password (URL, password file or PGPASSFILE) and sslmode"
	case pg.CertificateError(err) != nil:
		return "connect to PostgreSQL: " + pg.CertificateError(err).Error() + ": check that " + named + " has the host " +
			"name of the certificate, and that sslrootcert is its authority"
	case pg.IsUnreachable(err):
		return cause + ": check that it is running and that " + named + " is right"
	case pg.IsUnavailable(err):
		return "lost the connection to the database (" + cause + "); unfinished work was rolled back: try again"
	}
	return cause
}

// output wraps stdout and remembers the first write error: a full disk must not look like success.
type output struct {
	io.Writer

	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}
