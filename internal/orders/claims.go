package orders

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/spelling"
)

// claim is a stored line, including a returned one: the quantity as first loaded, and what is left of it.
type claim struct{ quantity, left float64 }

// claims are the lines of orders, by order id and item name.
type claims map[string]map[string]claim

func claimsOf(ctx context.Context, q *db.Queries, ids []string) (claims, error) {
	rows, err := q.OrderLineClaimList(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("find the lines of known orders: %w", err)
	}
	found := claims{}
	for _, r := range rows {
		if found[r.ExternalID] == nil {
			found[r.ExternalID] = map[string]claim{}
		}
		found[r.ExternalID][r.Name] = claim{r.Quantity, r.QuantityLeft}
	}
	return found, nil
}

// row returns the row that leaves so much of a line, however much of it was returned before. A quantity above the one
// first loaded is not stored.
func (c claim) row(name string, left float64) itemLine {
	line := itemLine{Name: name, Quantity: number(&c.quantity, "", "")}
	switch returned := rounded(c.quantity - left); {
	case left <= 0:
		line.Status = "refunded"
	case returned > 0:
		line.Returned = number(&returned, "", "")
	}
	return line
}

// keep replaces lines of which something was returned by rows that leave them as they are, so that sending an order again
// brings nothing back.
func (c claims) keep(lines []orderLine) []orderLine {
	kept := slices.Clone(lines)
	for i, line := range kept {
		stored := c[spelling.CleanString(line.ID)]
		kept[i].Items = nil
		seen := map[string]bool{} // what one load returns of a line adds up
		for _, item := range line.Items {
			name := spelling.CleanString(item.Name)
			s, known := stored[name]
			switch {
			case !known || s.left == s.quantity:
				kept[i].Items = append(kept[i].Items, item)
			case !seen[name]:
				kept[i].Items = append(kept[i].Items, s.row(name, s.left))
				seen[name] = true
			}
		}
	}
	return kept
}

// giveBack replaces returns by rows that leave what is left after them. A total below that of an earlier return changes
// nothing.
func (c claims) giveBack(lines []orderLine, items []Item) []orderLine {
	if len(items) == 0 {
		return lines
	}
	line := lines[0]
	stored := c[line.ID]
	line.Items = nil
	for _, item := range items {
		name := spelling.CleanString(item.Name)
		s := stored[name]
		left := 0.0
		if item.Quantity != nil {
			left = rounded(min(s.left, s.quantity-*item.Quantity))
		}
		line.Items = append(line.Items, s.returnRow(name, left))
	}
	return []orderLine{line}
}

// returnRow returns the row that takes back all but so much of a line.
func (c claim) returnRow(name string, left float64) itemLine {
	if left <= 0 {
		return itemLine{Name: name, Status: "refunded"}
	}
	total := rounded(c.quantity - left)
	return itemLine{Name: name, Quantity: number(&total, "", "-")}
}

// rounded removes the error of floating-point subtraction. Quantities have at most 6 decimals.
func rounded(q float64) float64 { return math.Round(q*1e6) / 1e6 }
