// Command serve measures how fast alsobought answers over HTTP, beside /livez of the same server, and, with --old,
// beside another version: both serve the same sample orders, and the rounds alternate.
//
// Each kind of question is asked in a closed loop (every connection asks again as soon as it is answered) and then in
// an open one, at half of that rate, whose latencies count from the moment at which a question was due. It prints what
// it measured and never judges a time. Before that, both versions are asked the same questions: their answers must be
// equal, or their speeds say nothing. Then come first answers, of a new server and after a switch of builds. Whoever
// asks, the server and PostgreSQL share the processors. Only addresses of this machine are asked.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

type options struct {
	binary, old string
	connections int
	rounds      int
	each        time.Duration
	building    bool
	orders      string
	only        bool
	hostile     bool
	attack      string
	address     string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "serve: %v\n", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if o.attack != "" {
		return fight(ctx, o.attack, o.address, stdout)
	}
	dir, err := os.MkdirTemp("", "alsobought-serve-")
	if err != nil {
		return fmt.Errorf("make a temporary directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// When root runs us PostgreSQL is another user, who has to pass through.
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // its content is sample data
		return fmt.Errorf("make a temporary directory: %w", err)
	}
	orders := o.orders
	if orders == "" {
		orders = filepath.Join(dir, "orders.csv")
		if err := generate(ctx, o.binary, orders); err != nil {
			return err
		}
	}
	versions := []*version{{name: "new", binary: o.binary}}
	if o.old != "" {
		versions = append(versions, &version{name: "old", binary: o.old})
	}
	for _, v := range versions {
		fmt.Fprintf(stderr, "serve: loading the sample with %s\n", v.binary)
		v.dataDir = filepath.Join(dir, v.name)
		if err := command(ctx, v.binary, "load", "--data-dir", v.dataDir, orders).Run(); err != nil {
			return fmt.Errorf("%s load: %w", v.binary, err)
		}
	}
	questions, err := readQuestions(orders)
	if err != nil {
		return err
	}
	if o.hostile {
		return o.measureHostile(ctx, versions[0], questions, stdout, stderr)
	}
	if len(versions) > 1 {
		compared, err := compare(ctx, versions, questions)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%d questions: both versions give the same answers\n\n", compared)
		if o.only {
			return nil
		}
	}
	if err := o.measureCold(ctx, versions, questions, stdout, stderr); err != nil {
		return err
	}
	for _, cached := range []bool{false, true} {
		if err := o.measure(ctx, versions, questions, cached, stdout, stderr); err != nil {
			return err
		}
	}
	return nil
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.binary, "binary", "../bin/alsobought", "the alsobought to measure")
	flags.StringVar(&o.old, "old", "", "another one to alternate with")
	flags.IntVar(&o.connections, "connections", 8, "connections that ask")
	flags.IntVar(&o.rounds, "rounds", 3, "rounds, of which the median counts")
	flags.DurationVar(&o.each, "each", 3*time.Second, "how long to ask one kind of question in one round")
	flags.BoolVar(&o.building, "building", false, "run builds of the same data meanwhile")
	flags.StringVar(&o.orders, "orders", "", "CSV file of order_id,item_name,... to ask about instead of the sample")
	flags.BoolVar(&o.only, "compare", false, "only compare the answers of both versions")
	flags.BoolVar(&o.hostile, "hostile", false, "only measure how others are answered while hostile clients are at work")
	flags.StringVar(&o.attack, "attack", "", "be the hostile clients of that name, for --hostile")
	flags.StringVar(&o.address, "address", "", "the server to attack")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.only && o.old == "" {
		return o, errors.New("wrong usage: --compare needs --old")
	}
	if flags.NArg() > 0 || o.connections < 1 || o.rounds < 1 || o.each <= 0 {
		return o, errors.New("wrong usage: --connections and --rounds are 1 or more, --each is a time above 0, " +
			"and there are only flags")
	}
	return o, nil
}

