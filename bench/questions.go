package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/alsobought/alsobought/internal/pg"
	"github.com/alsobought/alsobought/internal/recommend"
)

// manyBaskets is how many different orders are asked about: more than a handful, so that PostgreSQL's cache is not all
// that is measured.
const manyBaskets = 1000

// answered is how fast one kind of question was answered.
type answered struct {
	Question   string  `json:"question"`
	Over       string  `json:"over"`
	Goroutines int     `json:"goroutines"`
	Requests   int     `json:"requests"`
	PerSecond  float64 `json:"per_second"`
	P50Seconds float64 `json:"p50_seconds"`
	P99Seconds float64 `json:"p99_seconds"`
}

// asker asks one question about a basket and fails unless it is answered. Any number of goroutines may use it.
type asker struct {
	question, over string
	ask            func(ctx context.Context, basket []string) error
}

// askAll asks every question in process and over HTTP, by one goroutine and by many, with the connections that serve
// has by default.
func askAll(ctx context.Context, databaseURL string, each time.Duration) (all []answered, err error) {
	pool, err := pg.Open(ctx, databaseURL, 0)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	baskets, err := someBaskets(ctx, pool)
	if err != nil {
		return nil, err
	}
	err = withHTTP(ctx, pool, func(overHTTP []asker) error {
		for _, a := range append(inProcess(pool), overHTTP...) {
			for _, goroutines := range []int{1, 4 * runtime.GOMAXPROCS(0)} {
				// The first moments go into connections and prepared statements, and are not counted.
				if _, err := drive(ctx, a, baskets, goroutines, each/10); err != nil {
					return err
				}
				measured, err := drive(ctx, a, baskets, goroutines, each)
				if err != nil {
					return err
				}
				all = append(all, measured)
			}
		}
		return nil
	})
	return all, err
}

// inProcess asks package recommend itself, as the command line does.
func inProcess(pool *pgxpool.Pool) []asker {
	r := recommend.New(pool)
	const over = "in process"
	return []asker{
		{"similar", over, func(ctx context.Context, basket []string) error {
			return checked(r.Ask(ctx, recommend.Similar(basket[0], recommend.Options{})))
		}},
		{"basket", over, func(ctx context.Context, basket []string) error {
			return checked(r.Ask(ctx, recommend.Basket(basket, recommend.Options{})))
		}},
		{"popular", over, func(ctx context.Context, _ []string) error {
			return checked(r.Ask(ctx, recommend.Popular(recommend.Options{})))
		}},
	}
}

func checked(a recommend.Answer, err error) error {
	if err == nil && len(a.Recommendations) == 0 {
		return errors.New("an answer without recommendations")
	}
	return err
}

// someBaskets are the items of some orders of two items or more, as customers put them together: famous items come
// often. Always the same ones, in an order of their own.
func someBaskets(ctx context.Context, pool *pgxpool.Pool) ([][]string, error) {
	// The numbers of a multiplicative hash spread the orders over all of the table.
	rows, err := pool.Query(ctx, `
		SELECT array_agg(i.name ORDER BY i.name)
		FROM (
			SELECT l.order_id FROM order_lines AS l GROUP BY l.order_id HAVING count(*) BETWEEN 2 AND $2
			ORDER BY l.order_id * 2654435761 % 4294967296, l.order_id LIMIT $1
		) AS o
		JOIN order_lines AS l ON l.order_id = o.order_id
		JOIN items AS i ON i.item_id = l.item_id
		GROUP BY o.order_id
		ORDER BY o.order_id`, manyBaskets, recommend.MaxBasket)
	if err != nil {
		return nil, fmt.Errorf("choose baskets: %w", err)
	}
	defer rows.Close()
	var baskets [][]string
	for rows.Next() {
		var items []string
		if err := rows.Scan(&items); err != nil {
			return nil, fmt.Errorf("choose baskets: %w", err)
		}
		baskets = append(baskets, items)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("choose baskets: %w", err)
	}
	if len(baskets) == 0 {
		return nil, errors.New("no order has two items: there is nothing to ask about")
	}
	random := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // the same questions every time
	for _, items := range baskets {
		random.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	}
	random.Shuffle(len(baskets), func(i, j int) { baskets[i], baskets[j] = baskets[j], baskets[i] })
	return baskets, nil
}

// drive lets goroutines ask one question after the other, each as soon as the last is answered, and returns how that
// went.
func drive(ctx context.Context, a asker, baskets [][]string, goroutines int, each time.Duration) (answered, error) {
	latencies := make([][]time.Duration, goroutines)
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for g := range goroutines {
		group.Go(func() error {
			// Everybody begins somewhere else.
			for n := g * len(baskets) / goroutines; ; n++ {
				began := time.Now()
				if err := a.ask(ctx, baskets[n%len(baskets)]); err != nil {
					return fmt.Errorf("%s, %s: %w", a.question, a.over, err)
				}
				now := time.Now()
				latencies[g] = append(latencies[g], now.Sub(began))
				if now.Sub(began) >= each {
					return nil
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		return answered{}, err
	}
	took := time.Since(began)
	all := slices.Concat(latencies...)
	slices.Sort(all)
	return answered{
		Question:   a.question,
		Over:       a.over,
		Goroutines: goroutines,
		Requests:   len(all),
		PerSecond:  float64(len(all)) / took.Seconds(),
		P50Seconds: percentile(all, 50).Seconds(),
		P99Seconds: percentile(all, 99).Seconds(),
	}, nil
}

// percentile is the smallest of the sorted values that at least p percent of them do not exceed.
func percentile(sorted []time.Duration, p int) time.Duration {
	rank := (len(sorted)*p + 99) / 100
	return sorted[max(rank, 1)-1]
}
