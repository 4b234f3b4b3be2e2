package recommend

import (
	"fmt"
	"slices"
	"time"
)

// Sources of recommendations.
const (
	SourcePair    = "pair"    // shares orders with the items asked about
	SourcePopular = "popular" // fills up by popularity
	SourcePinned  = "pinned"  // put first by a rule
)

// Answer is the result of any question, on the API as on the command line.
type Answer struct {
	Recommendations []Recommendation `json:"recommendations"`
	Metadata        Metadata         `json:"metadata"`
}

// Recommendation is a recommended item and the evidence for it.
type Recommendation struct {
	ItemName        string  `json:"item_name"`
	SimilarityScore float64 `json:"similarity_score" doc:"0 to 1, never rising down the list; docs/scoring.md defines it for each measure"`
	Reason          string  `json:"reason" doc:"a sentence with the counts behind it"`
	PopularityRank  int64   `json:"popularity_rank" doc:"1 is the item in the most orders"`
	OrdersTogether  int64   `json:"orders_together" doc:"orders with it and the seed item that contributes most; without seed items, orders with it"`
	Confidence      float64 `json:"confidence" doc:"share of the seed item's baskets that contain it; without seed items, share of all orders"`
	Lift            float64 `json:"lift" doc:"how many times more often it is bought than without the seed item"`
	Source          string  `json:"source" enum:"pair,popular,pinned" doc:"pair: shares orders with the seed items; popular: by popularity; pinned: by a rule"`
	Attributes
}

// Attributes are the catalog's data on an item. Empty fields are unknown.
type Attributes struct {
	Category string   `json:"category,omitempty"`
	Label    string   `json:"label,omitempty" doc:"label to display instead of the name"`
	URL      string   `json:"url,omitempty"`
	ImageURL string   `json:"image_url,omitempty"`
	Price    *float64 `json:"price,omitempty"`
}

// Metadata describes the question and the data it was answered from.
type Metadata struct {
	Limit                int       `json:"limit"`
	TotalRecommendations int       `json:"total_recommendations"`
	BuildID              int64     `json:"build_id" doc:"the build that answered; see alsobought builds list"`
	BuiltAt              time.Time `json:"built_at"`
	WindowDays           int       `json:"window_days,omitempty" doc:"the build counted only orders of this many days up to the newest order"`
	Measure              Measure   `json:"measure,omitempty" doc:"measure that pairs were ranked by"`
	ItemName             string    `json:"item_name,omitempty"`
	BasketItems          []string  `json:"basket_items,omitempty"`
	OrderID              string    `json:"order_id,omitempty"`
	Days                 int       `json:"days,omitempty" doc:"popularity over this many days up to the newest order"`
	UnknownItems         []string  `json:"unknown_items,omitempty" doc:"seed items that are in no order of the build"`
	FilledByPopularity   int       `json:"filled_by_popularity" doc:"recommendations whose source is popular"`
	Rules                []int64   `json:"rules,omitempty" doc:"rules that changed the answer"`
	InactiveLeftOut      int       `json:"inactive_left_out,omitempty" doc:"items left out because the catalogue marks them inactive"`
	Note                 string    `json:"note,omitempty" doc:"why the answer differs from the request"`
}

// newAnswer shapes the answer to a question from an existing build.
func newAnswer(q Question, f found) Answer {
	answer := Answer{
		Recommendations: f.recommendations,
		Metadata: Metadata{
			Limit:                q.Limit,
			TotalRecommendations: len(f.recommendations),
			BuildID:              f.version.buildID,
			BuiltAt:              f.version.builtAt,
			WindowDays:           f.version.windowDays,
			Measure:              q.Measure,
			OrderID:              q.OrderID,
			Days:                 q.Days,
			UnknownItems:         q.unknownNames(f.unknown),
			Rules:                f.rules,
			InactiveLeftOut:      f.inactiveLeftOut,
		},
	}
	m := &answer.Metadata
	for i := range answer.Recommendations {
		if answer.Recommendations[i].Source == SourcePopular {
			m.FilledByPopularity++
		}
	}
	switch q.Kind {
	case KindPopular:
		m.Measure = "" // popularity uses no pairs
	case KindSimilar:
		m.ItemName = q.Items[0]
	case KindBasket:
		m.BasketItems = q.Items
	case KindOrder:
	}
	m.Note = q.note(f)
	return answer
}

// note explains an answer that is not what was asked for, or returns "".
func (q Question) note(f found) string {
	switch {
	case (q.Kind == KindBasket || q.Kind == KindOrder) && f.known == 0:
		return fmt.Sprintf("none of the requested items are in build %d", f.version.buildID)
	case q.Days > 0 && !f.version.dated:
		return fmt.Sprintf("no order of build %d has a time, so it has no last days", f.version.buildID)
	case len(f.recommendations) == 0 && len(q.Categories) > 0:
		return "no item of the requested categories can be recommended"
	case f.version.windowDays > 0 && q.Days > f.version.windowDays:
		return fmt.Sprintf("build %d counts only the last %d of these %d days", f.version.buildID,
			f.version.windowDays, q.Days)
	}
	return ""
}

// unknown returns an error if the order or item asked about is unknown.
func (q Question) unknown(f found) error {
	switch {
	case q.Kind == KindOrder && f.known < 0:
		return fmt.Errorf("%w: %q was never loaded", ErrUnknownOrder, q.OrderID)
	case q.Kind == KindSimilar && f.known == 0:
		return unknownItem(q.Items[0], f.version.buildID)
	}
	return nil
}

// unknownNames returns the unknown items of the question, spelled as in the question.
func (q Question) unknownNames(unknown []string) []string {
	if q.Kind == KindOrder && len(unknown) > 0 {
		return unknown
	}
	var names []string
	for _, name := range q.Items {
		if slices.Contains(unknown, text(name)) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Batch is the answer to questions about one item each.
type Batch struct {
	Answers  []Answer      `json:"answers" doc:"one per item, in the order requested, each as from similar-items; an unknown item has no recommendations"`
	Metadata BatchMetadata `json:"metadata"`
}

// BatchMetadata describes the questions and the data they were answered from.
type BatchMetadata struct {
	TotalAnswers int      `json:"total_answers"`
	BuildID      int64    `json:"build_id"`
	UnknownItems []string `json:"unknown_items,omitempty" doc:"requested but in no order of the build"`
}
