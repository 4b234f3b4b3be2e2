package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/alsobought/alsobought/internal/builds"
)

// maxDiffLimit is the maximum number of rows per list of a diff.
const maxDiffLimit = 1000

type buildsDiffCommand struct {
	Before int64 `arg:"" help:"A kept build, usually the older one."`
	After  int64 `arg:"" help:"Another kept build."`
	Limit  int32 `short:"n" default:"20" placeholder:"N" help:"Pairs per list, 1 to 1000 (default ${default})."`
	JSON   bool  `name:"json" help:"Print JSON."`
}

func (c *buildsDiffCommand) Run(ctx context.Context, term *terminal, d *database) error {
	if c.Before == c.After {
		return usageError{fmt.Errorf("both builds are %d: choose two different ones, see alsobought builds list", c.Before)}
	}
	if c.Limit < 1 || c.Limit > maxDiffLimit {
		return usageError{fmt.Errorf("limit is %d: choose 1 to %d", c.Limit, maxDiffLimit)}
	}
	pool, closeAll, err := d.open(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	shown := watch(term, c.JSON, "comparing", 0)
	diff, err := builds.Compare(ctx, pool, c.Before, c.After, c.Limit)
	shown.stop()
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(term.stdout, diff)
	}
	printDiff(term.stdout, diff)
	return nil
}

func printDiff(w io.Writer, d builds.Diff) {
	number := func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
	t := newTable(w)
	t.row("", fmt.Sprintf("BUILD %d", d.Before.BuildID), fmt.Sprintf("BUILD %d", d.After.BuildID), "APPEARED", "VANISHED")
	t.row("orders", grouped(d.Before.Orders), grouped(d.After.Orders))
	t.row("baskets", grouped(d.Before.Baskets), grouped(d.After.Baskets))
	t.row("items", grouped(d.Before.Items), grouped(d.After.Items), grouped(d.ItemsAppeared), grouped(d.ItemsVanished))
	t.row("pairs", grouped(d.Before.Pairs), grouped(d.After.Pairs), grouped(d.PairsAppeared), grouped(d.PairsVanished))
	for _, s := range d.Settings {
		t.row(s.Setting, number(s.Before), number(s.After))
	}
	t.flush()
	printPairs(w, "appeared", d.Appeared, d.PairsAppeared)
	printPairs(w, "vanished", d.Vanished, d.PairsVanished)
	if len(d.Moved) == 0 {
		fmt.Fprintln(w, "\nno pair in both builds changed its affinity")
		return
	}
	fmt.Fprintln(w, "\npairs whose affinity changed most")
	t = newTable(w)
	t.row("ITEM", "OTHER", "AFFINITY", "RANK", "TOGETHER")
	for _, m := range d.Moved {
		t.row(m.Item, m.Other, fmt.Sprintf("%.6f -> %.6f", m.AffinityBefore, m.AffinityAfter),
			rank(m.RankBefore)+" -> "+rank(m.RankAfter),
			grouped(m.OrdersBefore)+" -> "+grouped(m.OrdersAfter))
	}
	t.flush()
}

func printPairs(w io.Writer, what string, pairs []builds.PairOfOneBuild, all int64) {
	if len(pairs) == 0 {
		return
	}
	fmt.Fprintf(w, "\npairs that %s: %s of %s\n", what, grouped(int64(len(pairs))), grouped(all))
	t := newTable(w)
	t.row("ITEM", "OTHER", "TOGETHER")
	for _, p := range pairs {
		t.row(p.ItemA, p.ItemB, grouped(p.OrdersTogether))
	}
	t.flush()
}

// rank formats a rank among the kept neighbours.
func rank(place int64) string {
	if place == 0 {
		return "-"
	}
	return grouped(place)
}
