package recommend

import (
	"strconv"
	"time"

	"github.com/alsobought/alsobought/db"
)

// Where a recommendation comes from.
const (
	SourcePair    = "pair"    // it shares orders with what was asked about
	SourcePopular = "popular" // it fills a place by popularity
)

// Answer is the envelope of every question: on the API, the command line and in the cache of whoever asked.
type Answer struct {
	Recommendations []Recommendation `json:"recommendations"`
	Metadata        Metadata         `json:"metadata"`
}

// Recommendation is one item, with the evidence for it.
type Recommendation struct {
	ItemName        string  `json:"item_name"`
	SimilarityScore float64 `json:"similarity_score" doc:"0 to 1, never rising down the list; docs/scoring.md defines it for each measure"`
	Reason          string  `json:"reason" doc:"a sentence of the counts behind it"`
	PopularityRank  int64   `json:"popularity_rank" doc:"1 is the item in the most orders"`
	OrdersTogether  int64   `json:"orders_together" doc:"orders with it and the asked item that says most for it; orders with it, when nothing was asked about"`
	Confidence      float64 `json:"confidence" doc:"the share of the asked item's baskets that hold it; of all orders, when nothing was asked about"`
	Lift            float64 `json:"lift" doc:"how many times more often it is there than without the asked item"`
	Source          string  `json:"source" enum:"pair,popular" doc:"pair: shares orders with what was asked; popular: fills a place by popularity"`
}

// Metadata says what was asked and what answered.
type Metadata struct {
	Limit                int       `json:"limit"`
	TotalRecommendations int       `json:"total_recommendations"`
	BuildID              int64     `json:"build_id" doc:"the build that answered; alsobought builds list"`
	BuiltAt              time.Time `json:"built_at"`
	Measure              Measure   `json:"measure"`
	ItemName             string    `json:"item_name,omitempty"`
	BasketItems          []string  `json:"basket_items,omitempty"`
	OrderID              string    `json:"order_id,omitempty"`
	UnknownItems         []string  `json:"unknown_items,omitempty" doc:"asked about, but not in any order of the build"`
	FilledByPopularity   int       `json:"filled_by_popularity" doc:"recommendations whose source is popular"`
}

// recommendation puts a row into words. asked is false when nothing was asked about that the build knows.
func recommendation(row db.RecommendRow, build db.Build, asked bool) Recommendation {
	r := Recommendation{
		ItemName:        row.ItemName,
		SimilarityScore: row.Score,
		PopularityRank:  row.PopularityRank,
		OrdersTogether:  row.OrdersTogether,
		Confidence:      row.Confidence,
		Lift:            row.Lift,
		Source:          row.Source,
	}
	popular := "in " + grouped(row.Orders) + " of " + grouped(build.Orders) + " orders"
	switch {
	case row.Source == SourcePair:
		r.Reason = "bought together in " + grouped(row.OrdersTogether) + " of " + grouped(row.WithOrders) + " orders with " + row.WithItem
	case asked:
		r.Reason = "popular: " + popular
	default:
		r.Reason = popular
	}
	return r
}

// grouped writes 30245 as 30,245.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
