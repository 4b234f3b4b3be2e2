package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/orderfile"
)

const (
	sampleRows    = 5  // of a file, as understood
	sampleRejects = 10 // of all files
)

// rehearsal is what load --dry-run found, and prints with --json.
type rehearsal struct {
	Files            []rehearsedFile   `json:"files"`
	RowsRead         int64             `json:"rows_read"`
	RowsUnderstood   int64             `json:"rows_understood"` // a load would load them, or find that they are duplicates
	RowsRejected     int64             `json:"rows_rejected"`
	RejectedByReason map[string]int64  `json:"rejected_by_reason"`
	FirstRejects     []rehearsedReject `json:"first_rejects"`
	Refused          *string           `json:"refused"` // why a load would load nothing at all, or null
}

type rehearsedFile struct {
	Name         string            `json:"name"`
	Bytes        int64             `json:"bytes"`
	Mapping      orderfile.Mapping `json:"mapping"`
	RowsRead     int64             `json:"rows_read"`
	RowsRejected int64             `json:"rows_rejected"`
	FirstRows    []rehearsedLine   `json:"first_rows"`
}

type rehearsedLine struct {
	LineNumber int64       `json:"line_number"`
	OrderID    string      `json:"order_id"`
	ItemName   string      `json:"item_name"`
	Quantity   json.Number `json:"quantity"`
	OrderedAt  *time.Time  `json:"ordered_at"`
	CustomerID *string     `json:"customer_id"`
}

type rehearsedReject struct {
	FileNumber int    `json:"file_number"`
	LineNumber int64  `json:"line_number"`
	Reason     string `json:"reason"`
	Detail     string `json:"detail"`
	Raw        string `json:"raw"`
}

// dryRun reads the sources as a load would and says what it found. It opens no database.
func (c *loadCommand) dryRun(ctx context.Context, term *terminal, sources []load.Source, total int64) error {
	shown := watch(term, c.JSON, "", total)
	found, err := c.rehearse(ctx, sources, shown)
	shown.stop()
	if err != nil {
		return err
	}
	refused := c.refusal(found)
	if refused != nil {
		why := refused.Error()
		found.Refused = &why
	}
	if c.JSON {
		if err := printJSON(term.stdout, found); err != nil {
			return err
		}
	} else {
		found.print(term.stdout)
	}
	if refused == nil && c.Strict && found.RowsRejected > 0 {
		return exitError(exitRejected)
	}
	return refused
}

func (c *loadCommand) rehearse(ctx context.Context, sources []load.Source, shown *progress) (*rehearsal, error) {
	r := &rehearsal{RejectedByReason: map[string]int64{}, FirstRejects: []rehearsedReject{}}
	names := make([]string, 0, len(sources))
	sums := map[string]string{} // of the bytes of the files so far, and their names
	done := int64(0)
	for _, source := range sources {
		options := c.options()
		options.Name = source.Name
		sum, err := r.read(ctx, source, options, func(bytes int64) {
			shown.report(load.Progress{Bytes: done + bytes, Rows: r.RowsRead, Rejected: r.RowsRejected})
		})
		if err != nil {
			return nil, err
		}
		if earlier, twice := sums[sum]; twice && !c.Again {
			return nil, &load.LoadedError{Name: source.Name, Earlier: earlier}
		}
		sums[sum] = source.Name
		names = append(names, source.Name)
		done += r.Files[len(r.Files)-1].Bytes
	}
	if r.RowsRead == 0 {
		return nil, fmt.Errorf("%s: %w: there is a header at most", strings.Join(names, " "), load.ErrNoRows)
	}
	r.RowsUnderstood = r.RowsRead - r.RowsRejected
	return r, nil
}

// refusal is the error with which a load of these files would end, whatever is in the database.
func (c *loadCommand) refusal(r *rehearsal) error {
	var most string
	switch {
	case c.MaxRejects.rows != nil && r.RowsRejected > *c.MaxRejects.rows:
		most = grouped(*c.MaxRejects.rows)
	case c.MaxRejects.share != nil && float64(r.RowsRejected)/float64(r.RowsRead) > *c.MaxRejects.share:
		most = fmt.Sprintf("%.6g %%", *c.MaxRejects.share*100)
	default:
		return nil
	}
	return fmt.Errorf("a load would be refused: %w: %s of %s rows, the most allowed is %s",
		load.ErrTooManyRejects, grouped(r.RowsRejected), grouped(r.RowsRead), most)
}

