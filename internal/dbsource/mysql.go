package dbsource

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// mariadb is a connection to MySQL or MariaDB.
type mariadb struct {
	db *sql.DB
	tx *sql.Tx
}

// mysqlAt supports two URL parameters: socket, a path, and tls, as defined by the driver.
func mysqlAt(address *url.URL) (connect, error) {
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(cmp.Or(address.Hostname(), "localhost"), cmp.Or(address.Port(), "3306"))
	cfg.DBName = strings.TrimPrefix(address.Path, "/")
	cfg.User = address.User.Username()
	cfg.TLSConfig = "preferred"
	cfg.Timeout = connectTimeout
	cfg.Logger = &mysql.NopLogger{} // it also returns what it would log
	// TIMESTAMP values are returned in UTC, and the server does not disconnect while a load waits for its own database.
	cfg.Params = map[string]string{"time_zone": "'+00:00'", "net_write_timeout": "3600"}
	for name, values := range address.Query() {
		switch name {
		case "socket":
			cfg.Net, cfg.Addr = "unix", values[0]
		case "tls":
			cfg.TLSConfig = values[0]
		default:
			return nil, fmt.Errorf("unknown parameter %s: use socket=PATH or tls=true|false|preferred|skip-verify", name)
		}
	}
	if _, err := mysql.NewConnector(cfg); err != nil {
		return nil, err
	}
	return func(ctx context.Context, password string) (server, error) {
		cfg := cfg.Clone()
		cfg.Passwd = password
		connector, err := mysql.NewConnector(cfg)
		if err != nil {
			return nil, err
		}
		m := &mariadb{db: sql.OpenDB(connector)}
		if m.tx, err = m.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}); err != nil {
			return nil, errors.Join(err, m.db.Close())
		}
		return m, nil
	}, nil
}

func (m *mariadb) query(ctx context.Context, statement string, args ...string) (rows, error) {
	values := make([]any, len(args))
	for i, arg := range args {
		values[i] = arg
	}
	found, err := m.tx.QueryContext(ctx, statement, values...) //nolint:rowserrcheck // mariadbRows does
	if err != nil {
		return nil, err
	}
	names, err := found.Columns()
	if err != nil {
		return nil, errors.Join(err, found.Close()) //nolint:sqlclosecheck // it lives on as mariadbRows
	}
	r := &mariadbRows{
		found: found, names: names, values: make([][]byte, len(names)), raw: make([]sql.RawBytes, len(names)),
	}
	for i := range r.raw {
		r.into = append(r.into, &r.raw[i])
	}
	return r, nil
}

func (m *mariadb) placeholder(int) string { return "?" }

func (m *mariadb) quote(column string) string { return quoted(column, "`") }

func (m *mariadb) close() {
	_ = m.tx.Rollback() // the transaction is read-only
	_ = m.db.Close()
}

type mariadbRows struct {
	found  *sql.Rows
	names  []string
	raw    []sql.RawBytes
	into   []any // pointers to the elements of raw
	values [][]byte
}

func (r *mariadbRows) columns() []string { return r.names }

func (r *mariadbRows) next() ([][]byte, error) {
	if !r.found.Next() {
		if err := errors.Join(r.found.Err(), r.found.Close()); err != nil {
			return nil, err
		}
		return nil, io.EOF
	}
	if err := r.found.Scan(r.into...); err != nil {
		return nil, err
	}
	for i, value := range r.raw {
		r.values[i] = value
	}
	return r.values, nil
}

// quoted quotes an identifier, doubling quotes within it.
func quoted(name, quote string) string {
	return quote + strings.ReplaceAll(name, quote, quote+quote) + quote
}
