package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"text/tabwriter"
	"time"
)

// firsts are how long first answers took, by kind of question.
type firsts map[string][]time.Duration

// measureCold asks one question of a new server, and one more after a new build became the active one, and prints how
// long these took.
func (o options) measureCold(ctx context.Context, versions []*version, q questions, stdout, stderr io.Writer) error {
	kinds := q.kinds(false)[1:] // without /livez
	started, switched := make([]firsts, len(versions)), make([]firsts, len(versions))
	for i := range versions {
		started[i], switched[i] = firsts{}, firsts{}
	}
	for round := range o.rounds {
		fmt.Fprintf(stderr, "serve: round %d of %d, first answers\n", round+1, o.rounds)
		for _, k := range kinds {
			for i, v := range versions {
				start, after, err := v.first(ctx, k, uint64(round))
				if err != nil {
					return fmt.Errorf("%s, first %s: %w", v.name, k.name, err)
				}
				started[i][k.name] = append(started[i][k.name], start)
				switched[i][k.name] = append(switched[i][k.name], after)
			}
		}
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "first answer\tversion\tafter a start: ms\tslowest\tafter a switch: ms\tslowest\t")
	for _, k := range kinds {
		for i, v := range versions {
			start, after := slices.Sorted(slices.Values(started[i][k.name])), slices.Sorted(slices.Values(switched[i][k.name]))
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t\n", k.name, v.name,
				ms(start[len(start)/2]), ms(start[len(start)-1]), ms(after[len(after)/2]), ms(after[len(after)-1]))
		}
	}
	return table.Flush()
}

// first starts a server, and returns how long its first answer takes, and its first one of a new build.
func (v *version) first(ctx context.Context, k kind, round uint64) (start, after time.Duration, err error) {
	address, stop, err := v.serve(ctx, true)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	random := rand.New(rand.NewPCG(seed, round)) //nolint:gosec // the same questions every time
	timed := func() (time.Duration, error) {
		began := time.Now()
		_, err := ask(ctx, address, k.next(random))
		return time.Since(began), err
	}
	if start, err = timed(); err != nil {
		return 0, 0, err
	}
	if err := command(ctx, v.binary, "build", "--data-dir", v.dataDir).Run(); err != nil {
		return 0, 0, fmt.Errorf("build: %w", err)
	}
	after, err = timed()
	return start, after, err
}