// read reads one source to its end and returns the sum of its bytes.
func (r *rehearsal) read(ctx context.Context, source load.Source, options orderfile.Options, report func(bytes int64)) (sum string, err error) {
	const reportEvery = 5000
	src, err := source.Open()
	if err != nil {
		return "", err
	}
	defer func() { _ = src.Close() }() // read only
	before := orderfile.StateOf(src)
	reader, err := orderfile.Open(src, options)
	if err != nil {
		return "", err
	}
	file := rehearsedFile{Name: source.Name, FirstRows: []rehearsedLine{}}
	for {
		line, reject, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		r.RowsRead++
		file.RowsRead++
		switch {
		case reject != nil:
			file.RowsRejected++
			r.reject(len(r.Files)+1, reject)
		case len(file.FirstRows) < sampleRows:
			file.FirstRows = append(file.FirstRows, understood(line))
		}
		if r.RowsRead%reportEvery == 0 {
			if err := ctx.Err(); err != nil {
				return "", err
			}
			report(reader.Bytes())
		}
	}
	if orderfile.StateOf(src) != before {
		return "", fmt.Errorf("%s changed while it was read: load it when it is complete", source.Name)
	}
	file.Bytes, file.Mapping = reader.Bytes(), reader.Mapping()
	r.Files = append(r.Files, file)
	return string(reader.SHA256()), nil
}

func (r *rehearsal) reject(fileNumber int, reject *orderfile.Reject) {
	r.RowsRejected++
	r.RejectedByReason[string(reject.Reason)]++
	if len(r.FirstRejects) < sampleRejects {
		r.FirstRejects = append(r.FirstRejects, rehearsedReject{
			fileNumber, reject.Number, string(reject.Reason), reject.Detail, readable(reject.Raw),
		})
	}
}

func understood(line orderfile.Line) rehearsedLine {
	l := rehearsedLine{LineNumber: line.Number, OrderID: line.Order, ItemName: line.Item, Quantity: "1"}
	if !line.Quantity.IsZero() {
		l.Quantity = json.Number(line.Quantity.String())
	}
	if !line.OrderedAt.IsZero() {
		l.OrderedAt = &line.OrderedAt
	}
	if line.Customer != "" {
		l.CustomerID = &line.Customer
	}
	return l
}

func (r *rehearsal) print(w io.Writer) {
	for _, f := range r.Files {
		f.print(w)
	}
	fmt.Fprintln(w, "a load would do this")
	t := newTable(w)
	t.row("  rows read", grouped(r.RowsRead))
	t.row("  understood", grouped(r.RowsUnderstood), "loaded, or found to be duplicates: that takes the database")
	t.row("  rejected", grouped(r.RowsRejected), strings.Join(r.reasons(), ", "))
	t.flush()
	if len(r.FirstRejects) == 0 {
		return
	}
	fmt.Fprintln(w)
	t = newTable(w)
	t.row("FILE", "LINE", "REASON", "DETAIL", "RAW")
	for _, x := range r.FirstRejects {
		t.row(strconv.Itoa(x.FileNumber), strconv.FormatInt(x.LineNumber, 10), x.Reason, x.Detail, shortened(x.Raw))
	}
	t.flush()
	if more := r.RowsRejected - int64(len(r.FirstRejects)); more > 0 {
		fmt.Fprintf(w, "and %s more\n", grouped(more))
	}
}

// reasons are the counts of rejects, the most frequent reason first.
func (r *rehearsal) reasons() []string {
	list := []string{}
	for _, reason := range slices.SortedFunc(maps.Keys(r.RejectedByReason), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.RejectedByReason[b], r.RejectedByReason[a]), cmp.Compare(a, b))
	}) {
		list = append(list, reason+" "+grouped(r.RejectedByReason[reason]))
	}
	return list
}

func (f *rehearsedFile) print(w io.Writer) {
	m := f.Mapping
	description := shape(m.Shape)
	if m.TimeFormat != "" {
		description = append(description, "times as "+m.TimeFormat)
	}
	fmt.Fprintf(w, "%s: %s\n", printable(f.Name), strings.Join(description, ", "))
	t := printColumns(w, m.Columns, [][2]string{
		{"order", m.Order}, {"item", m.Item}, {"quantity", m.Quantity}, {"time", m.Time}, {"customer", m.Customer},
	})
	t.row("  rows", fmt.Sprintf("%s, %s of them rejected", grouped(f.RowsRead), grouped(f.RowsRejected)))
	t.flush()
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
		t.row(strconv.FormatInt(l.LineNumber, 10), shortened(l.OrderID), shortened(l.ItemName), l.Quantity.String(), instant(l.OrderedAt), shortened(customer))
	}
	t.flush()
	fmt.Fprintln(w)
}

// shape says in words what kind of file it is.
func shape(m orderfile.Shape) []string {
	words := []string{string(m.Format)}
	if m.Compression != "" {
		words = append(words, m.Compression)
	}
	words = append(words, m.Encoding)
	if name := map[string]string{",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", " ": "blanks"}[m.Delimiter]; name != "" {
		words = append(words, "separated by "+name)
	}
	switch {
	case m.Header:
		words = append(words, "with a header")
	case m.Format != orderfile.JSONLines && m.Format != orderfile.Baskets:
		words = append(words, "without a header")
	}
	return words
}

// shortened cuts what would make a line of a table unreadable.
func shortened(s string) string {
	const most = 80
	runes := []rune(s[:min(len(s), 4*(most+1))]) // as many bytes as one character more can have
	if len(runes) <= most {
		return s
	}
	return string(runes[:most-1]) + "…"
}
