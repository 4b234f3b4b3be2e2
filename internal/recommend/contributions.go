package recommend

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/pg"
)

// Contribution is what one item of a basket says of a recommended one, as the ranking adds it up: by affinity, what
// remains when the overlap with the others is taken off.
type Contribution struct {
	ItemName string  // the recommended item
	SeedName string  // the item of the basket; "" is what popularity adds
	Value    float64 // in the measure of the question
}

// Contributions returns what each item of a question of Basket says of items of its answer, by name. Items that are
// there by a rule, or by popularity alone where the question's measure has no use for it, have none.
//
// Errors: as of Ask; of a question of another kind.
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
