package recommend

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/alsobought/alsobought/db"
)

// Where a recommendation comes from.
const (
	SourcePair    = "pair"    // it shares orders with what was asked about
	SourcePopular = "popular" // it is there by popularity
	SourcePinned  = "pinned"  // a rule put it first
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
	Source          string  `json:"source" enum:"pair,popular,pinned" doc:"pair: shares orders with what was asked; popular: by popularity; pinned: by a rule"`
	Attributes
}

// Attributes are what the catalogue says of an item. What it does not say is left out.
type Attributes struct {
	Category string   `json:"category,omitempty"`
	Label    string   `json:"label,omitempty" doc:"what to show to people instead of the name"`
	URL      string   `json:"url,omitempty"`
	ImageURL string   `json:"image_url,omitempty"`
	Price    *float64 `json:"price,omitempty"`
}

// Metadata says what was asked and what answered.
type Metadata struct {
	Limit                int       `json:"limit"`
	TotalRecommendations int       `json:"total_recommendations"`
	BuildID              int64     `json:"build_id" doc:"the build that answered; alsobought builds list"`
	BuiltAt              time.Time `json:"built_at"`
	WindowDays           int       `json:"window_days,omitempty" doc:"the build counted only the orders of so many days before the newest order"`
	Measure              Measure   `json:"measure,omitempty" doc:"what pairs were ranked by"`
	ItemName             string    `json:"item_name,omitempty"`
	BasketItems          []string  `json:"basket_items,omitempty"`
	OrderID              string    `json:"order_id,omitempty"`
	Days                 int       `json:"days,omitempty" doc:"popularity is that of so many days before the newest order"`
	UnknownItems         []string  `json:"unknown_items,omitempty" doc:"asked about, but not in any order of the build"`
	FilledByPopularity   int       `json:"filled_by_popularity" doc:"recommendations whose source is popular"`
	Rules                []int64   `json:"rules,omitempty" doc:"the rules without which the answer would be another"`
	InactiveLeftOut      int       `json:"inactive_left_out,omitempty" doc:"items that would be in the answer if the catalogue did not call them inactive"`
	Note                 string    `json:"note,omitempty" doc:"why the answer is not what was asked for"`
}

// newAnswer puts the rows of one question together. Those at place 0 say what was left out.
func newAnswer(rows []db.RecommendRow, build db.Build, opts Options) (Answer, error) {
	answer := Answer{
		Recommendations: make([]Recommendation, 0, len(rows)),
		Metadata: Metadata{
			Limit:   opts.Limit,
			BuildID: build.BuildID,
			BuiltAt: build.BuiltAt.UTC(),
			Measure: opts.Measure,
			Days:    opts.Days,
		},
	}
	m := &answer.Metadata
	if build.WindowDays != nil {
		m.WindowDays = int(*build.WindowDays)
	}
	for _, row := range rows {
		m.Rules = append(m.Rules, row.Rules...)
		if row.Place == 0 {
			if len(row.Rules) == 0 {
				m.InactiveLeftOut += int(row.LeftOut)
			}
			continue
		}
		if row.Source == SourcePopular {
			m.FilledByPopularity++
		}
		r := Recommendation{
			ItemName:        row.ItemName,
			SimilarityScore: row.Score,
			Reason:          row.Reason,
			PopularityRank:  row.PopularityRank,
			OrdersTogether:  row.OrdersTogether,
			Confidence:      row.Confidence,
			Lift:            row.Lift,
			Source:          row.Source,
		}
		if err := json.Unmarshal(row.Attributes, &r.Attributes); err != nil {
			return Answer{}, fmt.Errorf("attributes of %q: %w", row.ItemName, err)
		}
		answer.Recommendations = append(answer.Recommendations, r)
	}
	m.TotalRecommendations = len(answer.Recommendations)
	if m.TotalRecommendations == 0 && len(opts.Categories) > 0 {
		m.Note = "nothing of the categories asked for can be recommended"
	}
	slices.Sort(m.Rules)
	m.Rules = slices.Compact(m.Rules)
	return answer, nil
}
