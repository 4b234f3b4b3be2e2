// Package dbsource reads orders directly from another database: it returns the rows of a query on PostgreSQL, MySQL or
// MariaDB as CSV, which is then read like any file.
//
// A query runs in a read-only transaction, and one row is held in memory at a time. Errors are one line, never show a
// password, and do not wrap driver errors: callers would take these for errors of alsobought's own database. The
// package never writes and never interprets values.
package dbsource

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/load"
)

// connectTimeout is how long to wait for a server's first answer.
const connectTimeout = 30 * time.Second

// Options select a database and a query.
type Options struct {
	URL          string // postgres://, postgresql://, mysql:// or mariadb://
	Query        string // a single statement that returns rows
	PasswordFile string // file with the password, which overrides the URL's; "" for none
	Since        string // column to order by and to continue from; "" reads all rows
}

// Query is a query on a database. It is not safe for concurrent use.
type Query struct {
	options  Options
	address  *url.URL // without the password
	password string   // of the URL
	connect  connect
	after    *load.Mark
	reached  *load.Mark
}

// connect opens a read-only transaction. If password is empty, the driver's own sources of passwords apply.
type connect func(ctx context.Context, password string) (server, error)

// server is a read-only transaction on a server.
type server interface {
	// query runs a statement. The arguments replace its placeholders in order; see placeholder.
	query(ctx context.Context, statement string, args ...string) (rows, error)
	placeholder(number int) string
	quote(column string) string
	close()
}

// rows iterates over the rows of a query.
type rows interface {
	columns() []string
	// next returns a row, valid until the next call, in which nil is NULL; io.EOF after the last row.
	next() ([][]byte, error)
}

// New checks the options. It does not connect.
func New(opts Options) (*Query, error) {
	opts.Query = strings.TrimRight(strings.TrimSpace(opts.Query), "; \t\r\n")
	if opts.Query == "" {
		return nil, errors.New("--query is empty: use a SELECT such as SELECT order_id, item_name FROM order_lines")
	}
	address, err := url.Parse(opts.URL)
	if err != nil { // err may contain the password
		return nil, errors.New("--from is not a URL: use postgres://USER@HOST/DATABASE, with special characters as %XX")
	}
	q := &Query{options: opts, address: address}
	for name := range address.Query() {
		if strings.HasSuffix(strings.ToLower(name), "password") {
			return nil, fmt.Errorf("--from contains %s, which other users can see: use --from-password-file", name)
		}
	}
	if address.User != nil {
		q.password, _ = address.User.Password()
		address.User = url.User(address.User.Username())
	}
	switch address.Scheme {
	case "postgres", "postgresql":
		q.connect, err = postgresAt(address)
	case "mysql", "mariadb":
		q.connect, err = mysqlAt(address)
	default:
		err = errors.New("unknown scheme: use postgres://, mysql:// or mariadb://")
	}
	if err != nil {
		return nil, fmt.Errorf("--from: %w", err)
	}
	return q, nil
}

// Name returns the name of the query for errors and the audit: the URL without its password, and the statement on one
// line.
func (q *Query) Name() string {
	return q.address.String() + ": " + strings.Join(strings.Fields(q.options.Query), " ")
}

// After makes the query continue from a mark. If there are no new rows since then, the source has no rows.
func (q *Query) After(mark *load.Mark) { q.after = mark }

// Reached returns the mark reached once all rows have been read; nil without Options.Since.
func (q *Query) Reached() *load.Mark { return q.reached }

// Source returns the query as a source of CSV with a header, in which NULL is an empty value. Its Open runs the query
// and returns the query's errors, or load.ErrNoRows if there are no new rows.
func (q *Query) Source(ctx context.Context) datafile.Source {
	return datafile.Source{Name: q.Name(), Open: func() (io.ReadCloser, error) { return q.open(ctx) }}
}

