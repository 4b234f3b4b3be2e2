package search_test

import (
	"fmt"

	"github.com/alsobought/alsobought/internal/search"
)

func Example() {
	names := []string{"Espresso machine", "Espresso beans 1 kg", "Milk jug 1/2 l"}
	var index search.Index
	for id, name := range names {
		index.Add(int64(id), name)
	}
	for _, query := range []string{"bean", "jug milk", "expresso"} {
		fmt.Printf("%s:", query)
		for _, id := range index.Find(query, 10) {
			fmt.Printf(" %q", names[id])
		}
		fmt.Println()
	}
	// Output:
	// bean: "Espresso beans 1 kg"
	// jug milk: "Milk jug 1/2 l"
	// expresso: "Espresso machine" "Espresso beans 1 kg"
}
