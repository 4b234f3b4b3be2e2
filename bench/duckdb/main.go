// Command duckdb does the main job of alsobought with DuckDB, for make bench to compare with: everything that a load
// and a build leave (job), or the counting alone (core). It prints how long that took, a database file opened, written
// and closed, and what was counted.
//
//	duckdb job|core THREADS ORDERS.csv
//
// It is a module of its own: DuckDB is a large library in C++, which nothing else here needs.
package main

import (
	"context"
	"database/sql"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	_ "github.com/duckdb/duckdb-go/v2" // the driver
)

//go:embed job.sql
var job string

//go:embed core.sql
var core string

// Done is what is printed, as JSON.
type Done struct {
	Seconds    float64 `json:"seconds"`
	Lines      int64   `json:"lines"`
	Items      int64   `json:"items"`
	Pairs      int64   `json:"pairs"`
	Neighbours int64   `json:"neighbours"`
}

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "duckdb: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) (err error) {
	statements := map[string]string{"job": job, "core": core}
	if len(args) != 3 || statements[args[0]] == "" {
		return errors.New("usage: duckdb job|core THREADS ORDERS.csv")
	}
	threads, err := strconv.Atoi(args[1])
	if err != nil || threads < 1 {
		return fmt.Errorf("%s threads: choose 1 or more", args[1])
	}
	dir, err := os.MkdirTemp("", "alsobought-duckdb-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	file := filepath.Join(dir, "orders.duckdb")
	began := time.Now()
	if err := fill(ctx, file, statements[args[0]], threads, args[2]); err != nil {
		return err
	}
	done := Done{Seconds: time.Since(began).Seconds()}
	if err := count(ctx, file, &done); err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(done)
}

func fill(ctx context.Context, file, statements string, threads int, orders string) (err error) {
	db, err := sql.Open("duckdb", file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, fmt.Sprintf("SET threads = %d", threads)); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "SET VARIABLE orders = ?", orders); err != nil {
		return err
	}
	for _, s := range []string{"BEGIN", statements, "COMMIT", "CHECKPOINT"} {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func count(ctx context.Context, file string, done *Done) (err error) {
	db, err := sql.Open("duckdb", file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM order_lines), (SELECT count(*) FROM items),
		(SELECT count(*) FROM item_pairs),
		(SELECT count(*) FROM item_neighbours)`).Scan(&done.Lines, &done.Items, &done.Pairs, &done.Neighbours)
}
