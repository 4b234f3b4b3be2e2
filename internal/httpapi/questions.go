package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/alsobought/alsobought/internal/apikey"
	"github.com/alsobought/alsobought/internal/recommend"
)

// Routes of the questions.
const (
	popularPath = "/api/v1/popular-items"
	similarPath = "/api/v1/similar-items"
	batchPath   = "/api/v1/similar-items:batch"
	basketPath  = "/api/v1/basket-recommendations"
	orderPath   = "/api/v1/recommendations"
	explainPath = "/api/v1/explain"
)

// A test compares the limits and defaults in the tags with those of package recommend.
type (
	popularInput struct {
		strictQuery
		Conditional

		Limit    int      `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"Maximum number of items."`
		Days     int      `query:"days" minimum:"1" maximum:"365" doc:"Popularity over this many days up to the build's newest order; default: over all orders."`
		Exclude  []string `query:"exclude,explode" maxItems:"100" doc:"Names of items to exclude."`
		Category []string `query:"category,explode" maxItems:"100" doc:"Only items in these catalogue categories."`
		BuildID  int64    `query:"build_id" minimum:"1" doc:"Use this kept build instead of the active one."`
	}

	similarInput struct {
		strictQuery
		Conditional
		Options

		Limit int    `query:"limit" minimum:"1" maximum:"100" default:"5" doc:"Maximum number of items."`
		Item  string `path:"item_name" doc:"The item's name, raw or percent-encoded. The rest of the path is the name, including slashes." example:"PID"`
	}

	similarQueryInput struct {
		strictQuery
		Conditional
		Options

		Limit int    `query:"limit" minimum:"1" maximum:"100" default:"5" doc:"Maximum number of items."`
		Item  string `query:"item" required:"true" doc:"The item's name." example:"PID"`
	}

	batchInput struct {
		strictQuery

		Body batchBody
	}

	batchBody struct {
		Items []string `json:"items" minItems:"1" maxItems:"1000" doc:"Item names." example:"[\"PID\",\"YSI\"]"`
		Limit int      `json:"limit,omitempty" minimum:"1" maximum:"100" default:"5" doc:"Maximum number of recommendations for each item."`
		Options
	}

	basketInput struct {
		strictQuery

		Body basketBody
	}

	basketBody struct {
		Items []string `json:"items" minItems:"1" maxItems:"100" doc:"Names of the items in the basket." example:"[\"PID\",\"YSI\"]"`
		Limit int      `json:"limit,omitempty" minimum:"1" maximum:"100" default:"10" doc:"Maximum number of items."`
		Options
	}

	orderInput struct {
		strictQuery
		Options

		OrderID string `path:"order_id" doc:"Your order ID, raw or percent-encoded, including any slashes." example:"R100001"`
		Limit   int    `query:"limit" minimum:"1" maximum:"100" default:"10" doc:"Maximum number of items."`
	}

	explainInput struct {
		strictQuery

		Item  string `query:"item" required:"true" doc:"The seed item." example:"PID"`
		Other string `query:"other" required:"true" doc:"The item that is, or is not, recommended with it." example:"Gloves"`

		BuildID int64 `query:"build_id" minimum:"1" doc:"Use this kept build instead of the active one."`
	}

	answerOutput struct {
		Status int
		//nolint:tagliatelle // its name
		ETag         string `header:"ETag" doc:"Identifies the current answer, for If-None-Match. Missing if build_id was given."`
		CacheControl string `header:"Cache-Control" doc:"How clients and proxies may cache the response."`
		Age          string `header:"Age" doc:"Only if the answer is stale because the database is unavailable: seconds since it was last known to be current."`
		Warning      string `header:"Warning" doc:"Code 110 if the answer is stale."`
		ContentType  string `header:"Content-Type" hidden:"true"`
		Body         []byte
	}
	// orderOutput is an answer that is not cached, because it changes with the order.
	orderOutput struct {
		CacheControl string `header:"Cache-Control" doc:"How clients and proxies may cache the response."`
		ContentType  string `header:"Content-Type" hidden:"true"`
		Body         []byte
	}
	batchOutput       struct{ Body recommend.Batch }
	explanationOutput struct{ Body recommend.Explanation }
)

