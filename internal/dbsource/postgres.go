package dbsource

import (
	"context"
	"errors"
	"io"
	"net/url"

	"github.com/jackc/pgx/v5/pgconn"
)

// postgres returns values as text, as psql shows them.
type postgres struct{ conn *pgconn.PgConn }

func postgresAt(address *url.URL) (connect, error) {
	cfg, err := pgconn.ParseConfig(address.String())
	if err != nil {
		return nil, err
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "alsobought"
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	return func(ctx context.Context, password string) (server, error) {
		cfg := cfg.Copy()
		if password != "" {
			cfg.Password = password
		}
		conn, err := pgconn.ConnectConfig(ctx, cfg)
		if err != nil {
			return nil, err
		}
		p := &postgres{conn}
		// Times with a zone are written in UTC, so that every run writes the same row in the same way.
		err = conn.Exec(ctx, "BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ; SET LOCAL TimeZone = 'UTC'; "+
			"SET LOCAL DateStyle = 'ISO'").Close()
		if err != nil {
			p.close()
			return nil, err
		}
		return p, nil
	}, nil
}

func (p *postgres) query(ctx context.Context, statement string, args ...string) (rows, error) {
	values := make([][]byte, len(args))
	for i, arg := range args {
		values[i] = []byte(arg)
	}
	// The extended protocol allows only a single statement.
	result := p.conn.ExecParams(ctx, statement, values, nil, nil, nil)
	r := &postgresRows{result: result, first: result.NextRow()}
	if !r.first && len(result.FieldDescriptions()) == 0 {
		_, err := result.Close()
		return r, err
	}
	for _, field := range result.FieldDescriptions() {
		r.names = append(r.names, field.Name)
	}
	return r, nil
}

func (p *postgres) placeholder(number int) string { return "$" + string(rune('0'+number)) }

func (p *postgres) quote(column string) string { return quoted(column, `"`) }

func (p *postgres) close() {
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	_ = p.conn.Close(ctx) // the transaction is read-only
}

type postgresRows struct {
	result *pgconn.ResultReader
	names  []string
	first  bool // a row was read ahead
}

func (r *postgresRows) columns() []string { return r.names }

func (r *postgresRows) next() ([][]byte, error) {
	if !r.first && !r.result.NextRow() {
		if _, err := r.result.Close(); err != nil {
			return nil, err
		}
		return nil, io.EOF
	}
	r.first = false
	return r.result.Values(), nil
}

// cause returns the message of the server, or of the driver.
func cause(err error) string {
	if server := new(pgconn.PgError); errors.As(err, &server) {
		return server.Message
	}
	return err.Error()
}
