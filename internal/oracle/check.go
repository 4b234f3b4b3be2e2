package oracle

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Tolerance is the relative difference that different orders of summation and rounding may cause.
const Tolerance = 1e-9

// Near reports whether a and b are equal within Tolerance.
func Near(a, b float64) bool {
	return math.Abs(a-b) <= Tolerance*max(math.Abs(a), math.Abs(b))
}

// Row is one recommendation of an answer.
type Row struct {
	Item           string
	Source         string // pinned, pair or popular
	Score          float64
	PopularityRank int64
	OrdersTogether int64
	Confidence     float64
	Lift           float64
	With           string // the seed item of the evidence, if the answer has it
}

// CheckRanking returns an error unless got is the first limit of the ranked candidates. Candidates whose sums
// are equal within Tolerance may come in either order, unless their sums are certain to be equal: then the tie
// rule decides.
func CheckRanking(got []string, ranked []Candidate, limit int) error {
	want := ranked[:min(limit, len(ranked))]
	if len(got) != len(want) {
		return fmt.Errorf("%d items, want %d", len(got), len(want))
	}
	byName := make(map[string]Candidate, len(ranked))
	for _, r := range ranked {
		byName[r.Item] = r
	}
	chosen := make([]Candidate, 0, len(got))
	for place, name := range got {
		r, found := byName[name]
		switch {
		case !found:
			return fmt.Errorf("place %d: %q is no candidate, or is named twice", place+1, name)
		case !r.near(want[place]):
			return fmt.Errorf("place %d: %q with %v, want %q with %v",
				place+1, name, r.Total, want[place].Item, want[place].Total)
		}
		delete(byName, name)
		for _, before := range chosen {
			if r.ties(before) && r.compareTied(before) < 0 {
				return fmt.Errorf("place %d: %q ties with %q and belongs before it", place+1, name, before.Item)
			}
		}
		chosen = append(chosen, r)
	}
	for _, left := range byName {
		for _, r := range chosen {
			if left.ties(r) && left.compareTied(r) < 0 {
				return fmt.Errorf("%q is missing: it ties with %q and belongs before it", left.Item, r.Item)
			}
		}
	}
	return nil
}

// Check returns everything that distinguishes got from the answer to q.
func (c *Counts) Check(q Question, got []Row) error {
	pinned, ranked, filled, _ := c.answer(q)
	names, per := make([]string, len(got)), map[string]int{}
	for i, r := range got {
		names[i] = r.Item
		per[r.Source]++
	}
	first := per["pinned"]
	last := min(first+min(q.Limit-len(pinned), len(ranked)), len(got)) // end of the ranked rows
	errs := []error{CheckRanking(names[first:last], ranked, q.Limit-len(pinned))}
	if !slices.Equal(names[:first], pinned) {
		errs = append(errs, fmt.Errorf("pinned are %q, want %q", names[:first], pinned))
	}
	if !slices.Equal(names[last:], filled) {
		errs = append(errs, fmt.Errorf("filled with %q, want %q", names[last:], filled))
	}
	totals := map[string]Candidate{}
	for _, r := range ranked {
		totals[r.Item] = r
	}
	before := 1.0
	for i, r := range got {
		want := "pair"
		switch {
		case i < first:
			want = "pinned"
		case i >= last, totals[r.Item].popular:
			want = "popular"
		}
		if r.Source != want {
			errs = append(errs, fmt.Errorf("%q: source %q, want %q", r.Item, r.Source, want))
		}
		if err := c.checkRow(q, r, totals[r.Item]); err != nil {
			errs = append(errs, fmt.Errorf("%q: %w", r.Item, err))
		}
		if r.Score > before || !(r.Score >= 0) {
			errs = append(errs, fmt.Errorf("%q: score %v after %v: want [0, 1], never rising", r.Item, r.Score, before))
		}
		before = r.Score
	}
	return errors.Join(errs...)
}

func (c *Counts) checkRow(q Question, r Row, ranked Candidate) error {
	item := c.Items[r.Item]
	if r.PopularityRank != item.PopularityRank {
		return fmt.Errorf("popularity rank %d, want %d", r.PopularityRank, item.PopularityRank)
	}
	if len(c.known(q.Seeds)) == 0 {
		return c.checkPopular(q, r, item)
	}
	score, exact := c.score(q, ranked.Total), c.score(q, ranked.gross)
	if r.Source == "pinned" {
		score, exact = 1, 0
	}
	if math.Abs(r.Score-score) > Tolerance*exact {
		return fmt.Errorf("score %v, want %v", r.Score, score)
	}
	return c.checkEvidence(q, r)
}

// checkPopular checks a row of an answer without seed items: the empty rule, whose confidence is the share of
// all orders.
func (c *Counts) checkPopular(q Question, r Row, item Item) error {
	all, orders := c.Orders, item.Orders
	if q.Days > 0 {
		var recent map[string]int64
		all, recent = c.recent(q.Days)
		orders = recent[r.Item]
	}
	share := 0.0
	if all > 0 {
		share = float64(orders) / float64(all)
	}
	score := share
	if r.Source == "pinned" {
		score = 1
	}
	if r.Source == "pair" || !Near(r.Score, score) ||
		r.OrdersTogether != orders || !Near(r.Confidence, share) || r.Lift != 1 {
		return fmt.Errorf("%+v, want %d orders, the share %v of all", r, orders, share)
	}
	return nil
}

func (c *Counts) checkEvidence(q Question, r Row) error {
	possible := c.evidence(q, r.Item)
	if len(possible) == 0 {
		if r.OrdersTogether != 0 || r.Confidence != 0 || r.Lift != 0 {
			return fmt.Errorf("evidence %+v for items that never met", r)
		}
		return nil
	}
	shown := slices.IndexFunc(possible, func(e Evidence) bool {
		return (r.With == "" || r.With == e.With) &&
			r.OrdersTogether == e.OrdersTogether && Near(r.Confidence, e.Confidence) && Near(r.Lift, e.Lift)
	})
	if shown < 0 {
		return fmt.Errorf("evidence %+v, want one of %+v", r, possible)
	}
	for _, e := range possible {
		// Tied seed items may have the same counts; then only the name tells which one was used.
		if r.With != "" && e.ingredients == possible[shown].ingredients && e.rank < possible[shown].rank {
			return fmt.Errorf("evidence with %q, which ties with %q: that has more baskets or the smaller name", r.With, e.With)
		}
	}
	return nil
}
