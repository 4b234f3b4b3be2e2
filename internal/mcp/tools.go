package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/recommend"
)

// Of lists: how many rows at most, and without a limit.
const (
	maxList   = 100
	listLimit = 20
)

const ofRecommendations = " Each recommendation has its evidence: similarity_score, orders_together (orders with both), confidence, lift, " +
	"popularity_rank, a reason in words, and source: pair (bought together), popular (fills a free place) or pinned (by a rule). " +
	"The metadata names the build, unknown items, and in note why the answer is not what was asked for."

var (
	popularTool = mcp.Tool{
		Name: "popular",
		Description: "The items in the most orders, of all time or of the last days before the newest order. " +
			"Also the way to find names of items." + ofRecommendations,
	}
	similarTool = mcp.Tool{
		Name:        "similar",
		Description: "What customers also buy with one item. An item that is in no order is an error." + ofRecommendations,
	}
	basketTool = mcp.Tool{
		Name: "basket",
		Description: "What goes with all items of a basket together, none of them in it. Items that are in no order are listed in " +
			"metadata.unknown_items and left out of account." + ofRecommendations,
	}
	explainTool = mcp.Tool{
		Name: "explain",
		Description: "Why two items are, or are not, recommended with each other: every count and measure that the build has of the " +
			"pair, and the newest orders that hold both. Two known items that were never bought together are all zeros.",
	}
	loadsTool = mcp.Tool{
		Name: "loads",
		Description: "The loads of order files, newest first: source, status, who, when, and what became of the rows " +
			"(read, loaded, duplicate, not bought, rejected).",
	}
	buildsTool = mcp.Tool{
		Name: "builds",
		Description: "The builds, newest first: counts of all orders at one time, with their settings and sizes. The active one answers; " +
			"others that are ready can be asked by build_id.",
	}
)

// The arguments. A zero is the same as none: models like to fill in what they do not need. The bounds are added by inputSchema.
type (
	filter struct {
		Exclude  []string `json:"exclude,omitempty" jsonschema:"Items not to recommend, by their exact names."`
		Category []string `json:"category,omitempty" jsonschema:"Recommend items of these categories of the catalogue only."`
		BuildID  int64    `json:"build_id,omitempty" jsonschema:"A kept build to ask, see the tool builds; 0 is the active one."`
	}

	//nolint:lll // tags cannot be broken
	ranking struct {
		Measure       recommend.Measure `json:"measure,omitempty" jsonschema:"What pairs are ranked by. affinity is best nearly always; the others are the plain statistics of that name."`
		MinSupport    int64             `json:"min_support,omitempty" jsonschema:"Orders together that a pair needs to count; 0 is no threshold."`
		MinConfidence float64           `json:"min_confidence,omitempty" jsonschema:"Confidence that a pair needs to count, 0 to 1; 0 is no threshold."`
		Strict        bool              `json:"strict,omitempty" jsonschema:"true leaves places empty instead of filling them up by popularity."`
	}

	popularArguments struct {
		Limit int `json:"limit,omitempty" jsonschema:"How many items, 1 to 100; 0 is 20."`
		Days  int `json:"days,omitempty" jsonschema:"Popularity of the last days before the newest order, 1 to 365; 0 is of all orders."`
		filter
	}

	similarArguments struct {
		Item  string `json:"item" jsonschema:"The item's exact name, as in the orders."`
		Limit int    `json:"limit,omitempty" jsonschema:"How many items, 1 to 100; 0 is 5."`
		ranking
		filter
	}

	basketArguments struct {
		Items []string `json:"items" jsonschema:"The exact names of the 1 to 100 items in the basket."`
		Limit int      `json:"limit,omitempty" jsonschema:"How many items, 1 to 100; 0 is 10."`
		ranking
		filter
	}

	explainArguments struct {
		Item    string `json:"item" jsonschema:"The exact name of the item that was asked about."`
		Other   string `json:"other" jsonschema:"The exact name of the item that is or is not recommended with it."`
		BuildID int64  `json:"build_id,omitempty" jsonschema:"A kept build to ask, see the tool builds; 0 is the active one."`
	}

	listArguments struct {
		Limit int32 `json:"limit,omitempty" jsonschema:"How many, 1 to 100; 0 is 20."`
	}
)

