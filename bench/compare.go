package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/internal/orderfile"
)

//go:embed simple.sql
var simpleSQL string

// runFloor times what no way through PostgreSQL can do without: the lines enter a table. Everything else is taken off
// it: orders and items are numbered and encoded beforehand, there are no names, no index, no log, no transaction's end
// on disk.
func runFloor(ctx context.Context, databaseURL, orders string, t *timings) error {
	rows, encoded, err := encodeNumbered(orders)
	if err != nil {
		return err
	}
	return connected(ctx, databaseURL, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "CREATE UNLOGGED TABLE numbered_lines (order_number integer NOT NULL, "+
			"item_number integer NOT NULL)"); err != nil {
			return err
		}
		return t.time(floor, func() error {
			tag, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(encoded), "COPY numbered_lines FROM STDIN (FORMAT binary)")
			if err == nil && tag.RowsAffected() != rows {
				err = fmt.Errorf("%d lines were copied as %d", rows, tag.RowsAffected())
			}
			return err
		})
	})
}

// encodeNumbered returns the lines as two integers each, in COPY's binary format (PostgreSQL manual, COPY, File
// Formats).
func encodeNumbered(orders string) (rows int64, encoded []byte, err error) {
	orderNumbers, itemNumbers := map[string]uint32{}, map[string]uint32{}
	encoded = append(encoded, "PGCOPY\n\xff\r\n\x00"...)
	encoded = append(encoded, make([]byte, 8)...) // no flags, no extension
	err = eachLine(orders, func(line orderfile.Line) {
		rows++
		encoded = binary.BigEndian.AppendUint16(encoded, 2)
		for _, number := range []uint32{numberOf(orderNumbers, line.Order), numberOf(itemNumbers, line.Item)} {
			encoded = binary.BigEndian.AppendUint32(encoded, 4)
			encoded = binary.BigEndian.AppendUint32(encoded, number)
		}
	})
	return rows, binary.BigEndian.AppendUint16(encoded, 0xffff), err
}

// numberOf numbers names from 1 in the order in which they are first seen.
func numberOf(numbers map[string]uint32, name string) uint32 {
	number, known := numbers[name]
	if !known {
		number = uint32(len(numbers)) + 1
		numbers[name] = number
	}
	return number
}

// runSimple times what a good engineer would write in an hour, and returns what that counts: the file by COPY into a
// table of text, and simple.sql. It is given what makes it fast: one transaction, so that new tables skip the log,
// statistics, and the build's memory.
func runSimple(ctx context.Context, databaseURL, orders string, t *timings) (c counts, err error) {
	file, err := os.Open(orders)
	if err != nil {
		return c, err
	}
	defer file.Close() //nolint:errcheck // read only
	err = connected(ctx, databaseURL, func(conn *pgx.Conn) error {
		err := t.time(simple, func() error {
			return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
				const create = `CREATE TABLE order_rows (
					order_id text NOT NULL, item_name text NOT NULL, quantity numeric, ordered_at timestamptz, customer_id text)`
				if _, err := tx.Exec(ctx, create); err != nil {
					return err
				}
				if _, err := conn.PgConn().CopyFrom(ctx, file, "COPY order_rows FROM STDIN (FORMAT csv, HEADER)"); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, simpleSQL)
				return err
			})
		})
		if err != nil {
			return err
		}
		const count = `SELECT (SELECT count(*) FROM lines), (SELECT count(*) FROM items),
			(SELECT count(*) FROM pairs), (SELECT count(*) FROM top)`
		return conn.QueryRow(ctx, count).Scan(&c.Lines, &c.Items, &c.Pairs, &c.Neighbours)
	})
	return c, err
}

// buildDuckDB compiles the program of bench/duckdb into dir. Like all of bench, it is run in bench.
func buildDuckDB(ctx context.Context, dir string) (program string, err error) {
	program = filepath.Join(dir, "duckdb")
	if output, err := exec.CommandContext(ctx, "go", "build", "-C", "duckdb", "-o", program,
		".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build bench/duckdb: %w: %s", err, output)
	}
	return program, nil
}

// runDuckDB times DuckDB at the same job and at the counting alone, on as many threads as there are processors. It must
// count the same.
func runDuckDB(ctx context.Context, p plan, threads int, want counts, t *timings) error {
	for _, mode := range []struct{ argument, name string }{
		{"job", "DuckDB: the same job"},
		{"core", "DuckDB: counting alone"},
	} {
		output, err := exec.CommandContext(ctx, p.duckdb, mode.argument, strconv.Itoa(threads), p.orders).Output()
		if err != nil {
			return fmt.Errorf("%s: %w", mode.name, err)
		}
		var done struct {
			counts

			Seconds float64 `json:"seconds"`
		}
		if err := json.Unmarshal(output, &done); err != nil {
			return fmt.Errorf("%s: %w", mode.name, err)
		}
		if err := same(done.counts, want); err != nil {
			return fmt.Errorf("%s: %w", mode.name, err)
		}
		t.add(mode.name, done.Seconds)
	}
	return nil
}
