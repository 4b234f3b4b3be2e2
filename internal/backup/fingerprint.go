package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/alsobought/alsobought/db"
	"github.com/alsobought/alsobought/internal/recommend"
)

// Sample sizes.
const (
	sampledItems   = 500
	sampledOrders  = 100
	sampledBaskets = 100
	sampledPairs   = 50
)

// fingerprint asks a fixed set of questions of every kind and hashes the answers as the API would return them.
// Equal data give equal hashes. The set covers answers from kept neighbours and answers from pairs. Without a
// build no questions are asked.
func fingerprint(ctx context.Context, tx pgx.Tx) (Answers, error) {
	q, sum := db.New(tx), sha256.New()
	items, err := q.BackupItemSample(ctx, sampledItems)
	if err != nil {
		return Answers{}, fmt.Errorf("choose items: %w", err)
	}
	orders, err := q.BackupOrderSample(ctx, sampledOrders)
	if err != nil {
		return Answers{}, fmt.Errorf("choose orders: %w", err)
	}
	recommender, encoder, count := recommend.New(tx), json.NewEncoder(sum), 0
	add := func(answer any, err error) error {
		if err != nil {
			return err
		}
		count++
		return encoder.Encode(answer)
	}
	for _, question := range questions(items, orders) {
		answer, err := recommender.Ask(ctx, question)
		if errors.Is(err, recommend.ErrNoBuild) {
			return Answers{SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
		}
		if err := add(answer, err); err != nil {
			return Answers{}, err
		}
	}
	for i := 1; i < min(len(items), sampledPairs+1); i++ {
		explanation, err := recommender.Explain(ctx, items[0], items[i], 0)
		if err := add(explanation, err); err != nil {
			return Answers{}, err
		}
	}
	return Answers{Questions: count, SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}

func questions(items, orders []string) []recommend.Question {
	list := []recommend.Question{
		recommend.Popular(recommend.Options{Limit: recommend.MaxLimit}),
		recommend.Popular(recommend.Options{Limit: recommend.MaxLimit, Days: 30}),
	}
	measures := recommend.Measures()
	for i, item := range items {
		list = append(list, recommend.Similar(item, recommend.Options{Limit: 10}))
		if i%10 == 0 {
			by := measures[i/10%len(measures)]
			list = append(list, recommend.Similar(item, recommend.Options{Limit: 10, Measure: by, Strict: true}))
		}
	}
	for i := range min(len(items), sampledBaskets) {
		basket := []string{items[i], items[(2*i+1)%len(items)], items[(3*i+2)%len(items)]}
		list = append(list, recommend.Basket(basket[:1+i%3], recommend.Options{}))
	}
	for _, id := range orders {
		list = append(list, recommend.Order(id, recommend.Options{}))
	}
	return list
}