// inputSchema is the schema of arguments, with their bounds.
func inputSchema[In any]() *jsonschema.Schema {
	schema := schemaOf[In]()
	for name, argument := range schema.Properties {
		switch name {
		case "limit":
			argument.Minimum, argument.Maximum = new(float64), new(float64(recommend.MaxLimit))
		case "days":
			argument.Minimum, argument.Maximum = new(float64), new(float64(recommend.MaxDays))
		case "build_id", "min_support":
			argument.Minimum = new(float64)
		case "min_confidence":
			argument.Minimum, argument.Maximum = new(float64), new(1.0)
		case "measure":
			for _, measure := range recommend.Measures() {
				argument.Enum = append(argument.Enum, measure)
			}
			argument.Default = json.RawMessage(strconv.Quote(string(recommend.Affinity)))
		case "items":
			argument.Type, argument.Types = "array", nil
			argument.MinItems, argument.MaxItems = new(1), new(recommend.MaxBasket)
		case "exclude":
			argument.Type, argument.Types, argument.MaxItems = "array", nil, new(recommend.MaxExclude)
		case "category":
			argument.Type, argument.Types, argument.MaxItems = "array", nil, new(recommend.MaxCategory)
		}
	}
	return schema
}

func (r ranking) options(limit int, f filter) recommend.Options {
	return recommend.Options{
		Limit: limit, Measure: r.Measure, MinSupport: r.MinSupport, MinConfidence: r.MinConfidence, Strict: r.Strict,
		Exclude: f.Exclude, Categories: f.Category, BuildID: f.BuildID,
	}
}

// tools are what the tools do.
type tools struct {
	recommender *recommend.Recommender
	queries     *db.Queries
}

func (t tools) popular(ctx context.Context, in popularArguments) (recommend.Answer, error) {
	opts := ranking{}.options(in.Limit, in.filter)
	opts.Days = in.Days
	return t.recommender.Ask(ctx, recommend.Popular(opts))
}

func (t tools) similar(ctx context.Context, in similarArguments) (recommend.Answer, error) {
	if err := named("item", in.Item); err != nil {
		return recommend.Answer{}, err
	}
	return t.recommender.Ask(ctx, recommend.Similar(in.Item, in.options(in.Limit, in.filter)))
}

func (t tools) basket(ctx context.Context, in basketArguments) (recommend.Answer, error) {
	return t.recommender.Ask(ctx, recommend.Basket(in.Items, in.options(in.Limit, in.filter)))
}

func (t tools) explain(ctx context.Context, in explainArguments) (recommend.Explanation, error) {
	if err := named("item", in.Item); err != nil {
		return recommend.Explanation{}, err
	}
	if err := named("other", in.Other); err != nil {
		return recommend.Explanation{}, err
	}
	return t.recommender.Explain(ctx, in.Item, in.Other, in.BuildID)
}

// The lists are objects, as the protocol wants structured content to be.
type (
	loadList struct {
		Loads []db.Load `json:"loads"`
	}
	buildList struct {
		Builds []db.Build `json:"builds"`
	}
)

func (t tools) loads(ctx context.Context, in listArguments) (list loadList, err error) {
	limit, err := in.limit()
	if err != nil {
		return list, err
	}
	if list.Loads, err = t.queries.LoadList(ctx, limit); err != nil {
		return list, fmt.Errorf("list loads: %w", err)
	}
	return list, nil
}

func (t tools) builds(ctx context.Context, in listArguments) (list buildList, err error) {
	limit, err := in.limit()
	if err != nil {
		return list, err
	}
	if list.Builds, err = t.queries.BuildList(ctx, limit); err != nil {
		return list, fmt.Errorf("list builds: %w", err)
	}
	return list, nil
}

func (in listArguments) limit() (int32, error) {
	if in.Limit == 0 {
		return listLimit, nil
	}
	if in.Limit < 0 || in.Limit > maxList {
		return 0, &recommend.InvalidError{Field: "limit", Problem: fmt.Sprintf("is %d: choose 1 to %d", in.Limit, maxList)}
	}
	return in.Limit, nil
}

// named refuses an argument that is not there; package recommend would call it unknown.
func named(argument, name string) error {
	if name == "" {
		return &recommend.InvalidError{Field: argument, Problem: "is missing: name an item"}
	}
	return nil
}
