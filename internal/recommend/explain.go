package recommend

import (
	"time"

	"github.com/alsobought/alsobought/db"
)

// Explanation is everything a build knows about a pair of items. Symbols are those of docs/scoring.md, with i the item
// and j the other.
type Explanation struct {
	Item               string     `json:"item"`
	Other              string     `json:"other"`
	Reason             string     `json:"reason"`
	OrdersTogether     int64      `json:"orders_together" doc:"c: counted baskets that contain both"`
	ItemOrders         int64      `json:"item_orders" doc:"orders that contain the item"`
	OtherOrders        int64      `json:"other_orders"`
	ItemBaskets        int64      `json:"item_baskets" doc:"n_i: counted baskets that contain the item"`
	OtherBaskets       int64      `json:"other_baskets" doc:"n_j"`
	Baskets            int64      `json:"baskets" doc:"N: all counted baskets"`
	Support            float64    `json:"support" doc:"c / N"`
	Confidence         float64    `json:"confidence" doc:"c / n_i: of the other, given the item"`
	ReverseConfidence  float64    `json:"reverse_confidence" doc:"c / n_j: of the item, given the other"`
	Lift               float64    `json:"lift" doc:"c N / (n_i n_j)"`
	Cosine             float64    `json:"cosine" doc:"c / sqrt(n_i n_j)"`
	Jaccard            float64    `json:"jaccard" doc:"c / (n_i + n_j - c)"`
	Affinity           float64    `json:"affinity" doc:"shrink_factor * reach / popularity_divisor"`
	ShrinkFactor       float64    `json:"shrink_factor" doc:"c / (c + shrinkage): rare pairs count less"`
	Reach              float64    `json:"reach" doc:"w / m_i: probability of reaching the other through a random basket of the item and a random other item in it"`
	PopularityDivisor  float64    `json:"popularity_divisor" doc:"m_j ^ popularity_exponent, and at least 1: bestsellers count less"`
	Weight             float64    `json:"weight" doc:"w: the sum of 1/(size - 1) over the baskets that contain both"`
	ItemMass           float64    `json:"item_mass" doc:"m_i: n_i, or less if the build weighs old baskets less"`
	OtherMass          float64    `json:"other_mass" doc:"m_j"`
	Shrinkage          float64    `json:"shrinkage" doc:"a setting of the build"`
	PopularityExponent float64    `json:"popularity_exponent" doc:"a setting of the build"`
	NeighbourRank      int64      `json:"neighbour_rank" doc:"the other's rank among the item's kept neighbours by affinity, from 1; 0 if it is not kept"`
	Overlap            float64    `json:"overlap" doc:"what the item implies about the other through its closest neighbours; subtracted when ranking for a basket"`
	NewestOrders       []OrderRef `json:"newest_orders" doc:"the newest orders that contain both, at most ten"`
	BuildID            int64      `json:"build_id"`
	BuiltAt            time.Time  `json:"built_at"`
}

// OrderRef is an order that contains a pair.
type OrderRef struct {
	OrderID   string     `json:"order_id" doc:"your order ID"`
	OrderedAt *time.Time `json:"ordered_at,omitempty" doc:"missing if the order has no time"`
}

func newExplanation(item, other string, p db.PairExplainRow) Explanation {
	return Explanation{
		Item: item, Other: other, Reason: p.Reason, OrdersTogether: p.OrdersTogether,
		ItemOrders: p.ItemOrders, OtherOrders: p.OtherOrders,
		ItemBaskets: p.ItemBaskets, OtherBaskets: p.OtherBaskets, Baskets: p.Baskets, Support: p.Support,
		Confidence: p.Confidence, ReverseConfidence: p.ReverseConfidence, Lift: p.Lift, Cosine: p.Cosine, Jaccard: p.Jaccard,
		Affinity: p.Affinity, ShrinkFactor: p.ShrinkFactor, Reach: p.Reach, PopularityDivisor: p.PopularityDivisor,
		Weight: p.Weight, ItemMass: p.ItemMass, OtherMass: p.OtherMass,
		Shrinkage: p.Shrinkage, PopularityExponent: p.PopularityExponent, NeighbourRank: p.NeighbourRank, Overlap: p.Overlap,
		BuildID: p.BuildID, BuiltAt: p.BuiltAt.UTC(),
	}
}