func (q *Query) open(ctx context.Context) (_ io.ReadCloser, err error) {
	password, err := q.readPassword()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	s, err := q.connect(ctx, password)
	if err != nil {
		defer cancel()
		return nil, q.explain(ctx, "cannot connect to", err, "check --from, its password (--from-password-file) and "+
			"that the server is running")
	}
	defer func() {
		if err != nil {
			s.close()
			cancel()
		}
	}()
	if err := q.lookForNew(ctx, s); err != nil {
		return nil, err
	}
	statement, args := q.statement(s)
	found, err := s.query(ctx, statement, args...)
	if err != nil {
		return nil, q.refused(ctx, err)
	}
	if len(found.columns()) == 0 {
		return nil, fmt.Errorf("the query on %s returns no columns: --query should be a SELECT of orders and items",
			q.address)
	}
	reader, writer := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		writer.CloseWithError(q.write(ctx, found, writer))
		s.close()
	}()
	return &stream{reader, func() { cancel(); <-done }}, nil
}

// stream is the output of a query. Closing it ends the query.
type stream struct {
	*io.PipeReader

	end func()
}

// Close ends the query and waits for it.
func (s *stream) Close() error {
	err := s.PipeReader.Close()
	s.end()
	return err
}

func (q *Query) readPassword() (string, error) {
	path := q.options.PasswordFile
	if path == "" {
		return q.password, nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("--from-password-file: %w", err)
	}
	password := strings.TrimRight(string(content), "\r\n")
	if password == "" || strings.ContainsAny(password, "\r\n\x00") {
		return "", fmt.Errorf("--from-password-file: %s must contain one line: the password", path)
	}
	return password, nil
}

// statement returns the query, limited to rows from the mark on. It must work even if the query ends in a comment. Rows
// in which the column is NULL are left out, because they have no place in its order.
func (q *Query) statement(s server) (statement string, args []string) {
	if q.options.Since == "" {
		return q.options.Query, nil
	}
	column := "q." + s.quote(q.options.Since)
	condition := column + " IS NOT NULL"
	if q.after != nil {
		condition, args = column+" >= "+s.placeholder(1), []string{q.after.Value}
	}
	return "SELECT q.* FROM (" + q.options.Query + "\n) AS q WHERE " + condition + " ORDER BY " + column, args
}

// lookForNew returns load.ErrNoRows if there are no rows after the mark, and no additional ones at the mark.
func (q *Query) lookForNew(ctx context.Context, s server) error {
	if q.after == nil {
		return nil
	}
	column, value := "q."+s.quote(q.options.Since), q.after.Value
	found, err := s.query(ctx, "SELECT count(*), count(CASE WHEN "+column+" > "+s.placeholder(1)+" THEN 1 END) FROM ("+
		q.options.Query+"\n) AS q WHERE "+column+" >= "+s.placeholder(2), value, value)
	if err != nil {
		return q.refused(ctx, err)
	}
	var all, behind int64
	for {
		row, err := found.next()
		if err == io.EOF {
			break
		}
		if err == nil {
			_, err = fmt.Sscan(string(row[0])+" "+string(row[1]), &all, &behind)
		}
		if err != nil {
			return q.refused(ctx, err)
		}
	}
	if behind == 0 && all <= q.after.Rows {
		return fmt.Errorf("%s: %w: nothing new since %s %s", q.Name(), load.ErrNoRows, q.after.Column, value)
	}
	return nil
}

// write writes the rows as CSV.
func (q *Query) write(ctx context.Context, found rows, w io.Writer) error {
	out := csv.NewWriter(bufio.NewWriterSize(w, 64<<10))
	columns := found.columns()
	since := -1
	if q.options.Since != "" {
		since = slices.IndexFunc(columns, func(c string) bool { return strings.EqualFold(c, q.options.Since) })
	}
	reached := load.Mark{Column: q.options.Since}
	record := slices.Clone(columns)
	for {
		if err := out.Write(record); err != nil {
			return err
		}
		row, err := found.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return q.refused(ctx, err)
		}
		for i, value := range row {
			record[i] = string(value)
		}
		if since >= 0 {
			if record[since] != reached.Value {
				reached.Value, reached.Rows = record[since], 0
			}
			reached.Rows++
		}
	}
	if since >= 0 {
		q.reached = &reached
	}
	out.Flush()
	return out.Error()
}

func (q *Query) refused(ctx context.Context, err error) error {
	return q.explain(ctx, "the query failed on", err, "see --query")
}

// explain returns an error that does not wrap the driver's, but still wraps the context's.
func (q *Query) explain(ctx context.Context, what string, err error, advice string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%s %s (%s): %s", what, q.address, strings.Join(strings.Fields(cause(err)), " "), advice)
}
