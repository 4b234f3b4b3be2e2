package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/dbsource"
	"github.com/alsobought/alsobought/internal/load"
)

// fromFlags select orders in another database.
type fromFlags struct {
	From             string `placeholder:"URL" help:"Load the rows of --query from this database: postgres://, mysql:// or mariadb://user@host/database."`
	Query            string `placeholder:"SELECT" help:"Query whose result is read like a file with a header."`
	FromPasswordFile string `placeholder:"FILE" help:"File with the password for --from. Other users can see a password in a URL."`
	Since            string `placeholder:"COLUMN" help:"Load incrementally: fetch only rows at or after this column's last loaded value."`
}

// query returns the query that the flags describe, or nil if they name no database.
func (c *loadCommand) query() (*dbsource.Query, error) {
	switch {
	case c.From == "" && (c.Query != "" || c.FromPasswordFile != "" || c.Since != ""):
		return nil, errors.New("--query, --from-password-file and --since require --from")
	case c.From == "" && len(c.Files) == 0:
		return nil, errors.New("name the files to load, - for stdin, or a database with --from and --query")
	case c.From == "":
		return nil, nil //nolint:nilnil // files are no error
	case len(c.Files) > 0:
		return nil, errors.New("--from cannot be combined with files: load them one after the other")
	case c.Query == "":
		return nil, errors.New("--from requires --query, such as SELECT order_id, item_name FROM order_lines")
	case c.Format != "" || len(c.Columns) > 0 || c.Encoding != "" || c.Sheet != "" || c.Quotes != "" || c.BasketIDs != "":
		return nil, errors.New("--format, --columns, --encoding, --sheet, --quotes and --basket-ids are for files: " +
			"name columns in --query")
	case c.Since != "" && c.DryRun:
		return nil, errors.New("--since cannot be combined with --dry-run, which does not open the database")
	}
	c.Format, c.Quotes = string(datafile.CSV), string(datafile.CSVQuotes)
	return dbsource.New(dbsource.Options{URL: c.From, Query: c.Query, PasswordFile: c.FromPasswordFile, Since: c.Since})
}

// sinceLast limits the load to rows that are new since the last load. Rows at the mark are read again, so the same
// bytes are not an error.
func (c *loadCommand) sinceLast(
	ctx context.Context, pool *pgxpool.Pool, query *dbsource.Query, options *load.Options,
) error {
	mark, err := load.LastMark(ctx, pool, query.Name(), c.Since)
	if err != nil {
		return err
	}
	query.After(mark)
	options.Again, options.Reached = true, query.Reached
	return nil
}

// nothingNew reports that there was nothing to load.
func (c *loadCommand) nothingNew(term *terminal, why error) error {
	if c.JSON {
		return printJSON(term.stdout, loadSummary{
			Status: "nothing new", RejectedByReason: map[string]int64{}, NotBoughtByReason: map[string]int64{},
		})
	}
	fmt.Fprintln(term.stdout, printable(why.Error()))
	return nil
}
