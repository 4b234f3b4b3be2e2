package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/alsobought/alsobought/internal/datafile"
	"github.com/alsobought/alsobought/internal/load"
)

// dryRun reads the sources as a load would and reports the result. It opens no database.
func (c *loadCommand) dryRun(ctx context.Context, term *terminal, sources []datafile.Source, total int64) error {
	shown := watch(term, c.JSON, "", total)
	options := c.loadOptions()
	options.Progress = shown.report
	found, refused := load.Rehearse(ctx, sources, options)
	shown.stop()
	if found == nil || errors.Is(refused, load.ErrNoRows) {
		return refused
	}
	if c.JSON {
		if err := printJSON(term.stdout, found); err != nil {
			return err
		}
	} else {
		printRehearsal(term.stdout, found)
	}
	if refused == nil && c.Strict && found.RowsRejected > 0 {
		return exitError(exitRejected)
	}
	return refused
}

func printRehearsal(w io.Writer, r *load.Rehearsal) {
	for _, f := range r.Files {
		printRehearsedFile(w, f)
	}
	fmt.Fprintln(w, "result of a load")
	t := newTable(w)
	t.row("  rows read", grouped(r.RowsRead))
	t.row("  valid", grouped(r.RowsValid), "loaded or duplicate; only the database can tell")
	if r.RowsNotBought > 0 {
		t.row("  not bought", grouped(r.RowsNotBought), strings.Join(rejectReasons(r.NotBoughtByReason), ", "))
	}
	t.row("  rejected", grouped(r.RowsRejected), strings.Join(rejectReasons(r.RejectedByReason), ", "))
	t.flush()
	if len(r.FirstRejects) == 0 {
		return
	}
	fmt.Fprintln(w)
	t = newTable(w)
	t.row("FILE", "LINE", "REASON", "DETAIL", "RAW")
	for _, x := range r.FirstRejects {
		t.row(strconv.Itoa(x.FileNumber), strconv.FormatInt(x.LineNumber, 10), string(x.Reason), x.Detail, shortened(x.Raw))
	}
	t.flush()
	if more := r.RowsRejected - int64(len(r.FirstRejects)); more > 0 {
		fmt.Fprintf(w, "and %s more\n", grouped(more))
	}
}

// rejectReasons formats the number of rows per reason, most frequent first.
func rejectReasons(counts map[datafile.Reason]int64) []string {
	list := []string{}
	for _, reason := range slices.SortedFunc(maps.Keys(counts), func(a, b datafile.Reason) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	}) {
		list = append(list, string(reason)+" "+grouped(counts[reason]))
	}
	return list
}

func printRehearsedFile(w io.Writer, f load.RehearsedFile) {
	m := f.Mapping
	description := m.Words()
	if m.Profile != "" {
		description = append([]string{m.Profile}, description...)
	}
	if m.TimeFormat != "" {
		description = append(description, "times as "+m.TimeFormat)
	}
	fmt.Fprintf(w, "%s: %s\n", printable(f.Name), strings.Join(description, ", "))
	t := printColumns(w, m.Columns, [][2]string{
		{"order", m.Order},
		{"item", m.Item},
		{"quantity", m.Quantity},
		{"time", m.Time},
		{"customer", m.Customer},
		{"status", m.Status},
		{"returned", m.Returned},
		{"zone", m.Zone},
		{"code", m.Code},
	})
	outcomes := fmt.Sprintf("%s of them rejected", grouped(f.RowsRejected))
	if f.RowsNotBought > 0 {
		outcomes = fmt.Sprintf("%s of them not bought, %s rejected", grouped(f.RowsNotBought), grouped(f.RowsRejected))
	}
	t.row("  rows", grouped(f.RowsRead)+", "+outcomes)
	t.flush()
	for _, note := range m.AllNotes() {
		fmt.Fprintf(w, "  note: %s\n", printable(note))
	}
	fmt.Fprintln(w)
	if len(f.FirstRows) == 0 {
		return
	}
	t = newTable(w)
	t.row("LINE", "ORDER", "ITEM", "QUANTITY", "TIME (UTC)", "CUSTOMER")
	for _, l := range f.FirstRows {
		customer := "-"
		if l.CustomerID != nil {
			customer = *l.CustomerID
		}
		t.row(strconv.FormatInt(l.LineNumber, 10), shortened(l.OrderID), shortened(l.ItemName), l.Quantity.String(),
			instant(l.OrderedAt), shortened(customer))
	}
	t.flush()
	fmt.Fprintln(w)
}

// shortened cuts what would make a line of a table unreadable.
func shortened(s string) string {
	const most = 80
	runes := []rune(s[:min(len(s), 4*(most+1))]) // enough bytes for one rune more than fits
	if len(runes) <= most {
		return s
	}
	return string(runes[:most-1]) + "…"
}
