package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/alsobought/alsobought/internal/recommend"
)

// limitFlag is the number of answers; each question has its own default.
type limitFlag struct {
	Limit *int `short:"n" placeholder:"N" help:"Maximum number of results, 1 to 100."`
}

// Validate is called by kong after parsing. It rejects the value that means the default internally.
func (f *limitFlag) Validate() error {
	if f.Limit != nil && *f.Limit == 0 {
		return fmt.Errorf("limit is 0: choose 1 to %d", recommend.MaxLimit)
	}
	return nil
}

func (f *limitFlag) limit() (limit int) {
	set(&limit, f.Limit)
	return limit
}

// buildFlag selects a build other than the active one.
type buildFlag struct {
	Build *int64 `placeholder:"ID" help:"Use this kept build instead of the active one."`
}

// Validate is called by kong after parsing. It rejects the value that means the active build internally.
func (f *buildFlag) Validate() error {
	if f.Build != nil && *f.Build < 1 {
		return fmt.Errorf("build is %d: see alsobought builds list", *f.Build)
	}
	return nil
}

func (f *buildFlag) buildID() (id int64) {
	set(&id, f.Build)
	return id
}

// questionFlags are the flags of every question.
type questionFlags struct {
	limitFlag
	buildFlag
	Measure       string   `default:"affinity" enum:"affinity,count,confidence,cosine,jaccard,lift" help:"Measure to rank by: ${enum}."`
	MinSupport    int64    `placeholder:"ORDERS" help:"Minimum number of orders that contain both items."`
	MinConfidence float64  `placeholder:"0..1" help:"Minimum confidence of a pair."`
	Exclude       []string `sep:"none" placeholder:"ITEM" help:"Never recommend this item (repeatable)."`
	Category      []string `sep:"none" placeholder:"NAME" help:"Recommend only items of this category (repeatable)."`
	Strict        bool     `help:"Do not fill up with popular items."`
	JSON          bool     `name:"json" help:"Print the API's JSON."`
}

// Validate calls both embedded methods: with two of them, neither is promoted.
func (f *questionFlags) Validate() error {
	return cmp.Or(f.limitFlag.Validate(), f.buildFlag.Validate())
}

func (f *questionFlags) options() recommend.Options {
	return recommend.Options{
		Limit:         f.limit(),
		Measure:       recommend.Measure(f.Measure),
		MinSupport:    f.MinSupport,
		MinConfidence: f.MinConfidence,
		Exclude:       f.Exclude,
		Categories:    f.Category,
		Strict:        f.Strict,
		BuildID:       f.buildID(),
	}
}

type popularCommand struct {
	limitFlag
	buildFlag
	Days     *int     `placeholder:"N" help:"Popularity over the last 1 to 365 days before the newest order."`
	Exclude  []string `sep:"none" placeholder:"ITEM" help:"Leave out this item (repeatable)."`
	Category []string `sep:"none" placeholder:"NAME" help:"Only items of this category (repeatable)."`
	JSON     bool     `name:"json" help:"Print the API's JSON."`
}

// Validate calls both embedded methods: with two of them, neither is promoted.
func (c *popularCommand) Validate() error {
	return cmp.Or(c.limitFlag.Validate(), c.buildFlag.Validate())
}

func (c *popularCommand) Run(ctx context.Context, term *terminal, d *database) error {
	opts := recommend.Options{Limit: c.limit(), Exclude: c.Exclude, Categories: c.Category, BuildID: c.buildID()}
	if set(&opts.Days, c.Days); c.Days != nil && opts.Days == 0 {
		return usageError{fmt.Errorf("--days is 0: choose 1 to %d", recommend.MaxDays)}
	}
	return ask(ctx, term, d, c.JSON, recommend.Popular(opts))
}

type similarCommand struct {
	Item string `arg:"" help:"Item name."`
	questionFlags
}

func (c *similarCommand) Run(ctx context.Context, term *terminal, d *database) error {
	return ask(ctx, term, d, c.JSON, recommend.Similar(c.Item, c.options()))
}

type basketCommand struct {
	Items []string `arg:"" name:"item" help:"Names of the items in the basket."`
	questionFlags
}

func (c *basketCommand) Run(ctx context.Context, term *terminal, d *database) error {
	return ask(ctx, term, d, c.JSON, recommend.Basket(c.Items, c.options()))
}

type orderCommand struct {
	ID string `arg:"" help:"Order ID, as in your files."`
	questionFlags
}

