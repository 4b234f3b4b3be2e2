package dashboard

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/search"
	"github.com/alsobought/alsobought/internal/spelling"
)

const (
	shownFound = 20               // items of a search
	searchPage = 50_000           // items read at a time
	searchAge  = 30 * time.Second // for how long new items may be missing, but for one that is named exactly
)

// names is the index of all names and labels. It is made when somebody first searches, and takes about 60 bytes an item
// beside the texts.
type names struct {
	index *search.Index
	whole bool // there was room for all
}

// found is what a search found.
type found struct {
	Items   []db.ItemCardListRow
	Partial bool // the index has not all items
}

// find looks for items by any part of their names. The one that is called just so comes first.
func (d *Dashboard) find(ctx context.Context, query string, buildID int64) (f found, err error) {
	n, err := d.index(ctx)
	if err != nil {
		return f, err
	}
	ids := n.index.Find(query, shownFound)
	exact, err := d.queries.ItemIDGet(ctx, spelling.CleanString(query))
	switch {
	case err == nil:
		ids = slices.DeleteFunc(ids, func(id int64) bool { return id == exact })
		ids = slices.Insert(ids, 0, exact)
	case !errors.Is(err, pgx.ErrNoRows):
		return f, fmt.Errorf("find item: %w", err)
	}
	f.Partial = !n.whole
	f.Items, err = d.queries.ItemCardList(ctx, ids[:min(len(ids), shownFound)], buildID)
	return f, err
}

// index returns the names as they were a moment ago, and waits only where there are none yet.
func (d *Dashboard) index(ctx context.Context) (*names, error) {
	version, err := d.queries.SearchVersionGet(ctx)
	if err != nil {
		return nil, fmt.Errorf("find new items: %w", err)
	}
	older, underWay := d.names.newest()
	if older != nil && older.err == nil && (older.key == version || underWay || time.Since(older.at) < searchAge) {
		return &older.value, nil
	}
	f := d.names.ask(d, version, func(ctx context.Context) (names, error) { return d.readNames(ctx, version.BuildID) })
	if older != nil && older.err == nil {
		return &older.value, nil
	}
	return f.wait(ctx)
}

// readNames reads the names of all items, the most popular first.
func (d *Dashboard) readNames(ctx context.Context, buildID int64) (names, error) {
	n := names{index: new(search.Index), whole: true}
	after := int64(0)
	for n.whole {
		page, err := d.queries.SearchItemList(ctx, buildID, after, searchPage)
		if err != nil {
			return n, fmt.Errorf("read names: %w", err)
		}
		for _, item := range page {
			n.add(item.ItemID, item.Name, item.Label)
			after = item.Place
		}
		if len(page) < searchPage {
			break
		}
	}
	after = math.MinInt64
	for n.whole {
		page, err := d.queries.SearchItemListUncounted(ctx, after, buildID, searchPage)
		if err != nil {
			return n, fmt.Errorf("read names: %w", err)
		}
		for _, item := range page {
			n.add(item.ItemID, item.Name, item.Label)
			after = item.ItemID
		}
		if len(page) < searchPage {
			break
		}
	}
	return n, nil
}

func (n *names) add(id int64, name, label string) {
	if label == "" || label == name {
		n.whole = n.index.Add(id, name) && n.whole
		return
	}
	n.whole = n.index.Add(id, name, label) && n.whole
}
