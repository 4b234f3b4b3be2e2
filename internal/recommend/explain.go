package recommend

import (
	"context"
	"fmt"
	"time"

	"github.com/alsobought/alsobought/db"
)

// Explanation is everything that the active build knows of two items. Symbols as in docs/scoring.md, i the item and j the other.
type Explanation struct {
	Item              string    `json:"item"`
	Other             string    `json:"other"`
	Reason            string    `json:"reason"`
	OrdersTogether    int64     `json:"orders_together" doc:"c: counted baskets that hold both"`
	ItemOrders        int64     `json:"item_orders" doc:"orders that hold the item"`
	OtherOrders       int64     `json:"other_orders"`
	ItemBaskets       int64     `json:"item_baskets" doc:"n_i: counted baskets that hold the item"`
	OtherBaskets      int64     `json:"other_baskets" doc:"n_j"`
	Baskets           int64     `json:"baskets" doc:"N: all counted baskets"`
	Support           float64   `json:"support" doc:"c / N"`
	Confidence        float64   `json:"confidence" doc:"c / n_i: of the other, given the item"`
	ReverseConfidence float64   `json:"reverse_confidence" doc:"c / n_j: of the item, given the other"`
	Lift              float64   `json:"lift"`
	Cosine            float64   `json:"cosine"`
	Jaccard           float64   `json:"jaccard"`
	Affinity          float64   `json:"affinity"`
	Weight            float64   `json:"weight" doc:"w: the sum of 1/(size - 1) over the baskets that hold both"`
	NeighbourRank     int64     `json:"neighbour_rank" doc:"the other's place among the item's kept neighbours by affinity, from 1; 0 when it is not kept"`
	BuildID           int64     `json:"build_id"`
	BuiltAt           time.Time `json:"built_at"`
}

// Explain shows the counts and every measure behind two items. Either unknown is ErrUnknownItem; two that never met are all zeros.
func (r *Recommender) Explain(ctx context.Context, item, other string) (Explanation, error) {
	if item == other {
		return Explanation{}, &InvalidError{"other", "is the item itself: name another one"}
	}
	return fromActive(ctx, r, func(build db.Build) (Explanation, error) {
		return r.explain(ctx, build, item, other)
	})
}

func (r *Recommender) explain(ctx context.Context, build db.Build, item, other string) (Explanation, error) {
	ids := [2]int64{}
	for i, name := range []string{item, other} {
		known, unknown, err := r.find(ctx, build, []string{name})
		if err != nil {
			return Explanation{}, err
		}
		if len(unknown) > 0 {
			return Explanation{}, fmt.Errorf("%w: %q is in no order of build %d", ErrUnknownItem, name, build.BuildID)
		}
		ids[i] = known[0]
	}
	p, err := r.of(build).PairExplain(ctx, ids[0], ids[1], build.BuildID)
	if err != nil {
		return Explanation{}, fmt.Errorf("explain: %w", err)
	}
	return explanation(item, other, p, build), nil
}

func explanation(item, other string, p db.PairExplainRow, build db.Build) Explanation {
	return Explanation{
		Item: item, Other: other,
		Reason:         "bought together in " + grouped(p.OrdersTogether) + " of " + grouped(p.ItemOrders) + " orders with " + item,
		OrdersTogether: p.OrdersTogether, Weight: p.Weight,
		ItemOrders: p.ItemOrders, OtherOrders: p.OtherOrders,
		ItemBaskets: p.ItemBaskets, OtherBaskets: p.OtherBaskets, Baskets: p.Baskets,
		Support:    float64(p.OrdersTogether) / float64(max(p.Baskets, 1)),
		Confidence: p.Confidence, ReverseConfidence: p.ReverseConfidence,
		Lift: p.Lift, Cosine: p.Cosine, Jaccard: p.Jaccard, Affinity: p.Affinity, NeighbourRank: p.NeighbourRank,
		BuildID: build.BuildID, BuiltAt: build.BuiltAt.UTC(),
	}
}
