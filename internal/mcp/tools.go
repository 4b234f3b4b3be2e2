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

// Rows per list: maximum and default.
const (
	maxList   = 100
	listLimit = 20
)

const ofRecommendations = " Each recommendation has its evidence: similarity_score, " +
	"orders_together (orders with both), confidence, lift, " +
	"popularity_rank, a reason in words, and source: pair (bought together), popular (fills an empty place) " +
	"or pinned (by a rule). " +
	"The metadata names the build, unknown items, and, in note, why the answer falls short of the request."

var (
	popularTool = mcp.Tool{
		Name: "popular",
		Description: "The items in the most orders, of all time or of the last days before the newest order. " +
			"Use it to find item names." + ofRecommendations,
	}
	similarTool = mcp.Tool{
		Name:        "similar",
		Description: "What customers also buy with one item. An unknown item is an error." + ofRecommendations,
	}
	basketTool = mcp.Tool{
		Name: "basket",
		Description: "What customers also buy with the items of a basket as a whole; the basket's own items are excluded. " +
			"Unknown items are ignored and listed in metadata.unknown_items." + ofRecommendations,
	}
	explainTool = mcp.Tool{
		Name: "explain",
		Description: "Why two items are, or are not, recommended with each other: every count and measure of the pair, " +
			"and the newest orders with both. For items that were never bought together, all of them are zero.",
	}
	loadsTool = mcp.Tool{
		Name: "loads",
		Description: "Loads of order files, newest first: source, status, user, time, and row counts by outcome " +
			"(read, loaded, duplicate, not bought, rejected).",
	}
	buildsTool = mcp.Tool{
		Name: "builds",
		Description: "Builds, newest first: each is a count of all orders at one point in time, " +
			"with its settings and size. " +
			"Questions use the active build unless build_id selects another ready one.",
	}
)

// Arguments of the tools. Zero values count as absent, because models tend to fill in what they do not need.
// inputSchema adds the limits.
type (
	filter struct {
		Exclude  []string `json:"exclude,omitempty" jsonschema:"Items not to recommend, by their exact names."`
		Category []string `json:"category,omitempty" jsonschema:"Recommend only items of these catalogue categories."`
		BuildID  int64    `json:"build_id,omitempty" jsonschema:"Use this kept build, see the tool builds; 0 is the active one."`
	}

	//nolint:lll // tags cannot be broken
	ranking struct {
		Measure       recommend.Measure `json:"measure,omitempty" jsonschema:"Measure to rank pairs by. affinity is nearly always best; the others are the standard statistics of that name."`
		MinSupport    int64             `json:"min_support,omitempty" jsonschema:"Minimum orders together for a pair to count; 0 is no minimum."`
		MinConfidence float64           `json:"min_confidence,omitempty" jsonschema:"Minimum confidence for a pair to count, 0 to 1; 0 is no minimum."`
		Strict        bool              `json:"strict,omitempty" jsonschema:"true leaves places empty instead of filling them with popular items."`
	}

	popularArguments struct {
		Limit int `json:"limit,omitempty" jsonschema:"Number of items, 1 to 100; 0 is 20."`
		Days  int `json:"days,omitempty" jsonschema:"Popularity over so many days up to the newest order, 1 to 365; 0 is all orders."`
		filter
	}

	similarArguments struct {
		Item  string `json:"item" jsonschema:"The item's exact name, as in the orders."`
		Limit int    `json:"limit,omitempty" jsonschema:"Number of items, 1 to 100; 0 is 5."`
		ranking
		filter
	}

	basketArguments struct {
		Items []string `json:"items" jsonschema:"The exact names of the 1 to 100 items in the basket."`
		Limit int      `json:"limit,omitempty" jsonschema:"Number of items, 1 to 100; 0 is 10."`
		ranking
		filter
	}

	explainArguments struct {
		Item    string `json:"item" jsonschema:"The exact name of the seed item."`
		Other   string `json:"other" jsonschema:"The exact name of the item that is, or is not, recommended with it."`
		BuildID int64  `json:"build_id,omitempty" jsonschema:"Use this kept build, see the tool builds; 0 is the active one."`
	}

	listArguments struct {
		Limit int32 `json:"limit,omitempty" jsonschema:"Number of rows, 1 to 100; 0 is 20."`
	}
)

// inputSchema returns the schema of the arguments, with their limits.
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

// tools implements the tools.
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

// Lists are wrapped in objects, because the protocol requires structured content to be an object.
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

// named refuses an empty name, which package recommend would report as an unknown item.
func named(argument, name string) error {
	if name == "" {
		return &recommend.InvalidError{Field: argument, Problem: "is missing: name an item"}
	}
	return nil
}
