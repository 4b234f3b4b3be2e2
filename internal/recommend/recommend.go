// Package recommend answers the questions: what is popular, what goes with an item, with a basket, with an order, and why.
//
// Every answer comes from one build, by the SQL function recommend(), the one definition of every ranking: the same for the API, the
// command line and the reporting schema. The package checks what is asked, finds the items, and puts the evidence into words. It never
// ranks anything itself, and knows nothing of HTTP.
package recommend

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
)

// What can be unknown. Each is wrapped with the name that was asked for.
var (
	ErrNoBuild      = errors.New("there is no active build yet: load orders first (alsobought load FILE)")
	ErrUnknownItem  = errors.New("unknown item")
	ErrUnknownOrder = errors.New("unknown order")
	ErrUnknownBuild = errors.New("unknown build")
)

// Recommender answers questions from the active build of one database.
type Recommender struct {
	database db.DBTX
	queries  *db.Queries
}

// New returns a Recommender that asks database, a pool or a connection.
func New(database db.DBTX) *Recommender {
	return &Recommender{database: database, queries: db.New(database)}
}

// Popular answers with the items in the most orders. Measure, MinSupport, MinConfidence and Strict have no meaning here.
func (r *Recommender) Popular(ctx context.Context, opts Options) (Answer, error) {
	opts = Options{
		Limit: opts.Limit, Exclude: opts.Exclude, Categories: opts.Categories, BuildID: opts.BuildID, Days: opts.Days,
	}.withDefaults(PopularLimit)
	if err := opts.validate(); err != nil {
		return Answer{}, err
	}
	return fromBuild(ctx, r, opts.BuildID, func(build db.Build) (Answer, error) {
		answer, err := r.ask(ctx, build, []int64{}, false, opts)
		answer.Metadata.Measure = "" // no pairs, no measure
		switch m := &answer.Metadata; {
		case opts.Days > 0 && build.NewestOrderedAt == nil:
			m.Note = fmt.Sprintf("no order of build %d has a time, so that it has no last days", build.BuildID)
		case m.WindowDays > 0 && opts.Days > m.WindowDays && m.Note == "":
			m.Note = fmt.Sprintf("build %d counts only the last %d of these %d days", build.BuildID, m.WindowDays, opts.Days)
		}
		return answer, err
	})
}

// Similar answers with the items that go with one item. An item that is in no order of the build is ErrUnknownItem.
func (r *Recommender) Similar(ctx context.Context, item string, opts Options) (Answer, error) {
	opts = opts.aboutItems(SimilarLimit)
	if err := opts.validate(); err != nil {
		return Answer{}, err
	}
	return fromBuild(ctx, r, opts.BuildID, func(build db.Build) (Answer, error) {
		known, unknown, err := r.find(ctx, build, []string{item})
		if err != nil {
			return Answer{}, err
		}
		if len(unknown) > 0 {
			return Answer{}, unknownItem(item, build)
		}
		answer, err := r.ask(ctx, build, known, true, opts)
		answer.Metadata.ItemName = item
		return answer, err
	})
}

// Basket answers with the items that go with all of a basket's items together, none of them in it. The basket has 1 to MaxBasket names.
// Those that the build does not know are listed in the metadata; when all are unknown every answer is filled by popularity.
func (r *Recommender) Basket(ctx context.Context, items []string, opts Options) (Answer, error) {
	opts = opts.aboutItems(BasketLimit)
	if err := opts.validate(); err != nil {
		return Answer{}, err
	}
	if len(items) < 1 || len(items) > MaxBasket {
		return Answer{}, &InvalidError{"items", fmt.Sprintf("has %d names: choose 1 to %d", len(items), MaxBasket)}
	}
	return fromBuild(ctx, r, opts.BuildID, func(build db.Build) (Answer, error) {
		answer, err := r.basket(ctx, build, items, opts)
		answer.Metadata.BasketItems = items
		return answer, err
	})
}

// Order answers with the items that go with those of one order, none of them in it. An order that was never loaded is ErrUnknownOrder.
func (r *Recommender) Order(ctx context.Context, orderID string, opts Options) (Answer, error) {
	opts = opts.aboutItems(OrderLimit)
	if err := opts.validate(); err != nil {
		return Answer{}, err
	}
	return fromBuild(ctx, r, opts.BuildID, func(build db.Build) (Answer, error) {
		return r.order(ctx, build, orderID, opts)
	})
}

func (r *Recommender) order(ctx context.Context, build db.Build, orderID string, opts Options) (Answer, error) {
	if isNoText(orderID) {
		return Answer{}, fmt.Errorf("%w: %q was never loaded", ErrUnknownOrder, orderID)
	}
	order, err := r.queries.OrderGet(ctx, strings.TrimSpace(orderID))
	if errors.Is(err, pgx.ErrNoRows) {
		return Answer{}, fmt.Errorf("%w: %q was never loaded", ErrUnknownOrder, orderID)
	}
	if err != nil {
		return Answer{}, fmt.Errorf("find order: %w", err)
	}
	items, err := r.queries.OrderItemList(ctx, order.OrderID)
	if err != nil {
		return Answer{}, fmt.Errorf("find items of order: %w", err)
	}
	answer, err := r.basket(ctx, build, items, opts)
	answer.Metadata.OrderID = orderID
	return answer, err
}