func (a *API) questions() {
	reader := apikey.Read
	if !a.KeyedReads {
		reader = "" // open to all
	}
	questions := requirements{scope: reader, slots: a.queries}
	baskets := requirements{scope: reader, body: a.MaxBody, slots: a.queries}
	batches := requirements{scope: reader, body: a.MaxBody, slots: a.batches}
	a.itemQuestions(questions, batches)
	a.basketQuestions(questions, baskets)
}

// questionErrors are the error statuses of questions, besides those of every operation.
var questionErrors = []int{http.StatusNotFound, http.StatusServiceUnavailable}

// itemQuestions adds the questions about popularity and about single items.
func (a *API) itemQuestions(questions, batches requirements) {
	register(a, questions, answers(a.routes, huma.Operation{
		OperationID: "popular-items",
		Path:        popularPath,
		Summary:     "Get the most popular items",
		Description: "The items in the most orders of the build; ties are ordered by name. With days, only recent orders count, " +
			"and ties are ordered by overall popularity.",
		Errors: questionErrors,
	}), func(ctx context.Context, in *popularInput) (*answerOutput, error) {
		return a.answer(ctx, &in.Conditional, recommend.Popular(recommend.Options{
			Limit: in.Limit, Days: in.Days, Exclude: in.Exclude, Categories: in.Category, BuildID: in.BuildID,
		}))
	})
	register(a, questions, answers(a.routes, huma.Operation{
		OperationID: "similar-items",
		Path:        similarPath + "/{item_name}",
		Summary:     "Get similar items",
		Description: "The items most often bought together with one item. Many clients remove `.`, `..` and `//` from paths: " +
			"for an item with such a name, use `?item=`.",
		Errors: questionErrors,
	}), func(ctx context.Context, in *similarInput) (*answerOutput, error) {
		return a.answer(ctx, &in.Conditional, recommend.Similar(in.Item, in.with(in.Limit)))
	})
	register(a, questions, answers(a.routes, huma.Operation{
		OperationID: "similar-items-by-query",
		Path:        similarPath,
		Summary:     "Get similar items, with the name in the query",
		Description: "Same as with the name in the path.",
		Errors:      questionErrors,
	}), func(ctx context.Context, in *similarQueryInput) (*answerOutput, error) {
		return a.answer(ctx, &in.Conditional, recommend.Similar(in.Item, in.with(in.Limit)))
	})
	register(a, batches, question(huma.Operation{
		OperationID: "similar-items-batch",
		Method:      http.MethodPost,
		Path:        batchPath,
		Summary:     "Get similar items for many items",
		Description: "Returns for each item what similar-items returns, all from one build, with a single database query.",
		Errors:      questionErrors,
	}), func(ctx context.Context, in *batchInput) (*batchOutput, error) {
		batch, _, err := read(ctx, a, func(ctx context.Context, u *upstream) (recommend.Batch, error) {
			return u.recommender.AskEach(ctx, in.Body.Items, in.Body.with(in.Body.Limit))
		})
		return &batchOutput{batch}, err
	})
}

