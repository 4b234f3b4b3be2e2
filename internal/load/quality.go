package load

import (
	"encoding/json"
	"fmt"

	"github.com/alsobought/alsobought/db"
)

// Quality is what a load brought, with the lists taken apart.
type Quality struct {
	db.LoadQualityRow

	Sizes   []BasketSize
	Largest []LargeOrder
	Names   [][]string // the names of each group look alike
}

// BasketSize is how many orders have so many items.
type BasketSize struct {
	Items  string `json:"items"` // 1 ... 10, then ranges
	Orders int64  `json:"orders"`
}

// LargeOrder is one of the largest orders.
type LargeOrder struct {
	OrderID string `json:"order_id"`
	Items   int64  `json:"items"`
}

// QualityOf takes the lists of a row apart.
func QualityOf(row db.LoadQualityRow) (Quality, error) {
	q := Quality{LoadQualityRow: row}
	for _, list := range []struct {
		from json.RawMessage
		to   any
	}{{row.BasketSizes, &q.Sizes}, {row.LargestOrders, &q.Largest}, {row.NearDuplicateNames, &q.Names}} {
		if len(list.from) == 0 {
			continue
		}
		if err := json.Unmarshal(list.from, list.to); err != nil {
			return q, fmt.Errorf("quality of load %d: %w", row.LoadID, err)
		}
	}
	return q, nil
}
