package recommend_test

import (
	"context"
	"fmt"

	"github.com/alsobought/alsobought/internal/builds"
	"github.com/alsobought/alsobought/internal/dbtest"
	"github.com/alsobought/alsobought/internal/recommend"
)

// Load orders, count them, and ask.
func Example() {
	t, end := dbtest.Example()
	defer end()
	pool := dbtest.New(t) // in a program: pg.Open
	loadText(t, pool, "order_id,item_name\n1,bread\n1,butter\n2,bread\n2,butter\n2,jam\n3,bread\n4,milk\n")
	mustBuild(t, pool, builds.DefaultSettings())

	answer, err := recommend.New(pool).Ask(context.Background(), recommend.Similar("bread", recommend.Options{Limit: 3}))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range answer.Recommendations {
		fmt.Printf("%s: %s\n", r.ItemName, r.Reason)
	}
	// Output:
	// butter: bought together in 2 of 3 orders with bread
	// jam: bought together in 1 of 3 orders with bread
	// milk: popular: in 1 of 4 orders
}
