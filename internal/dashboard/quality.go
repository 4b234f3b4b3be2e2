package dashboard

import (
	"context"
	"errors"
	"fmt"
	"html/template"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/load"
	"github.com/alsobought/alsobought/internal/orderfile"
	"github.com/alsobought/alsobought/internal/pg"
)

// oddShown is how many of each kind of oddity a page lists.
const oddShown = 12

// dataQuality is what is odd about the data behind a build. Each list is the first of so many.
type dataQuality struct {
	Build      db.Build
	Sizes      []load.BasketSize
	Orders     int64
	One        int64 // orders of one item
	Near       []db.NearNameListRow
	NearAll    int64
	Items      []db.PlaceholderItemListRow
	ItemsAll   int64
	IDs        []db.PlaceholderOrderListRow
	IDsAll     int64
	Lonely     []db.LonelyItemListRow
	LonelyAll  int64
	Catalogue  int64 // items in it
	Missing    []db.ItemListWithoutAttributesRow
	MissingAll int64
	Unsold     []db.ItemListWithoutOrdersRow
	UnsoldAll  int64
}

// qualityView is the page.
type qualityView struct {
	Build   *db.Build
	Found   *dataQuality // nil: being counted
	Sizes   template.HTML
	Shown   int
	MayLoad bool
}

func (d *Dashboard) qualityScreen(v *visit) error {
	view := qualityView{Shown: oddShown, MayLoad: d.Loader != nil}
	build, err := d.queries.BuildActive(v.ctx)
	if errors.Is(err, pgx.ErrNoRows) {
		return v.show("dataquality", "Data quality", view)
	}
	if err != nil {
		return fmt.Errorf("find active build: %w", err)
	}
	view.Build = &build
	catalogue, err := d.queries.ItemAttributesCount(v.ctx)
	if err != nil {
		return fmt.Errorf("count the catalogue: %w", err)
	}
	f := d.quality.ask(d, [2]int64{build.BuildID, catalogue}, func(ctx context.Context) (dataQuality, error) {
		return d.findOddities(ctx, build, catalogue)
	})
	part := v.r.URL.Query().Get("part") != ""
	if !part {
		soon(v, f.done)
	}
	if part || isClosed(f.done) {
		if view.Found, err = f.wait(v.ctx); err != nil {
			return err
		}
		view.Sizes = sizeChart(view.Found.Sizes)
	}
	if part {
		return v.showPart("oddities", "dataquality", view)
	}
	return v.show("dataquality", "Data quality", view)
}

// findOddities reads all orders and all names once.
func (d *Dashboard) findOddities(ctx context.Context, build db.Build, catalogue int64) (dataQuality, error) {
	found := dataQuality{Build: build, Catalogue: catalogue}
	err := pg.Look(ctx, d.audit(), "SET LOCAL jit = off; SET LOCAL work_mem = '64MB'; "+
		"SET LOCAL statement_timeout = '10min'", func(tx pgx.Tx) error {
		return found.read(ctx, db.New(tx))
	})
	if err != nil {
		return found, fmt.Errorf("check data: %w", err)
	}
	return found, nil
}

func (q *dataQuality) read(ctx context.Context, from *db.Queries) (err error) {
	sizes, err := from.BasketSizeList(ctx)
	if err != nil {
		return err
	}
	for _, s := range sizes {
		q.Sizes = append(q.Sizes, load.BasketSize{Items: s.Items, Orders: s.Orders})
		if q.Orders += s.Orders; s.Least == 1 {
			q.One = s.Orders
		}
	}
	id, words := q.Build.BuildID, orderfile.Placeholders()
	if q.Near, err = from.NearNameList(ctx, oddShown, id); err != nil {
		return err
	}
	if q.Items, err = from.PlaceholderItemList(ctx, id, words, oddShown); err != nil {
		return err
	}
	if q.IDs, err = from.PlaceholderOrderList(ctx, q.Build.MaxBasket, words, oddShown); err != nil {
		return err
	}
	if q.Lonely, err = from.LonelyItemList(ctx, id, oddShown); err != nil {
		return err
	}
	if q.Missing, err = from.ItemListWithoutAttributes(ctx, id, oddShown); err != nil {
		return err
	}
	if q.Unsold, err = from.ItemListWithoutOrders(ctx, id, oddShown); err != nil {
		return err
	}
	q.count()
	return nil
}

// count takes how many there are from the first rows.
func (q *dataQuality) count() {
	if len(q.Near) > 0 {
		q.NearAll = q.Near[0].Groups
	}
	if len(q.Items) > 0 {
		q.ItemsAll = q.Items[0].Items
	}
	if len(q.IDs) > 0 {
		q.IDsAll = q.IDs[0].Orders
	}
	if len(q.Lonely) > 0 {
		q.LonelyAll = q.Lonely[0].Items
	}
	if len(q.Missing) > 0 {
		q.MissingAll = q.Missing[0].Items
	}
	if len(q.Unsold) > 0 {
		q.UnsoldAll = q.Unsold[0].Items
	}
}
