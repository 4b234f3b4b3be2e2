package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
)

// seed makes every run ask the same questions.
const seed = 1

// few is how many different questions of a kind are asked where they are to be cached.
const few = 50

// questions are drawn from the sample orders.
type questions struct {
	lines  []string // the item of every order line: drawn by popularity
	items  []string // every item once: drawn uniformly
	orders []string
}

func readQuestions(path string) (q questions, err error) {
	file, err := os.Open(path)
	if err != nil {
		return q, fmt.Errorf("read sample orders: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	rows := csv.NewReader(file)
	rows.ReuseRecord = true
	if _, err := rows.Read(); err != nil { // the header
		return q, fmt.Errorf("read sample orders: %w", err)
	}
	seen := map[string]bool{}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return q, nil
		}
		if err != nil {
			return q, fmt.Errorf("read sample orders: %w", err)
		}
		order, item := row[0], row[1]
		q.lines = append(q.lines, item)
		if !seen[item] {
			seen[item] = true
			q.items = append(q.items, item)
		}
		if n := len(q.orders); n == 0 || q.orders[n-1] != order {
			q.orders = append(q.orders, order)
		}
	}
}

// kind is a kind of question: next returns a request, whole.
type kind struct {
	name string
	next func(*rand.Rand) []byte
}

// kinds are those that are asked; cached ones are asked again and again in the same few words.
func (q questions) kinds(cached bool) []kind {
	similar := func(names []string) func(*rand.Rand) []byte {
		return func(r *rand.Rand) []byte {
			return get("/api/v1/similar-items/" + url.PathEscape(names[r.IntN(len(names))]))
		}
	}
	popular := func(*rand.Rand) []byte { return get("/api/v1/popular-items") }
	kinds := []kind{
		{"/livez", func(*rand.Rand) []byte { return get("/livez") }},
		{"similar, by popularity", similar(q.lines)},
		{"similar, uniformly", similar(q.items)},
		{"popular", popular},
	}
	for _, size := range []int{1, 2, 5, 10} {
		kinds = append(kinds, kind{fmt.Sprintf("basket of %d", size), q.basket("/api/v1/basket-recommendations", size)})
	}
	if cached {
		for i := range kinds {
			kinds[i].next = again(kinds[i].next)
		}
		return kinds
	}
	order := func(r *rand.Rand) []byte {
		return get("/api/v1/recommendations/" + url.PathEscape(q.orders[r.IntN(len(q.orders))]))
	}
	return append(kinds, kind{"order", order}, kind{"batch of 100", q.basket("/api/v1/similar-items:batch", 100)})
}

func (q questions) basket(path string, size int) func(*rand.Rand) []byte {
	return func(r *rand.Rand) []byte {
		items := make([]string, size)
		for i := range items {
			items[i] = q.items[r.IntN(len(q.items))]
		}
		body, err := json.Marshal(map[string]any{"items": items})
		if err != nil {
			panic(err) // texts
		}
		const form = "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
		return fmt.Appendf(nil, form, path, len(body), body)
	}
}

func get(path string) []byte { return []byte("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n") }

// again returns one of the first few requests that next makes.
func again(next func(*rand.Rand) []byte) func(*rand.Rand) []byte {
	first := rand.New(rand.NewPCG(seed, seed)) //nolint:gosec // the same questions every time
	kept := make([][]byte, few)
	for i := range kept {
		kept[i] = next(first)
	}
	return func(r *rand.Rand) []byte { return kept[r.IntN(few)] }
}