func (r *Recommender) basket(ctx context.Context, build db.Build, items []string, opts Options) (Answer, error) {
	known, unknown, err := r.find(ctx, build, items)
	if err != nil {
		return Answer{}, err
	}
	answer, err := r.ask(ctx, build, known, false, opts)
	answer.Metadata.UnknownItems = unknown
	if len(known) == 0 {
		answer.Metadata.Note = fmt.Sprintf("nothing of what was asked about is in any order of build %d: nothing can be said to go with it", build.BuildID)
	}
	return answer, err
}

// ask runs the one ranking. Days are of popular items only.
func (r *Recommender) ask(ctx context.Context, build db.Build, asked []int64, boosted bool, opts Options) (Answer, error) {
	excluded, _, err := r.find(ctx, build, opts.Exclude)
	if err != nil {
		return Answer{}, err
	}
	rows, err := r.of(build).Recommend(ctx, db.RecommendParams{
		BuildID:       build.BuildID,
		Asked:         asked,
		Boosted:       boosted,
		Measure:       string(opts.Measure),
		MinSupport:    opts.MinSupport,
		MinConfidence: opts.MinConfidence,
		Excluded:      excluded,
		Categories:    orNothing(opts.Categories),
		Days:          int32(opts.Days),
		Fill:          !opts.Strict,
		Lim:           int64(opts.Limit),
	})
	if err != nil {
		return Answer{}, fmt.Errorf("recommend: %w", err)
	}
	return newAnswer(rows, build, opts)
}

// fromBuild asks the build of the id, or the active one for 0. The statements of one question are no transaction: between two of them the build
// can be replaced and its rows removed, which would look like an item that nobody ever bought. An answer of a build that is gone is thrown
// away, and the one that replaced it is asked.
func fromBuild[A any](ctx context.Context, r *Recommender, id int64, ask func(db.Build) (A, error)) (A, error) {
	var none A
	for {
		build, err := r.build(ctx, id)
		if err != nil {
			return none, err
		}
		answer, err := ask(build)
		if err != nil && !errors.Is(err, ErrUnknownItem) && !errors.Is(err, pgx.ErrNoRows) {
			return none, err
		}
		kept, keptErr := r.queries.BuildKept(ctx, build.BuildID)
		if keptErr != nil {
			return none, fmt.Errorf("look for the build again: %w", keptErr)
		}
		if kept {
			return answer, err
		}
	}
}

func (r *Recommender) build(ctx context.Context, id int64) (build db.Build, err error) {
	if id == 0 {
		build, err = r.queries.BuildActive(ctx)
	} else {
		build, err = r.queries.BuildReady(ctx, id)
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return db.Build{}, noBuild(id)
	}
	if err != nil {
		return db.Build{}, fmt.Errorf("find build: %w", err)
	}
	return build, nil
}

// noBuild says that the build of the id is not there, or for 0 that none is active.
func noBuild(id int64) error {
	if id == 0 {
		return ErrNoBuild
	}
	return fmt.Errorf("%w: %d is not kept, see alsobought builds list", ErrUnknownBuild, id)
}

func unknownItem(name string, build db.Build) error {
	return fmt.Errorf("%w: %q is in no order of build %d", ErrUnknownItem, name, build.BuildID)
}

// find returns the ids of the names that the build knows, each once, and the names that it does not, in the order given.
func (r *Recommender) find(ctx context.Context, build db.Build, names []string) (known []int64, unknown []string, err error) {
	known = []int64{} // an empty array in SQL, not NULL
	if len(names) == 0 {
		return known, nil, nil
	}
	items, err := r.of(build).ItemListKnown(ctx, build.BuildID, texts(names))
	if err != nil {
		return nil, nil, fmt.Errorf("find items: %w", err)
	}
	found := make(map[string]bool, len(items))
	for _, i := range items {
		found[i.Name] = true
		known = append(known, i.ItemID)
	}
	for _, name := range names {
		if !found[strings.TrimSpace(name)] && !slices.Contains(unknown, name) {
			unknown = append(unknown, name)
		}
	}
	return known, unknown, nil
}

// texts are the names that PostgreSQL can hold: the others name nothing. Like those that were loaded, they have no white space around them.
func texts(names []string) []string {
	return slices.DeleteFunc(trimmed(names), isNoText)
}

// orNothing are the names, "" in the place of those that PostgreSQL cannot hold: nothing is called that, and to leave them out could leave none.
func orNothing(names []string) []string {
	list := trimmed(names)
	for i, name := range list {
		if isNoText(name) {
			list[i] = ""
		}
	}
	return list
}

func trimmed(names []string) []string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = strings.TrimSpace(name)
	}
	return list
}

// isNoText reports whether PostgreSQL cannot hold s: then it is unknown, and asking would be an error.
func isNoText(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsRune(s, 0)
}
