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

		Limit    int      `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"How many items."`
		Days     int      `query:"days" minimum:"1" maximum:"365" doc:"Popularity of so many days, back from the newest order of the build; of all orders without."`
		Exclude  []string `query:"exclude,explode" maxItems:"100" doc:"Items to leave out, by name."`
		Category []string `query:"category,explode" maxItems:"100" doc:"Items of these categories of the catalogue only."`
		BuildID  int64    `query:"build_id" minimum:"1" doc:"A build that is kept, instead of the active one."`
	}

	similarInput struct {
		strictQuery
		Conditional
		Options

		Limit int    `query:"limit" minimum:"1" maximum:"100" default:"5" doc:"How many items."`
		Item  string `path:"item_name" doc:"The item's name, raw or percent-encoded; everything behind the prefix belongs to it, slashes too." example:"PID"`
	}

	similarQueryInput struct {
		strictQuery
		Conditional
		Options

		Limit int    `query:"limit" minimum:"1" maximum:"100" default:"5" doc:"How many items."`
		Item  string `query:"item" required:"true" doc:"The item's name." example:"PID"`
	}

	batchInput struct {
		strictQuery

		Body batchBody
	}

	batchBody struct {
		Items []string `json:"items" minItems:"1" maxItems:"1000" doc:"The names of the items." example:"[\"PID\",\"YSI\"]"`
		Limit int      `json:"limit,omitempty" minimum:"1" maximum:"100" default:"5" doc:"How many recommendations for each."`
		Options
	}

	basketInput struct {
		strictQuery

		Body basketBody
	}

	basketBody struct {
		Items []string `json:"items" minItems:"1" maxItems:"100" doc:"The names of the items in the basket." example:"[\"PID\",\"YSI\"]"`
		Limit int      `json:"limit,omitempty" minimum:"1" maximum:"100" default:"10" doc:"How many items."`
		Options
	}

	orderInput struct {
		strictQuery
		Options

		OrderID string `path:"order_id" doc:"The order's id as the business knows it, raw or percent-encoded, slashes too." example:"R100001"`
		Limit   int    `query:"limit" minimum:"1" maximum:"100" default:"10" doc:"How many items."`
	}

	explainInput struct {
		strictQuery

		Item  string `query:"item" required:"true" doc:"The item that was asked about." example:"PID"`
		Other string `query:"other" required:"true" doc:"The item that is or is not recommended with it." example:"Gloves"`

		BuildID int64 `query:"build_id" minimum:"1" doc:"A build that is kept, instead of the active one."`
	}

	answerOutput struct {
		Status int
		//nolint:tagliatelle // its name
		ETag         string `header:"ETag" doc:"Of the answer as it is now; for If-None-Match. Not of older builds."`
		CacheControl string `header:"Cache-Control" doc:"What clients and proxies may do with the answer."`
		Age          string `header:"Age" doc:"Of an answer that was kept, because the database does not answer: seconds since it was known to hold."`
		Warning      string `header:"Warning" doc:"110 with such an answer."`
		ContentType  string `header:"Content-Type" hidden:"true"`
		Body         []byte
	}
	// orderOutput is an answer that is not cached, because it changes with the order.
	orderOutput struct {
		CacheControl string `header:"Cache-Control" doc:"What clients and proxies may do with the answer."`
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
	questions := demand{scope: reader, room: a.usual}
	baskets := demand{scope: reader, body: a.MaxBody, room: a.usual}
	batches := demand{scope: reader, body: a.MaxBody, room: a.large}
	a.itemQuestions(questions, batches)
	a.basketQuestions(questions, baskets)
}

// Statuses of questions that cannot be answered, besides those that every operation has.
const notThere, later = http.StatusNotFound, http.StatusServiceUnavailable

