// Command bench measures alsobought on the machine it runs on: the main job phase by phase, beside what PostgreSQL
// needs at least and what its simplest use takes, and then how fast the questions are answered. docs/performance.md
// says how to read what it prints.
//
// It uses databases of its own only, on a private PostgreSQL with the settings users get, or on the server of --server,
// and removes them. It never judges a time.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/alsobought/alsobought/internal/sample"
)

// seed of the sample and of the choice of questions: every run asks the same.
const seed = 1

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options are what the command line says.
type options struct {
	scale  int
	runs   int
	each   time.Duration
	server string
	json   bool
	duckdb bool
}

// run is the whole program: it returns the exit status. Tables go to stdout; with --json they go to stderr, and stdout
// gets JSON.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opts, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	r, err := measureSample(ctx, opts, func(what string) { fmt.Fprintln(stderr, "bench: "+what) })
	if err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return 1
	}
	if err := write(r, opts.json, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return 1
	}
	return 0
}

func write(r report, asJSON bool, stdout, stderr io.Writer) error {
	if asJSON {
		printReport(stderr, r)
		return json.NewEncoder(stdout).Encode(r)
	}
	out := bufio.NewWriter(stdout)
	printReport(out, r)
	return out.Flush()
}

// parse has said what is wrong, or how it is used, when it returns an error.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.scale, "scale", 1, "how many sample orders: 1 is 154,167")
	flags.IntVar(&o.runs, "runs", 3, "how often to measure the main job and what it is compared with")
	flags.DurationVar(&o.each, "each", 2*time.Second, "how long to ask each kind of question")
	flags.StringVar(&o.server, "server", "", "URL of a PostgreSQL to measure instead of a private one, as a superuser")
	flags.BoolVar(&o.duckdb, "duckdb", false, "measure DuckDB beside it, which needs a C++ compiler")
	flags.BoolVar(&o.json, "json", false, "print JSON to stdout, and the tables to stderr")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	var err error
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected %q: bench has flags only", flags.Arg(0))
	case o.scale < 1 || o.scale > sample.MaxScale:
		err = fmt.Errorf("--scale is %d: choose 1 to %d", o.scale, sample.MaxScale)
	case o.runs < 1:
		err = fmt.Errorf("--runs is %d: choose 1 or more", o.runs)
	case o.each <= 0:
		err = fmt.Errorf("--each is %s: choose a time above 0", o.each)
	}
	if err != nil {
		fmt.Fprintf(stderr, "bench: %v\n", err)
	}
	return o, err
}

// measureSample measures with sample orders, in a temporary directory that holds them and the private PostgreSQL.
func measureSample(ctx context.Context, opts options, note func(string)) (r report, err error) {
	dir, err := os.MkdirTemp("", "alsobought-bench-")
	if err != nil {
		return report{}, fmt.Errorf("make a temporary directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// When root runs us the server is another user, who has to pass through; otherwise its data would be put elsewhere.
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // its content is sample data
		return report{}, fmt.Errorf("make a temporary directory: %w", err)
	}

	note(fmt.Sprintf("making sample orders of scale %d", opts.scale))
	orders := filepath.Join(dir, "orders.csv")
	if err := writeSample(orders, opts.scale); err != nil {
		return report{}, fmt.Errorf("make sample orders: %w", err)
	}
	more := more{filepath.Join(dir, "more.csv"), 1_000}
	if err := writeMore(more, orders); err != nil {
		return report{}, fmt.Errorf("make more sample orders: %w", err)
	}
	on, err := startServer(ctx, filepath.Join(dir, "postgres"), opts.server, note)
	if err != nil {
		return report{}, err
	}
	defer func() { err = errors.Join(err, on.close()) }()

	p := plan{orders: orders, more: more, runs: opts.runs, each: opts.each, note: note}
	if opts.duckdb {
		note("building the program of DuckDB")
		if p.duckdb, err = buildDuckDB(ctx, dir); err != nil {
			return report{}, err
		}
	}
	r, err = measure(ctx, on, p)
	r.Scale = opts.scale
	return r, err
}

func writeSample(path string, scale int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = sample.Write(file, sample.Config{Scale: scale, Seed: seed})
	return errors.Join(err, file.Close())
}

// writeMore writes the first orders of a file once more, under other ids.
func writeMore(more more, orders string) (err error) {
	from, err := os.Open(orders)
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // read only
	to, err := os.Create(more.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	lines := bufio.NewScanner(from)
	last, before := "", ""
	for seen := int64(-1); lines.Scan(); before = "more-" { // the header is no order
		id, _, _ := strings.Cut(lines.Text(), ",")
		if id != last {
			last, seen = id, seen+1
		}
		if seen == more.orders+1 {
			break
		}
		if _, err := fmt.Fprintln(to, before+lines.Text()); err != nil {
			return err
		}
	}
	return lines.Err()
}
