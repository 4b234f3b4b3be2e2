package chart_test

import (
	"fmt"
	"strings"

	"github.com/alsobought/alsobought/internal/chart"
)

func ExampleStack() {
	svg := chart.Stack(200, chart.Piece{Value: 180, Class: "loaded"}, chart.Piece{Value: 20, Class: "rejected"})
	fmt.Println(strings.ReplaceAll(string(svg), "><", ">\n<"))
	// Output:
	// <svg class="meter" width="100%" height="12" aria-hidden="true">
	// <rect class="track" width="100%" height="100%" rx="3"/>
	// <rect class="fill loaded" x="0%" width="90%" height="100%" rx="3"/>
	// <rect class="fill rejected" x="90%" width="10%" height="100%" rx="3"/>
	// </svg>
}