// itemQuestions adds the questions about popularity and about single items.
func (a *API) itemQuestions(questions, batches demand) {
	register(a, questions, answers(a.routes, huma.Operation{
		OperationID: "popular-items",
		Path:        popularPath,
		Summary:     "The most popular items",
		Description: "The items in the most orders of the build, ties by name; those of the last days, ties by the popularity of all days.",
		Errors:      []int{notThere, later},
	}), func(ctx context.Context, in *popularInput) (*answerOutput, error) {
		return a.answer(ctx, &in.Conditional, recommend.Popular(recommend.Options{
			Limit: in.Limit, Days: in.Days, Exclude: in.Exclude, Categories: in.Category, BuildID: in.BuildID,
		}))
	})
	register(a, questions, answers(a.routes, huma.Operation{
		OperationID: "similar-items",
		Path:        similarPath + "/{item_name}",
		Summary:     "What goes with an item",
		Description: "The items most bought together with one item. Clients like to tidy `.`, `..` and `//` out of paths; " +
			"an item with such a name is better asked for as `?item=`.",
		Errors: []int{notThere, later},
	}), func(ctx context.Context, in *similarInput) (*answerOutput, error) {
		return a.answer(ctx, &in.Conditional, recommend.Similar(in.Item, in.with(in.Limit)))
	})
	register(a, questions, answers(a.routes, huma.Operation{
		OperationID: "similar-items-by-query",
		Path:        similarPath,
		Summary:     "What goes with an item, named in the query",
		Description: "The same as with the name in the path.",
		Errors:      []int{notThere, later},
	}), func(ctx context.Context, in *similarQueryInput) (*answerOutput, error) {
		return a.answer(ctx, &in.Conditional, recommend.Similar(in.Item, in.with(in.Limit)))
	})
	register(a, batches, question(huma.Operation{
		OperationID: "similar-items-batch",
		Method:      http.MethodPost,
		Path:        batchPath,
		Summary:     "What goes with each of many items",
		Description: "For each item what similar-items answers, all from one build and by one question to the database.",
		Errors:      []int{notThere, later},
	}), func(ctx context.Context, in *batchInput) (*batchOutput, error) {
		batch, _, err := read(ctx, a, func(ctx context.Context, u *upstream) (recommend.Batch, error) {
			return u.recommender.AskEach(ctx, in.Body.Items, in.Body.with(in.Body.Limit))
		})
		return &batchOutput{batch}, err
	})
}

// basketQuestions adds the questions about several items: a basket, an order, a pair.
func (a *API) basketQuestions(questions, baskets demand) {
	register(a, baskets, answers(a.routes, huma.Operation{
		OperationID: "basket-recommendations",
		Method:      http.MethodPost,
		Path:        basketPath,
		Summary:     "What goes with a basket",
		Description: "The items that go with all of the basket's items together, none of them in it.",
		Errors:      []int{notThere, later},
	}), func(ctx context.Context, in *basketInput) (*answerOutput, error) {
		return a.answer(ctx, nil, recommend.Basket(in.Body.Items, in.Body.with(in.Body.Limit)))
	})
	register(a, questions, answers(a.routes, huma.Operation{
		OperationID: "order-recommendations",
		Path:        orderPath + "/{order_id}",
		Summary:     "What goes with an order",
		Description: "The items that go with those of an order that was loaded, none of them in it. An order that a replica does not know is " +
			"looked for on the primary; 503 of type `" + mayLagType + "` if that cannot be asked.",
		Errors: []int{notThere, later},
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
		Summary:     "The evidence for two items",
		Description: "Every count and measure that the build has of two items, and the newest orders that hold both.",
		Errors:      []int{notThere, later},
	}), func(ctx context.Context, in *explainInput) (*explanationOutput, error) {
		explanation, _, err := read(ctx, a, func(ctx context.Context, u *upstream) (recommend.Explanation, error) {
			return u.recommender.Explain(ctx, in.Item, in.Other, in.BuildID)
		})
		return &explanationOutput{explanation}, err
	})
}

// Conditional has the conditional request headers. (Exported for the same reason as Options.)
type Conditional struct {
	IfNoneMatch string `header:"If-None-Match" doc:"The ETags of answers that the client has: 304 if one of them is still right."`
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
	if exchangeOf(ctx).stale {
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
		err = a.denied(ctx, err)
	}
	if !unanswered {
		return served, 0, err
	}
	served, age, found := a.stale(q, has)
	if !found {
		return served, 0, err
	}
	exchangeOf(ctx).stale = true
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