// basketQuestions adds the questions about several items: a basket, an order, a pair.
func (a *API) basketQuestions(questions, baskets requirements) {
	register(a, baskets, answers(a.routes, huma.Operation{
		OperationID: "basket-recommendations",
		Method:      http.MethodPost,
		Path:        basketPath,
		Summary:     "Get recommendations for a basket",
		Description: "Items often bought with those in the basket taken together. The basket's own items are excluded.",
		Errors:      questionErrors,
	}), func(ctx context.Context, in *basketInput) (*answerOutput, error) {
		return a.answer(ctx, nil, recommend.Basket(in.Body.Items, in.Body.with(in.Body.Limit)))
	})
	register(a, questions, answers(a.routes, huma.Operation{
		OperationID: "order-recommendations",
		Path:        orderPath + "/{order_id}",
		Summary:     "Get recommendations for an order",
		Description: "Items often bought with those of a stored order. The order's own items are excluded. An order unknown to the replica is " +
			"looked up on the primary; if that is unavailable, the response is a 503 with type `" + mayLagType + "`.",
		Errors: questionErrors,
	}), func(ctx context.Context, in *orderInput) (*orderOutput, error) {
		out, err := a.answer(ctx, nil, recommend.Order(in.OrderID, in.with(in.Limit)))
		if err != nil {
			return nil, err
		}
		return &orderOutput{out.CacheControl, out.ContentType, out.Body}, nil
	})
	register(a, questions, question(huma.Operation{
		OperationID: "explain",
		Path:        explainPath,
		Summary:     "Get the evidence for two items",
		Description: "All counts and measures of a pair of items in a build, and the newest orders that contain both.",
		Errors:      questionErrors,
	}), func(ctx context.Context, in *explainInput) (*explanationOutput, error) {
		explanation, _, err := read(ctx, a, func(ctx context.Context, u *upstream) (recommend.Explanation, error) {
			return u.recommender.Explain(ctx, in.Item, in.Other, in.BuildID)
		})
		return &explanationOutput{explanation}, err
	})
}

// Conditional has the conditional request headers. (Exported for the same reason as Options.)
type Conditional struct {
	IfNoneMatch string `header:"If-None-Match" doc:"ETags of answers the client has. The response is 304 if one of them is current."`
}

// answer returns the encoded answer, or a 304 if the client has it. condition is nil if the question has no ETag.
func (a *API) answer(ctx context.Context, condition *Conditional, q recommend.Question) (*answerOutput, error) {
	var has func(etag string) bool
	if condition != nil && condition.IfNoneMatch != "" {
		has = condition.has
	}
	served, age, err := a.ask(ctx, q, has)
	if err != nil {
		return nil, err
	}
	out := &answerOutput{
		Status: http.StatusOK, ETag: served.ETag, CacheControl: a.CacheControl, ContentType: "application/json", Body: served.JSON,
	}
	if served.NotModified() {
		out.Status, out.ContentType = http.StatusNotModified, ""
	}
	if stateOf(ctx).stale {
		out.stale(age)
	}
	return out, nil
}

// ask answers from the database or, if that does not answer, from the cache, and returns the answer's age.
func (a *API) ask(ctx context.Context, q recommend.Question, has func(etag string) bool) (recommend.Served, time.Duration, error) {
	asked := a.primary
	served, unanswered, err := read(ctx, a, func(ctx context.Context, u *upstream) (recommend.Served, error) {
		asked = u
		return u.answers.Ask(ctx, q, has)
	})
	if errors.Is(err, recommend.ErrUnknownOrder) {
		if asked != a.primary {
			served, err = a.askPrimary(ctx, q)
		}
		err = a.unknownOnReplica(ctx, err)
	}
	if !unanswered {
		return served, 0, err
	}
	served, age, found := a.stale(q, has)
	if !found {
		return served, 0, err
	}
	stateOf(ctx).stale = true
	return served, age, nil
}

// stale returns the answer cached under the most recent version any upstream read.
func (a *API) stale(q recommend.Question, has func(etag string) bool) (served recommend.Served, age time.Duration, found bool) {
	for _, u := range a.upstreams {
		if kept, since, is := u.answers.Stale(q, has); is && (!found || since < age) {
			served, age, found = kept, since, true
		}
	}
	return served, age, found
}

// has uses the weak comparison that RFC 9110 requires for If-None-Match.
func (c *Conditional) has(etag string) bool {
	for tag := range strings.SplitSeq(c.IfNoneMatch, ",") {
		tag = strings.TrimSpace(tag)
		if strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}