func (c *orderCommand) Run(ctx context.Context, term *terminal, d *database) error {
	return ask(ctx, term, d, c.JSON, recommend.Order(c.ID, c.options()))
}

func ask(ctx context.Context, term *terminal, d *database, asJSON bool, question recommend.Question) error {
	pool, closeAll, err := d.open(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	answer, err := recommend.New(pool).Ask(ctx, question)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(term.stdout, answer)
	}
	t := newTable(term.stdout)
	t.row("ITEM", "SCORE", "TOGETHER", "CONFIDENCE", "LIFT", "SOURCE", "REASON")
	for _, r := range answer.Recommendations {
		t.row(r.ItemName, fmt.Sprintf("%.4f", r.SimilarityScore), grouped(r.OrdersTogether),
			fmt.Sprintf("%.3f", r.Confidence),
			fmt.Sprintf("%.2f", r.Lift), r.Source, r.Reason)
	}
	t.flush()
	printMetadata(term.stderr, answer.Metadata)
	return nil
}

// printMetadata prints below the table what the table does not show.
func printMetadata(w io.Writer, m recommend.Metadata) {
	if len(m.UnknownItems) > 0 {
		fmt.Fprintf(w, "alsobought: not in any order of build %d: %s\n", m.BuildID,
			printable(strings.Join(m.UnknownItems, ", ")))
	}
	if m.Note != "" {
		fmt.Fprintf(w, "alsobought: %s\n", printable(m.Note))
	}
	if len(m.Rules) > 0 {
		fmt.Fprintf(w, "alsobought: changed by rules %s (see alsobought rules)\n", strings.Trim(fmt.Sprint(m.Rules), "[]"))
	}
	if m.InactiveLeftOut > 0 {
		fmt.Fprintf(w, "alsobought: inactive items left out: %d\n", m.InactiveLeftOut)
	}
}

type explainCommand struct {
	Item  string `arg:"" help:"Item name."`
	Other string `arg:"" help:"Name of the other item."`
	buildFlag
	JSON bool `name:"json" help:"Print the API's JSON."`
}

func (c *explainCommand) Run(ctx context.Context, term *terminal, d *database) error {
	pool, closeAll, err := d.open(ctx, term)
	if err != nil {
		return err
	}
	defer closeAll()
	e, err := recommend.New(pool).Explain(ctx, c.Item, c.Other, c.buildID())
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(term.stdout, e)
	}
	fmt.Fprintln(term.stdout, printable(e.Reason))
	ratio := func(f float64) string { return strconv.FormatFloat(f, 'f', 4, 64) }
	t := newTable(term.stdout)
	t.row("  orders with "+e.Item, grouped(e.ItemOrders), grouped(e.ItemBaskets)+" counted as baskets")
	t.row("  orders with "+e.Other, grouped(e.OtherOrders), grouped(e.OtherBaskets)+" counted as baskets")
	t.row("  orders with both", grouped(e.OrdersTogether), "of "+grouped(e.Baskets)+" baskets")
	t.row("  support", ratio(e.Support))
	t.row("  confidence", ratio(e.Confidence), "of "+e.Other+", given "+e.Item)
	t.row("  confidence", ratio(e.ReverseConfidence), "of "+e.Item+", given "+e.Other)
	t.row("  lift", ratio(e.Lift))
	t.row("  cosine", ratio(e.Cosine))
	t.row("  jaccard", ratio(e.Jaccard))
	t.row("  affinity", strconv.FormatFloat(e.Affinity, 'f', 6, 64), neighbourRank(e.NeighbourRank))
	t.row("    shrink factor", ratio(e.ShrinkFactor),
		fmt.Sprintf("%d/(%d + %g)", e.OrdersTogether, e.OrdersTogether, e.Shrinkage))
	t.row("    reach", strconv.FormatFloat(e.Reach, 'f', 6, 64),
		fmt.Sprintf("weight %.4g of %.6g baskets", e.Weight, e.ItemMass))
	t.row("    popularity divisor", ratio(e.PopularityDivisor), fmt.Sprintf("%.6g^%g", e.OtherMass, e.PopularityExponent))
	t.flush()
	for _, o := range e.NewestOrders {
		fmt.Fprintf(term.stdout, "  newest orders: %s  %s\n", instant(o.OrderedAt), printable(o.OrderID))
	}
	return nil
}

func neighbourRank(rank int64) string {
	if rank == 0 {
		return "not among the stored neighbours"
	}
	return "neighbour " + grouped(rank)
}