// version is one program with the sample loaded.
type version struct {
	name, binary, dataDir string
	pid                   int // of the running server

	closed, open map[string][]measured // by kind of question
}

// measure runs all rounds and prints a table.
func (o options) measure(
	ctx context.Context, versions []*version, q questions, cached bool, stdout, stderr io.Writer,
) error {
	kinds := q.kinds(cached)
	for _, v := range versions {
		v.closed, v.open = map[string][]measured{}, map[string][]measured{}
	}
	for round := range o.rounds {
		fmt.Fprintf(stderr, "serve: round %d of %d, %s\n", round+1, o.rounds, state(cached))
		for _, v := range versions {
			if err := o.round(ctx, v, kinds, cached); err != nil {
				return err
			}
		}
	}
	return printTable(stdout, versions, append(kinds, kind{name: singleRow}), state(cached))
}

func state(cached bool) string {
	if cached {
		return "cached"
	}
	return "not cached"
}

func (o options) round(ctx context.Context, v *version, kinds []kind, cached bool) (err error) {
	address, stop, err := v.serve(ctx, cached)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if o.building {
		ctx, cancel := context.WithCancel(ctx)
		built := make(chan error, 1)
		go func() { built <- v.build(ctx) }()
		defer func() { cancel(); err = errors.Join(err, <-built) }()
	}
	row, err := v.readRows(ctx, o.connections, o.each)
	if err != nil {
		return err
	}
	v.closed[singleRow] = append(v.closed[singleRow], row)
	for _, k := range kinds {
		closed, err := closedLoop(ctx, address, k, o.connections, o.each)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", v.name, k.name, err)
		}
		open, err := openLoop(ctx, address, k, o.connections, o.each, closed.perSecond/2)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", v.name, k.name, err)
		}
		v.closed[k.name], v.open[k.name] = append(v.closed[k.name], closed), append(v.open[k.name], open)
	}
	return nil
}

// serve starts the API on a free port and returns its address and what stops it.
func (v *version) serve(
	ctx context.Context, cached bool, flags ...string,
) (address string, stop func() error, err error) {
	if address, err = freeAddress(ctx); err != nil {
		return "", nil, err
	}
	args := []string{"serve", "--data-dir", v.dataDir, "--addr", address, "--log-format", "json"}
	help, err := exec.CommandContext(ctx, v.binary, "serve", "--help").Output()
	if err != nil {
		return "", nil, fmt.Errorf("%s serve --help: %w", v.binary, err)
	}
	if !cached && strings.Contains(string(help), "--cache=") {
		args = append(args, "--cache", "0")
	}
	serving := command(ctx, v.binary, append(args, flags...)...)
	if err := serving.Start(); err != nil {
		return "", nil, fmt.Errorf("%s serve: %w", v.binary, err)
	}
	v.pid = serving.Process.Pid
	stop = func() error {
		_ = serving.Process.Signal(syscall.SIGTERM) // it has ended by itself: Wait says why
		return serving.Wait()
	}
	if err := waitFor(ctx, address); err != nil {
		return "", nil, errors.Join(err, stop())
	}
	return address, stop, nil
}

// build makes one build after the other until ctx ends.
func (v *version) build(ctx context.Context) error {
	for {
		err := command(ctx, v.binary, "build", "--data-dir", v.dataDir).Run()
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was interrupted, as it should be
		}
		if err != nil {
			return fmt.Errorf("%s build: %w", v.binary, err)
		}
	}
}

// command is interrupted, not killed, when ctx ends, so that a private PostgreSQL is stopped in good order.
func command(ctx context.Context, binary string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, binary, args...)
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")} //nolint:forbidigo // without DATABASE_URL
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	return c
}

func generate(ctx context.Context, binary, path string) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("make sample orders: %w", err)
	}
	c := command(ctx, binary, "generate")
	c.Stdout = file
	if err := errors.Join(c.Run(), file.Close()); err != nil {
		return fmt.Errorf("make sample orders: %w", err)
	}
	return nil
}
