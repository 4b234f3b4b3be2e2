package recommend

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
)

// Contribution is what one item of a basket adds to the score of a recommended item. Under affinity, the overlap with
// the other items of the basket is already deducted.
type Contribution struct {
	ItemName string  // recommended item
	SeedName string  // item of the basket; "" is popularity
	Value    float64 // in the question's measure
}

// Contributions returns the contributions of the items of a Basket question to the named items of its answer. Items
// that were put first by a rule have none, nor have those that only popularity recommends, unless the measure uses
// popularity.
//
// Errors: those of Ask; InvalidError for other kinds of questions.
func (r *Recommender) Contributions(ctx context.Context, q Question, others []string) ([]Contribution, error) {
	q, err := q.normal()
	if err != nil {
		return nil, err
	}
	if q.Kind != KindBasket {
		return nil, &InvalidError{"kind", fmt.Sprintf("is %q: only baskets are sums", q.Kind)}
	}
	value, err := json.Marshal(q.sql())
	if err != nil {
		return nil, fmt.Errorf("encode question: %w", err)
	}
	rows, err := pg.Retried(ctx, r.database, func() ([]db.ContributionListRow, error) {
		return r.queries.ContributionList(ctx, db.ContributionListParams{
			BuildID: q.BuildID, Question: value, WithoutRules: q.WithoutRules, Others: texts(others),
		})
	})
	if err != nil {
		return nil, fmt.Errorf("contributions: %w", err)
	}
	list := make([]Contribution, len(rows))
	for i, row := range rows {
		list[i] = Contribution{row.ItemName, row.SeedName, row.Value}
	}
	return list, nil
}
