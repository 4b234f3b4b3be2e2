package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// printTable prints the median rounds of every kind of question: rates of the closed loop, their ratio to /livez and,
// with two versions, to each other, and the latencies of the open loop at half the rate.
func printTable(w io.Writer, versions []*version, kinds []kind, state string) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table,
		"%s\tversion\tper second\tof /livez\tnew/old\tp50 ms\tp99 ms\tat half: p50 ms\tp99 ms\tp99.9 ms\t\n", state)
	for _, k := range kinds {
		for _, v := range versions {
			closed := median(v.closed[k.name])
			half := []string{"", "", ""} // only HTTP is asked in an open loop
			if rounds := v.open[k.name]; len(rounds) > 0 {
				open := median(rounds)
				half = []string{ms(open.percentile(50)), ms(open.percentile(99)), ms(open.percentile(99.9))}
			}
			livez := median(v.closed[kinds[0].name]).perSecond
			ratio := ""
			if v == versions[0] && len(versions) > 1 {
				ratio = fmt.Sprintf("%.2f", closed.perSecond/median(versions[1].closed[k.name]).perSecond)
			}
			fmt.Fprintf(table, "%s\t%s\t%.0f\t%.3f\t%s\t%s\t%s\t%s\t%s\t%s\t\n", k.name, v.name,
				closed.perSecond, closed.perSecond/livez,
				ratio, ms(closed.percentile(50)), ms(closed.percentile(99)), half[0], half[1], half[2])
		}
	}
	return table.Flush()
}

// median is the round whose rate is the middle one.
func median(rounds []measured) measured {
	sorted := slices.SortedFunc(slices.Values(rounds),
		func(a, b measured) int { return cmp.Compare(a.perSecond, b.perSecond) })
	return sorted[len(sorted)/2]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond)) }
